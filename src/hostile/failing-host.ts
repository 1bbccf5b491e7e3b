/**
 * The host's own functions, of which the n-th call fails: once, or from then on. It replaces them in this process, so it is
 * installed before what is to be tried is imported; until it is told to fail something it only counts.
 *
 * A call fails before it has done anything, with the errno that is asked for; what gives something back (close, remove) has
 * done it all the same, as in Linux. `short` and `interrupted` are no errors: a call does a part of what it was asked, or says
 * EINTR and is to be made again.
 */

import fs from 'node:fs'
import { type FileHandle, open as openHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { constants } from 'node:os'
import { namesOf } from '../base/index.ts'
import { SharedFault, THREAD_KINDS, type ThreadKind } from './in-threads.ts'

const KINDS = {
  open: ['openSync'],
  close: ['closeSync'],
  stat: ['statSync', 'lstatSync', 'fstatSync', 'statfsSync'],
  list: ['readdirSync'],
  'read at once': ['readSync', 'readFileSync'],
  'write at once': ['writeSync', 'writeFileSync'],
  'flush at once': ['fsyncSync', 'fdatasyncSync'],
  'resize at once': ['ftruncateSync', 'truncateSync'],
  name: ['renameSync', 'linkSync', 'symlinkSync', 'mkdirSync'],
  remove: ['rmSync', 'rmdirSync', 'unlinkSync'],
  read: ['read', 'readv'],
  write: ['write', 'writev'],
  flush: ['fsync', 'fdatasync'],
  resize: ['ftruncate'],
  handle: ['open', 'read', 'write', 'sync', 'datasync', 'stat'],
  commit: ['batch'],
} as const
type OwnKind = keyof typeof KINDS
export type CallKind = OwnKind | ThreadKind
const OWN_KINDS = namesOf(KINDS)
export const CALL_KINDS: readonly CallKind[] = [...OWN_KINDS, ...THREAD_KINDS]

export type How = 'once' | 'for ever' | 'short' | 'interrupted'

/** Which call fails, how, and with which of the host's errors: 'EIO'. */
export interface Fault {
  readonly kind: CallKind
  /** From 1. */
  readonly nth: number
  readonly how: How
  readonly code: string
}

type Call = (...args: unknown[]) => unknown
type Ended = (error: NodeJS.ErrnoException | null, count: number) => void
type Verdict = 'goes' | 'short' | Error

const ASYNCHRONOUS: ReadonlySet<OwnKind> = new Set(['read', 'write', 'flush', 'resize'])
const GIVES_BACK: ReadonlySet<OwnKind> = new Set(['close', 'remove'])

export class FailingHost {
  private readonly counts: Record<string, number> = {}
  /** Of the threads of hardware machines. */
  private readonly shared = new SharedFault()
  private fault: Fault | undefined

  static async install(): Promise<FailingHost> {
    const host = new FailingHost()
    for (const kind of OWN_KINDS)
      if (kind !== 'handle' && kind !== 'commit')
        for (const name of KINDS[kind])
          host.replace(fs, name, kind, ASYNCHRONOUS.has(kind) ? 'ended' : 'at once')
    const handle = await openHandle(import.meta.filename)
    const prototype = Object.getPrototypeOf(handle) as FileHandle
    await handle.close()
    for (const name of KINDS.handle) if (name !== 'open') host.replace(prototype, name, 'handle', 'promised')
    host.replace(fs.promises, 'open', 'handle', 'promised')
    syncBuiltinESMExports()
    return host
  }

  /** LMDB's, of the package lmdb, whose databases have a class each. */
  addLmdb(database: object): void {
    for (let object = database; object !== Object.prototype; object = Object.getPrototypeOf(object))
      if (Object.hasOwn(object, 'batch')) {
        this.replace(object, 'batch', 'commit', 'promised')
        return
      }
    throw new Error('no method batch: is it a database of lmdb?')
  }

  /** Counts from 0, and fails this. */
  begin(fault: Fault | undefined): void {
    for (const kind of OWN_KINDS) this.counts[kind] = 0
    this.fault = fault
    this.shared.begin(
      fault && { ...fault, times: fault.how === 'for ever' ? Infinity : 1, errno: numberOf(fault) },
    )
  }

  /** Calls of each kind since the last `begin`. */
  get made(): Readonly<Record<string, number>> {
    return { ...this.counts, ...this.shared.made }
  }

  heal(): void {
    this.fault = undefined
    this.shared.heal()
  }

  private verdict(kind: OwnKind, call: string): Verdict {
    const count = (this.counts[kind] ?? 0) + 1
    this.counts[kind] = count
    const { fault } = this
    if (fault === undefined || fault.kind !== kind || count < fault.nth) return 'goes'
    if (count > fault.nth && fault.how !== 'for ever') return 'goes'
    if (fault.how === 'short') return 'short'
    return failure(fault.how === 'interrupted' ? 'EINTR' : fault.code, call)
  }

  private replace(
    owner: object,
    name: string,
    kind: OwnKind,
    answers: 'at once' | 'ended' | 'promised',
  ): void {
    const methods = owner as Record<string, Call>
    const real = methods[name]!
    const host = this
    methods[name] = function (this: unknown, ...args: unknown[]): unknown {
      const verdict = host.verdict(kind, name)
      if (verdict === 'goes') return real.apply(this, args)
      if (verdict === 'short') return real.apply(this, cut(args))
      const tooLate = GIVES_BACK.has(kind) ? real.apply(this, args) : undefined
      if (answers === 'at once') throw verdict
      if (answers === 'promised') return Promise.resolve(tooLate).then(() => Promise.reject(verdict))
      process.nextTick(args.at(-1) as Ended, verdict, 0)
      return undefined
    }
    // What promisify and others hang on it.
    Object.assign(methods[name], real)
    for (const symbol of Object.getOwnPropertySymbols(real))
      if (symbol.description !== 'nodejs.util.promisify.customArgs')
        Reflect.set(methods[name], symbol, Reflect.get(real, symbol))
      else Object.defineProperty(methods[name], symbol, { value: Reflect.get(real, symbol) })
  }
}

/** Half of what was asked: of one buffer its first half, of many the first. */
function cut(args: readonly unknown[]): unknown[] {
  return args.map((argument, at) => {
    if (Array.isArray(argument) && argument.length > 1) return argument.slice(0, 1)
    if (Array.isArray(argument)) return argument.map(half)
    // read(fd, buffer, offset, length, position)
    return at === 3 && typeof argument === 'number' && args[1] instanceof Uint8Array
      ? Math.max(1, argument >>> 1)
      : argument
  })
}

function half(buffer: Uint8Array): Uint8Array {
  return buffer.subarray(0, Math.max(1, buffer.length >>> 1))
}

function numberOf({ how, code }: Fault): number {
  return constants.errno[(how === 'interrupted' ? 'EINTR' : code) as keyof typeof constants.errno]
}

function failure(code: string, call: string): NodeJS.ErrnoException {
  const errno = -constants.errno[code as keyof typeof constants.errno]
  return Object.assign(new Error(`${code}: the host fails, ${call}`), { code, errno, syscall: call })
}
