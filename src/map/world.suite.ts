/**
 * What the tests of the library stand on: real files in a directory of their own, a machine that is closed whatever
 * happens, and the host's calls, which a test may count, hold back or break.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { FaultlineError } from '../calls/index.ts'

export const PAGE = 4096

/** A directory that is removed after the test. */
export function scratch(t: TestContext): string {
  const path = fs.mkdtempSync(join(tmpdir(), 'faultline-'))
  t.after(() => fs.rmSync(path, { recursive: true, force: true }))
  return path
}

/** A file of whole pages, each filled with its own number from 1. */
export function numbered(t: TestContext, pages: number, pageSize = PAGE): string {
  const path = join(scratch(t), 'numbered.bin')
  const bytes = Buffer.alloc(pages * pageSize)
  for (let page = 0; page < pages; page++)
    bytes.fill((page % 255) + 1, page * pageSize, (page + 1) * pageSize)
  fs.writeFileSync(path, bytes)
  return path
}

/** A file of holes. */
export function sparse(t: TestContext, length: number): string {
  const path = join(scratch(t), 'sparse.bin')
  fs.writeFileSync(path, '')
  fs.truncateSync(path, length)
  return path
}

export function byteOf(path: string, position: number): number {
  const byte = Buffer.alloc(1)
  const fd = fs.openSync(path, 'r')
  fs.readSync(fd, byte, 0, 1, position)
  fs.closeSync(fd)
  return byte[0]!
}

/** That the call fails with this error of the library, and says why in words that match. */
export async function refuses(
  call: () => unknown,
  code: string,
  operation: string,
  words: RegExp,
): Promise<FaultlineError> {
  let told: unknown
  try {
    await call()
  } catch (error) {
    told = error
  }
  assert.ok(told instanceof FaultlineError, `expected a FaultlineError, got ${told}`)
  assert.equal(told.code, code, told.message)
  assert.equal(told.operation, operation, told.message)
  assert.match(told.message, words)
  return told
}

const KINDS = {
  read: 'read',
  readv: 'read',
  write: 'write',
  writev: 'write',
  fsync: 'flush',
  ftruncate: 'resize',
} as const
type Method = keyof typeof KINDS
export type Kind = (typeof KINDS)[Method]
type Callback = (error: NodeJS.ErrnoException | null, ...rest: unknown[]) => void

interface Break {
  readonly kind: Kind
  readonly errno: number
  /** How many calls succeed before, and how many fail then. */
  after: number
  times: number
}

/** The asynchronous calls of the host's files, while a test lasts. */
export class HostCalls {
  /** Calls that used a descriptor's number when it had been closed. */
  readonly usedAfterClose: string[] = []
  private readonly closed = new Set<number>()
  private readonly mocks: { readonly mock: { restore(): void } }[] = []
  /** How many of each kind were begun. */
  readonly begun: Record<Kind, number> = { read: 0, write: 0, flush: 0, resize: 0 }
  private readonly broken: Break[] = []
  private readonly holding = new Set<Kind>()
  private held: (() => void)[] = []
  private readonly watchers: { readonly count: number; readonly told: () => void }[] = []

  constructor(t: TestContext) {
    for (const method of Object.keys(KINDS) as Method[]) this.replace(t, method)
    this.watchDescriptors(t)
    t.after(() => this.release())
  }

  /** The host's calls are its own again. */
  end(): void {
    for (const { mock } of this.mocks) mock.restore()
  }

  /** From now on calls of this kind wait until `release`. */
  hold(kind: Kind): void {
    this.holding.add(kind)
  }

  /** Resolves once so many calls are held. */
  heldAre(count: number): Promise<void> {
    return new Promise(told => {
      this.watchers.push({ count, told })
      this.look()
    })
  }

  release(): void {
    this.holding.clear()
    for (const go of this.held.splice(0)) go()
  }

  /** The `nth` call of this kind from now on fails, and `times` in all. */
  fails(
    kind: Kind,
    options: { readonly nth?: number; readonly times?: number; readonly errno?: number } = {},
  ): void {
    const { nth = 1, times = 1, errno = 5 } = options
    this.broken.push({ kind, errno, after: nth - 1, times })
  }

  heal(): void {
    this.broken.length = 0
  }

  private replace(t: TestContext, method: Method): void {
    const kind = KINDS[method]
    const real = fs[method] as (...args: unknown[]) => void
    const mock = t.mock.method(fs, method, (...args: unknown[]) => {
      this.begun[kind]++
      if (this.closed.has(args[0] as number)) this.usedAfterClose.push(`${method} of ${args[0]}`)
      const callback = args.at(-1) as Callback
      const errno = this.verdict(kind)
      const go = () => {
        if (this.closed.has(args[0] as number)) this.usedAfterClose.push(`${method} of ${args[0]}`)
        if (errno === 0) real.call(fs, ...args)
        else process.nextTick(callback, Object.assign(new Error('the host failed'), { errno: -errno }), 0)
      }
      if (this.holding.has(kind)) this.held.push(go)
      else go()
      this.look()
    })
    this.mocks.push(mock)
  }

  private watchDescriptors(t: TestContext): void {
    const { openSync, closeSync } = fs
    const opening = t.mock.method(fs, 'openSync', (...args: Parameters<typeof openSync>) => {
      const fd = openSync(...args)
      this.closed.delete(fd)
      return fd
    })
    const closing = t.mock.method(fs, 'closeSync', (fd: number) => {
      if (this.closed.has(fd)) this.usedAfterClose.push(`close of ${fd}`)
      closeSync(fd)
      this.closed.add(fd)
    })
    this.mocks.push(opening, closing)
    for (const method of ['readSync', 'writeSync', 'fsyncSync', 'ftruncateSync', 'fstatSync'] as const) {
      const real = fs[method] as (...args: unknown[]) => unknown
      const watched = t.mock.method(fs, method, (...args: unknown[]) => {
        if (this.closed.has(args[0] as number)) this.usedAfterClose.push(`${method} of ${args[0]}`)
        return real.call(fs, ...args)
      })
      this.mocks.push(watched)
    }
  }

  /** The errno that the call will fail with, or 0. */
  private verdict(kind: Kind): number {
    for (const fault of this.broken) {
      if (fault.kind !== kind) continue
      if (fault.after-- > 0) continue
      if (fault.times-- > 0) return fault.errno
    }
    return 0
  }

  private look(): void {
    for (const { count, told } of this.watchers) if (this.held.length >= count) told()
  }
}
