/**
 * A mapping: pages of a file, or of memory, as a section of a program sees them.
 *
 *     run(section):  section(view) -> returns: it has taken effect
 *                         \-> MISS: its stores are undone; its missing pages are brought, all at once; again
 *
 * Invariants
 *   MP1 A section takes effect once, or not at all.
 *   MP2 Pages that a section waited for stay pinned until it is over: it is run again at most once for each page.
 *   MP3 When every page is there nothing is allocated and nothing is awaited: run returns the section's own value.
 */
import type { Bytes, Pfn, Vpn } from '../base/index.ts'
import { newVmFault } from '../memmap/index.ts'
import { type FaultArgs, faultArgs, PROT_NONE, PROT_READ, PROT_WRITE, type Prot } from '../mm/index.ts'
import { MISS, type Miss, View } from '../mmu/index.ts'
import type { Task, Verb } from '../sched/index.ts'
import { msyncArgs, populateArgs } from '../space/index.ts'
import type { Context } from './context.ts'
import { aborted, FaultlineError, fromErrno } from './error.ts'
import { choice, invalid } from './options.ts'
import type { Who } from './performer.ts'
import type { Space } from './space.ts'

export type ProtName = 'none' | 'r' | 'w' | 'rw'
export type AdviceName =
  | 'normal'
  | 'random'
  | 'sequential'
  | 'willneed'
  | 'dontneed'
  | 'populate-read'
  | 'populate-write'

export interface RangeOptions {
  /** Bytes from the start of the mapping; multiples of the page size. The whole mapping if left out. */
  readonly offset?: Bytes
  readonly length?: Bytes
  readonly signal?: AbortSignal
}

export interface RunOptions {
  readonly signal?: AbortSignal
}

const PROTS: Readonly<Record<ProtName, Prot>> = {
  none: PROT_NONE,
  r: PROT_READ,
  w: PROT_WRITE,
  rw: PROT_READ | PROT_WRITE,
}

export function protOf(name: ProtName, operation: string): Prot {
  return PROTS[choice(name, ['none', 'r', 'w', 'rw'], 'prot', operation)]
}

/** What an attempt at a section returns when a page was missing. */
const MISSED = Symbol('missed')

export class Mapping {
  readonly space: Space
  readonly length: Bytes
  /** What it maps, for messages. */
  readonly name: string
  private readonly context: Context
  private readonly start: Vpn
  private readonly end: Vpn
  private readonly view: View
  private running = false
  /** What the last section that missed lacked. */
  private misses: readonly Miss[] = []
  private unmapped = false

  constructor(context: Context, space: Space, name: string, start: Vpn, length: Bytes) {
    const { frames } = context.engine.memory
    this.context = context
    this.space = space
    this.name = name
    this.start = start
    this.end = start + Math.ceil(length / frames.pageSize)
    this.length = length
    this.view = new View(space.mm.table, frames, start, length)
  }

  /** Where it begins in its space, in bytes: the number that /proc shows. */
  get address(): Bytes {
    return this.start * this.pageSize
  }

  /**
   * Calls `section` with a view of the mapping. The section is synchronous and may be called more than once; what it
   * stores takes effect once. Returns its value, or a promise of it if a page had to be brought.
   *
   * Throws FaultlineError: EACCES, ENXIO (past the end of the file), EIO, ENOSPC, ENOMEM, and what the section throws.
   */
  run<T>(section: (view: View) => T, options?: RunOptions): T | Promise<T> {
    this.check('run')
    const value = this.attempt(section)
    return value === MISSED ? this.runCold(section, options?.signal) : value
  }

  /** Brings pages that sections will need, all at once, and waits until they are there. */
  async prefetch(
    ranges: readonly { readonly offset: Bytes; readonly length: Bytes }[],
    options: RunOptions = {},
  ): Promise<void> {
    await this.run(view => {
      for (const { offset, length } of ranges) view.want(offset, length)
      view.settle()
    }, options)
  }

  /** Makes what was stored through this range durable. */
  async sync(options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('sync', options)
    await this.perform(this.context.engine.verbs.msync, msyncArgs(this.mm, start, end), options)
  }

  async protect(prot: ProtName, options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('protect', options)
    const args = { space: this.mm, start, end, prot: protOf(prot, 'protect') }
    await this.perform(this.context.engine.verbs.protect, args, options)
  }

  async advise(advice: AdviceName, options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('advise', options)
    const { verbs } = this.context.engine
    const known = [
      'normal',
      'random',
      'sequential',
      'willneed',
      'dontneed',
      'populate-read',
      'populate-write',
    ] as const
    const checked = choice(advice, known, 'advice', 'advise')
    if (checked === 'populate-read')
      await this.perform(verbs.populate, populateArgs(this.mm, start, end, 'load'), options)
    else if (checked === 'populate-write')
      await this.perform(verbs.populate, populateArgs(this.mm, start, end, 'store'), options)
    else await this.perform(verbs.advise, { space: this.mm, start, end, advice: checked }, options)
  }

  /** Brings every page of the range: advise('populate-read'). */
  async populate(options: RangeOptions = {}): Promise<void> {
    await this.advise('populate-read', options)
  }

  /** Brings the range and keeps it in memory until it is unlocked. */
  async lock(options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('lock', options)
    await this.perform(this.context.engine.verbs.lock, { space: this.mm, start, end, to: 'locked' }, options)
    await this.populate(options)
  }

  async unlock(options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('unlock', options)
    await this.perform(
      this.context.engine.verbs.lock,
      { space: this.mm, start, end, to: 'unlocked' },
      options,
    )
  }

  /** Takes the mapping away. What was stored stays in the file, and reaches the device by writeback or sync. */
  async unmap(): Promise<void> {
    this.check('unmap')
    this.unmapped = true
    await this.perform(
      this.context.engine.verbs.unmap,
      { space: this.mm, start: this.start, end: this.end },
      {},
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.unmapped) await this.unmap()
  }

  /** The same pages in a space that was forked from this mapping's. */
  inFork(child: Space): Mapping {
    return new Mapping(this.context, child, this.name, this.start, this.length)
  }

  private async runCold<T>(section: (view: View) => T, signal: AbortSignal | undefined): Promise<T> {
    const kept: Pfn[] = []
    try {
      for (;;) {
        await this.bring(this.misses, kept, signal)
        this.check('run')
        const value = this.attempt(section)
        if (value !== MISSED) return value
      }
    } finally {
      for (const frame of kept) this.context.engine.memory.unpin(frame)
      this.context.driver.pump()
    }
  }

  /** Runs the section once. If it missed, its stores are undone and `misses` says what it lacked. */
  private attempt<T>(section: (view: View) => T): T | typeof MISSED {
    const nested = this.running
    const view = nested ? this.newView() : this.view
    this.running = true
    try {
      view.begin()
      return this.finish(view, section(view))
    } catch (thrown) {
      this.undo(view, thrown)
      this.misses = [...view.misses]
      return MISSED
    } finally {
      this.running = nested
    }
  }

  /** The section has returned: it counts, unless it swallowed a miss or isn't synchronous. */
  private finish<T>(view: View, value: T): T {
    if (isThenable(value)) {
      view.rollback()
      throw invalid(
        'run',
        'a section must be synchronous, and this one returned a promise; await outside of it',
      )
    }
    if (view.end() === 'committed') return value
    throw swallowed()
  }

  /** The section has thrown. Returns if it was for a miss. */
  private undo(view: View, thrown: unknown): void {
    const missed = view.missed
    view.rollback()
    if (thrown === MISS) return
    if (missed && !(thrown instanceof FaultlineError)) throw swallowed(thrown)
    throw thrown
  }

  /** Faults for all of them at once. Each that succeeds leaves a pin in `kept`. */
  private async bring(misses: readonly Miss[], kept: Pfn[], signal: AbortSignal | undefined): Promise<void> {
    const { engine, performer } = this.context
    if (signal?.aborted === true) throw aborted('run', this.name, signal.reason)
    const stores = new Set(misses.filter(miss => miss.access === 'store').map(miss => miss.vpn))
    const tasks: Task<FaultArgs>[] = []
    for (const vpn of new Set(misses.map(miss => miss.vpn))) {
      const fault = newVmFault(
        vpn,
        stores.has(vpn) ? 'store' : 'load',
        this.space.mm.group,
        engine.scheduler.now(),
      )
      tasks.push(performer.begin(engine.verbs.fault, faultArgs(this.mm, fault, 'keep the page'), this.who))
    }
    let failed: Task<FaultArgs> | undefined
    for (const task of tasks) {
      await performer.finished(task as Task, signal)
      if (task.errno === 0) {
        if (task.args.kept !== 0) kept.push(task.args.kept)
      } else failed ??= task
    }
    if (failed === undefined) return
    if (isAborted(signal)) throw aborted('run', this.name, signal.reason)
    const { access, vpn } = failed.args.fault
    throw fromErrno(failed.errno, access, `${this.name} at offset ${(vpn - this.start) * this.pageSize}`)
  }

  private get mm(): Space['mm'] {
    return this.space.mm
  }

  private get pageSize(): Bytes {
    return this.context.engine.memory.frames.pageSize
  }

  private get who(): Who {
    return { name: this.space.name, group: this.space.mm.group }
  }

  private newView(): View {
    return new View(this.mm.table, this.context.engine.memory.frames, this.start, this.length)
  }

  private async perform<Args>(verb: Verb<Args>, args: Args, options: RangeOptions): Promise<void> {
    await this.context.performer.perform(verb, args, this.who, this.name, options.signal)
  }

  private range(operation: string, { offset = 0, length = this.length - offset }: RangeOptions): [Vpn, Vpn] {
    this.check(operation)
    if (!Number.isSafeInteger(offset) || offset < 0 || offset % this.pageSize !== 0)
      throw invalid(operation, `offset: expected a multiple of the page size ${this.pageSize}, got ${offset}`)
    if (!Number.isSafeInteger(length) || length < 0 || offset + length > this.length)
      throw invalid(
        operation,
        `length: expected at most ${this.length - offset} bytes from offset ${offset}, got ${length}`,
      )
    const start = this.start + offset / this.pageSize
    return [start, start + Math.ceil(length / this.pageSize)]
  }

  private check(operation: string): void {
    if (this.unmapped)
      throw new FaultlineError(
        'EBADF',
        operation,
        `this mapping of ${this.name} was unmapped; map the file again`,
      )
  }
}

function isThenable(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

function swallowed(cause?: unknown): FaultlineError {
  return new FaultlineError(
    'EINVAL',
    'run',
    'the section caught the signal of a missing page and went on; let what `view` throws pass through',
    cause,
  )
}

/** Whether it has been aborted by now: the compiler remembers what it was before an await. */
function isAborted(signal: AbortSignal | undefined): signal is AbortSignal {
  return signal?.aborted === true
}
