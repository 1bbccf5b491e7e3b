/**
 * The calls of the host that a hardware machine's own threads make, of which the n-th fails: imported by every thread before
 * all else (node --import), it counts and fails by words that all of them share. Calls that move bytes, flush and resize say
 * -errno.
 */

import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'
import { namesOf } from '../base/index.ts'
import { Linux, Ring } from '../linux/index.ts'

const NAME = 'faultline hostile'
/** Replaces what makes calls of a kind: `verdict` counts one, and says 0, or -errno if it is to fail. */
type Replaces = (verdict: () => number) => void

const KINDS = {
  'read by a thread': answered('pread', 'preadv'),
  'write by a thread': answered('pwrite', 'pwritev'),
  'flush by a thread': answered('fsync'),
  'resize by a thread': answered('tryFtruncate'),
  'read by the kernel for a thread': ended,
} as const
export type ThreadKind = keyof typeof KINDS
export const THREAD_KINDS: readonly ThreadKind[] = namesOf(KINDS)

/** Which kind fails, from which call on, how often, and with which errno; then a count for each kind. */
const KIND = 0
const NTH = 1
const TIMES = 2
const ERRNO = 3
const COUNTS = 4

/** What the threads share. Make it before the first of them. */
export class SharedFault {
  private readonly words: Int32Array

  constructor() {
    const buffer = new SharedArrayBuffer(4 * (COUNTS + THREAD_KINDS.length))
    this.words = new Int32Array(buffer)
    setEnvironmentData(NAME, buffer)
  }

  begin(
    fault:
      | { readonly kind: string; readonly nth: number; readonly times: number; readonly errno: number }
      | undefined,
  ): void {
    this.words.fill(0)
    if (fault === undefined) return
    this.words[NTH] = fault.nth
    this.words[TIMES] = Math.min(fault.times, 2 ** 30)
    this.words[ERRNO] = fault.errno
    Atomics.store(this.words, KIND, 1 + THREAD_KINDS.indexOf(fault.kind as ThreadKind))
  }

  heal(): void {
    Atomics.store(this.words, KIND, 0)
  }

  get made(): Record<string, number> {
    return Object.fromEntries(THREAD_KINDS.map((kind, at) => [kind, this.words[COUNTS + at]!]))
  }
}

const shared = getEnvironmentData(NAME)
if (shared instanceof SharedArrayBuffer) replace(new Int32Array(shared))

function replace(words: Int32Array): void {
  THREAD_KINDS.forEach((kind, at) => {
    KINDS[kind](() => {
      const count = Atomics.add(words, COUNTS + at, 1) + 1
      const first = words[NTH]!
      const fails = Atomics.load(words, KIND) === at + 1 && count >= first && count < first + words[TIMES]!
      return fails ? -words[ERRNO]! : 0
    })
  })
}

/** Calls that answer at once. */
function answered(...names: readonly (keyof Linux)[]): Replaces {
  const methods = Linux.prototype as unknown as Record<string, (...args: unknown[]) => number>
  return verdict => {
    for (const name of names) {
      const real = methods[name]!
      methods[name] = function (this: Linux, ...args: unknown[]): number {
        return verdict() || real.apply(this, args)
      }
    }
  }
}

/** Reads of a ring: they fail when they have ended. */
function ended(verdict: () => number): void {
  const { ended } = Ring.prototype
  Ring.prototype.ended = function (this: Ring, tell) {
    ended.call(this, (place, result) => tell(place, verdict() || result))
  }
}
