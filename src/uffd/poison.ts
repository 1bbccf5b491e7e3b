/**
 * Threads that touched a page which can't be had: it could not be read, it lies past the end of the file, the mapping
 * does not allow it or is gone. The touch can't return, for there are no bytes that it could return.
 *
 *     inside a call of the host (fs.writeSync of the array)    the call fails with EFAULT, which Node throws
 *     a worker, with onError 'terminate-worker'                it is stopped for good, where it is, and its owner is told
 *     anything else                                            one sentence, and the process ends
 *
 * A worker is stopped by a signal to that one thread (linux/thread-signals.ts): nothing that becomes of the page reaches it.
 * A call of the host fails by taking the page's permissions away until the thread has come back from it, for the kernel
 * gives such a wait up for no signal but a fatal one. That happens when no other thread waits for the page; a load that
 * is refused takes all permissions, a store only those to store.
 *
 * Invariants
 *   SK1 No thread goes on with bytes that aren't the file's.
 *   SK2 A thread that was stopped is told of once, and holds up neither unmap nor close.
 *   SK3 Nobody waits for a page while its permissions are taken away, but the thread whose call is to fail.
 */
import fs from 'node:fs'
import type { Bytes } from '../base/index.ts'
import type { FaultlineError } from '../calls/index.ts'
import {
  type Address,
  type Linux,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  type ThreadSignals,
  type Userfaultfd,
} from '../linux/index.ts'
import type { Control } from './control.ts'
import type { OnError } from './wire.ts'

/** Node's number of the main thread, which is nobody's worker. */
const MAIN = 0
/** Whoever has run for so long since he was woken has met what he was woken for; in nanoseconds of his own time. */
const MET = 1_000_000
/** Looks, at once, whether a call has failed: it takes it microseconds. */
const LOOKS = 50

/** A thread that touched a page, as `Poison` is asked about it. */
export interface Touch {
  readonly thread: number
  /** Of the page. */
  readonly address: Address
  readonly access: 'load' | 'store'
}

interface Failing extends Touch {
  /** What /proc said of the call, and how long the thread had run by then. */
  readonly call: string
  readonly ran: number
  barred: 'not yet' | 'barred'
}

export class Poison {
  /** Threads that are stopped for good. */
  private readonly stopped = new Set<number>()
  private readonly failing = new Set<Failing>()
  /** How many threads wait for each page. */
  private readonly waiters = new Map<Address, number>()
  private readonly linux: Linux
  private readonly uffd: Userfaultfd
  private readonly pageSize: Bytes
  private readonly signals: ThreadSignals
  private readonly onError: OnError
  private readonly tell: (thread: number, threadId: number, error: FaultlineError) => void

  constructor(
    linux: Linux,
    uffd: Userfaultfd,
    pageSize: Bytes,
    signals: ThreadSignals,
    onError: OnError,
    tell: (thread: number, threadId: number, error: FaultlineError) => void,
  ) {
    this.linux = linux
    this.uffd = uffd
    this.pageSize = pageSize
    this.signals = signals
    this.onError = onError
    this.tell = tell
  }

  /** Whether calls are failing now: `sweep` is to be called soon. */
  get waiting(): boolean {
    return this.failing.size > 0
  }

  /** A thread waits for the page from now on, until `answered`: then it goes on, is stopped, or is to fail. */
  asked(address: Address): void {
    this.waiters.set(address, (this.waiters.get(address) ?? 0) + 1)
  }

  answered(address: Address): void {
    const left = this.waiters.get(address)! - 1
    if (left === 0) this.waiters.delete(address)
    else this.waiters.set(address, left)
    if (this.waiting) this.sweep()
  }

  refuse(touch: Touch, control: Control, error: FaultlineError): void {
    const { thread, address } = touch
    // A signal of somebody else took it out of its wait, and it asked twice.
    if (this.stopped.has(thread)) return
    const call = callOf(thread)
    if (call === 'running') {
      // If it is to wait after all, it asks again.
      this.uffd.wake(address, this.pageSize)
      return
    }
    if (call !== undefined) {
      this.failing.add({ ...touch, call, ran: ranOf(thread), barred: 'not yet' })
      return
    }
    const threadId = control.threadIdOf(thread)
    if (this.onError === 'terminate-worker' && threadId !== undefined && threadId !== MAIN) {
      this.stopped.add(thread)
      this.signals.stop(thread)
      this.tell(thread, threadId, error)
      return
    }
    abortProcess(this.linux, `${error.message}. A thread touched it and can't go on without it`)
  }

  /** Lets calls fail, and gives pages their permissions back when they have. */
  sweep(): void {
    for (const each of this.failing) {
      if (each.barred === 'not yet') this.bar(each)
      if (each.barred === 'barred' && hasReturned(each)) this.allow(each)
    }
  }

  private bar(failing: Failing): void {
    const { address, access } = failing
    if (this.waiters.has(address)) return
    this.linux.mprotect(address, this.pageSize, access === 'load' ? PROT_NONE : PROT_READ)
    failing.barred = 'barred'
    this.uffd.wake(address, this.pageSize)
    for (let look = 0; look < LOOKS && !hasReturned(failing); look++);
  }

  private allow(failing: Failing): void {
    this.failing.delete(failing)
    for (const { address, barred } of this.failing)
      if (address === failing.address && barred === 'barred') return
    this.linux.mprotect(failing.address, this.pageSize, PROT_READ | PROT_WRITE)
  }
}

let lastAct: () => readonly string[] = () => []

/** What a pager does before it ends the process: stores are not to be lost by it. Returns what was lost all the same. */
export function beforeAbort(act: () => readonly string[]): void {
  lastAct = act
}

/** One sentence on stderr, and the end of the process with SIGABRT. */
export function abortProcess(linux: Linux, sentence: string): void {
  for (const lost of lastWords()) fs.writeSync(2, `faultline: ${lost}\n`)
  fs.writeSync(2, `faultline: ${sentence}; the process ends.\n`)
  linux.abort()
}

function lastWords(): readonly string[] {
  const act = lastAct
  lastAct = () => []
  try {
    return act()
  } catch (error) {
    return [`what was stored could not be written: ${error}`]
  }
}

/**
 * The call of the host that a waiting thread is in, with its arguments; undefined: it is in none. It is running before it
 * has lain down, for its message comes a little earlier; and when it isn't waiting at all any more.
 */
function callOf(thread: number): string | 'running' | undefined {
  try {
    const text = fs.readFileSync(`/proc/self/task/${thread}/syscall`, 'latin1')
    if (text === 'running\n') return 'running'
    return /^\d/.test(text) ? text : undefined
  } catch {
    return 'running'
  }
}

/** How long a thread has run, in nanoseconds. */
function ranOf(thread: number): number {
  try {
    return Number.parseInt(fs.readFileSync(`/proc/self/task/${thread}/schedstat`, 'latin1'), 10)
  } catch {
    return Infinity
  }
}

function hasReturned({ thread, call, ran }: Failing): boolean {
  const now = callOf(thread)
  return now === 'running' ? ranOf(thread) > ran + MET : now !== call
}
