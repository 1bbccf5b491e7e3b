/**
 * A mapping: pages of a file, or of memory, as a section of a program sees them.
 *
 *     run(section):  section(view) -> returns: it has taken effect
 *                         \-> MISS: its stores are undone; its missing pages are brought, all at once; again
 *
 * A section may run others, of this mapping or of any other of the machine: they are part of it, and take effect with it.
 *
 * Invariants
 *   MP1 A section takes effect once, or not at all, with all that ran inside it.
 *   MP2 Pages that a section waited for stay pinned until it is over: it is run again at most twice
 *       for each page: once to load from it, once to store to it.
 *   MP3 When every page is there nothing is allocated and nothing is awaited: run returns the section's own value.
 */
import type { Bytes, Pfn, Vpn } from '../base/index.ts'
import { shown } from '../group/index.ts'
import { newVmFault } from '../memmap/index.ts'
import { type FaultArgs, faultArgs, PROT_NONE, PROT_READ, PROT_WRITE, type Prot } from '../mm/index.ts'
import { MISS, type Miss, View } from '../mmu/index.ts'
import type { Task, Verb } from '../sched/index.ts'
import { type LockArgs, msyncArgs, populateArgs } from '../space/index.ts'
import type { Context, Running } from './context.ts'
import { aborted, FaultlineError, fromErrno } from './error.ts'
import { INSPECT } from './inspect.ts'
import { checkKeys, choice, invalid, pageAligned } from './options.ts'
import { isAborted, type Who } from './performer.ts'
import type { Space } from './space.ts'

export type ProtName = 'none' | 'r' | 'w' | 'rw'
const ADVICE = [
  'normal',
  'random',
  'sequential',
  'willneed',
  'dontneed',
  'populate-read',
  'populate-write',
] as const
export type AdviceName = (typeof ADVICE)[number]

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

/** Where a mapping lies: pages of its space from `start`, bytes of its file from `offset`. */
export interface Place {
  readonly start: Vpn
  readonly length: Bytes
  readonly offset: Bytes
}

const RANGE_KEYS = ['offset', 'length', 'signal']

interface MissIn {
  readonly mapping: Mapping
  readonly miss: Miss
}

/** What a section missed, in all the mappings that it touched. */
class Cold {
  readonly misses: readonly MissIn[]

  constructor(running: readonly Mapping[]) {
    const misses: MissIn[] = []
    for (const mapping of running) for (const miss of mapping.takeMisses()) misses.push({ mapping, miss })
    this.misses = misses
  }
}

export class Mapping implements Running {
  readonly space: Space
  readonly length: Bytes
  /** What it maps, for messages. */
  readonly name: string
  /** For sections, while one runs. */
  readonly view: View
  private readonly context: Context
  private readonly place: Place
  private readonly start: Vpn
  private readonly end: Vpn
  private unmapped = false

  constructor(context: Context, space: Space, name: string, place: Place) {
    const { frames } = context.engine.memory
    this.context = context
    this.space = space
    this.name = name
    this.place = place
    this.start = place.start
    this.end = place.start + Math.ceil(place.length / frames.pageSize)
    this.length = place.length
    this.view = new View(space.mm.table, frames, place.start, place.length, context.undo)
  }

  /** Where it begins in its space, in bytes: the number that /proc shows. */
  get address(): Bytes {
    return this.start * this.pageSize
  }

  /**
   * Calls `section` with a view of the mapping. The section is synchronous and may be called more than once; what it
   * stores takes effect once. Returns its value, or a promise of it if a page had to be brought. Inside another section
   * it is part of that one, and always returns its value.
   *
   * Throws FaultlineError: EACCES, ENXIO (past the end of the file), EIO, ENOSPC, ENOMEM, and what the section throws.
   */
  run<T>(section: (view: View) => T, options?: RunOptions): T | Promise<T> {
    this.check('run')
    if (typeof section !== 'function')
      throw invalid('run', `expected a function of a view, got ${shown(section)}`)
    if (options !== undefined) checkKeys(options, ['signal'], 'run')
    if (this.context.running.length > 0) return this.join(section)
    const value = this.attempt(section)
    return value instanceof Cold ? this.runCold(section, value, options?.signal) : value
  }

  /** Brings pages that sections will need, all at once, and waits until they are there. */
  async prefetch(
    ranges: readonly { readonly offset: Bytes; readonly length: Bytes }[],
    options: RunOptions = {},
  ): Promise<void> {
    this.check('prefetch')
    checkKeys(options, ['signal'], 'prefetch')
    this.checkRanges(ranges)
    const want = (view: View) => {
      for (const { offset, length } of ranges) view.want(offset, length)
      view.settle()
    }
    await this.run(want, options)
  }

  /** Makes what was stored through this range durable. */
  async sync(options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('sync', options)
    await this.perform('sync', this.context.engine.verbs.msync, msyncArgs(this.mm, start, end), options)
  }

  async protect(prot: ProtName, options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('protect', options)
    const args = { space: this.mm, start, end, prot: protOf(prot, 'protect') }
    await this.perform('protect', this.context.engine.verbs.protect, args, options)
  }

  async advise(advice: AdviceName, options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('advise', options)
    const { verbs } = this.context.engine
    const checked = choice(advice, ADVICE, 'advice', 'advise')
    if (checked === 'populate-read')
      await this.perform('advise', verbs.populate, populateArgs(this.mm, start, end, 'load'), options)
    else if (checked === 'populate-write')
      await this.perform('advise', verbs.populate, populateArgs(this.mm, start, end, 'store'), options)
    else await this.perform('advise', verbs.advise, { space: this.mm, start, end, advice: checked }, options)
  }

  /** Brings every page of the range: advise('populate-read'). */
  async populate(options: RangeOptions = {}): Promise<void> {
    await this.advise('populate-read', options)
  }

  /** Brings the range and keeps it in memory until it is unlocked. If it can't be brought, what came stays locked. */
  async lock(options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('lock', options)
    const args: LockArgs = { space: this.mm, start, end, to: 'locked' }
    await this.perform('lock', this.context.engine.verbs.lock, args, options)
    await this.populate(options)
  }

  async unlock(options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('unlock', options)
    const args: LockArgs = { space: this.mm, start, end, to: 'unlocked' }
    await this.perform('unlock', this.context.engine.verbs.lock, args, options)
  }

  /** Takes the mapping away. What was stored stays in the file, and reaches the device by writeback or sync. */
  async unmap(): Promise<void> {
    this.check('unmap')
    this.unmapped = true
    if (this.mm.state === 'exiting') return
    const args = { space: this.mm, start: this.start, end: this.end }
    await this.perform('unmap', this.context.engine.verbs.unmap, args, {})
  }

  [INSPECT](): string {
    return `Mapping of ${this.name}, ${this.length} bytes from ${this.place.offset}, in ${this.space.name}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.unmapped) await this.unmap()
  }

  /** The same pages in a space that was forked from this mapping's. */
  inFork(child: Space): Mapping {
    if ((child as Space | undefined)?.mm?.family !== this.mm.family)
      throw invalid('inFork', `expected a space that was forked from ${this.space.name}`)
    return new Mapping(this.context, child, this.name, this.place)
  }

  /** What its view has missed. For the section that runs, of whatever mapping. */
  takeMisses(): readonly Miss[] {
    if (this.view.misses.length === 1) return this.view.misses
    const accesses = new Map<Vpn, Miss>()
    for (const miss of this.view.misses)
      if (miss.access === 'store' || !accesses.has(miss.vpn)) accesses.set(miss.vpn, miss)
    return [...accesses.values()]
  }

  /** Runs the section as far as it gets: to its value, or to the pages that it misses. */
  private attempt<T>(section: (view: View) => T): T | Cold {
    const { running, undo, driver } = this.context
    this.view.begin()
    running.push(this)
    driver.inSection = true
    try {
      const value = section(this.view)
      if (isThenable(value)) throw notSynchronous(value)
      if (anyMissed(running)) throw swallowed()
      undo.forget()
      return value
    } catch (thrown) {
      undo.rollback(0)
      if (thrown === MISS) return new Cold(running as Mapping[])
      if (anyMissed(running) && !(thrown instanceof FaultlineError)) throw swallowed(thrown)
      throw thrown
    } finally {
      for (const { view } of running) view.close()
      running.length = 0
      driver.inSection = false
    }
  }

  /** Runs inside another section: what it misses, the other one misses. If it throws, its own stores are taken back. */
  private join<T>(section: (view: View) => T): T {
    const { running, undo } = this.context
    if (!running.includes(this)) {
      this.view.begin()
      running.push(this)
    }
    const { mark } = undo
    try {
      const value = section(this.view)
      if (isThenable(value)) throw notSynchronous(value)
      return value
    } catch (thrown) {
      undo.rollback(mark)
      throw thrown
    }
  }

  private async runCold<T>(
    section: (view: View) => T,
    first: Cold,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const kept: Pfn[] = []
    try {
      for (let cold = first; ; ) {
        const tasks = this.begin(cold, signal)
        for (const task of tasks)
          if (task.state !== 'ended') await this.context.performer.finished(task as Task, signal)
        this.keep(cold, tasks, kept, signal)
        this.check('run')
        const value = this.attempt(section)
        if (!(value instanceof Cold)) return value
        cold = value
      }
    } finally {
      for (const frame of kept) this.context.engine.memory.unpin(frame)
      this.context.driver.pump()
    }
  }

  /** Faults for all of them at once. */
  private begin({ misses }: Cold, signal: AbortSignal | undefined): Task<FaultArgs>[] {
    if (signal?.aborted === true) throw aborted('run', this.name, signal.reason)
    for (const { mapping } of misses) mapping.check('run')
    return misses.map(({ mapping, miss }) => mapping.fault(miss))
  }

  /** The faults have ended: each that succeeded leaves a pin in `kept`, and the first that failed is told. */
  private keep(
    { misses }: Cold,
    tasks: readonly Task<FaultArgs>[],
    kept: Pfn[],
    signal: AbortSignal | undefined,
  ): void {
    for (const { errno, args } of tasks) if (errno === 0 && args.kept !== 0) kept.push(args.kept)
    const failed = tasks.findIndex(task => task.errno !== 0)
    if (failed === -1) return
    if (isAborted(signal)) throw aborted('run', this.name, signal.reason)
    throw misses[failed]!.mapping.faultError(tasks[failed]!)
  }

  private fault({ vpn, access }: Miss): Task<FaultArgs> {
    const { engine, performer } = this.context
    const fault = newVmFault(vpn, access, this.mm.group, engine.scheduler.now())
    return performer.begin(engine.verbs.fault, faultArgs(this.mm, fault, 'keep the page'), this.who)
  }

  private faultError({ errno, args }: Task<FaultArgs>): FaultlineError {
    const { access, vpn } = args.fault
    const offset = this.place.offset + (vpn - this.start) * this.pageSize
    return fromErrno(errno, access, `${this.name} at offset ${offset}`)
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

  private async perform<Args>(
    operation: string,
    verb: Verb<Args>,
    args: Args,
    { signal }: RangeOptions,
  ): Promise<void> {
    await this.context.performer.perform(verb, args, this.who, { operation, where: this.name, signal })
  }

  private range(operation: string, options: RangeOptions): [Vpn, Vpn] {
    this.check(operation)
    this.space.checkAlive(operation)
    checkKeys(options, RANGE_KEYS, operation)
    const offset = pageAligned(options.offset ?? 0, 'offset', this.pageSize, operation)
    const length = options.length ?? this.length - offset
    this.checkLength(operation, offset, length)
    const start = this.start + offset / this.pageSize
    return [start, start + Math.ceil(length / this.pageSize)]
  }

  /** Each inside the mapping, and together no more than memory can hold. */
  private checkRanges(ranges: readonly { readonly offset: Bytes; readonly length: Bytes }[]): void {
    if (!Array.isArray(ranges))
      throw invalid('prefetch', `expected an array of { offset, length }, got ${shown(ranges)}`)
    let pages = 0
    for (const range of ranges) {
      const { offset, length } = (range ?? {}) as Partial<{ offset: Bytes; length: Bytes }>
      if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0)
        throw invalid('prefetch', `offset: expected whole bytes from 0, got ${shown(offset)}`)
      this.checkLength('prefetch', offset, length)
      pages += Math.ceil((offset + length!) / this.pageSize) - Math.floor(offset / this.pageSize)
    }
    const { total } = this.context.engine.memory
    if (pages > total)
      throw new FaultlineError(
        'ENOMEM',
        'prefetch',
        `prefetch of ${this.name}: ${pages} pages were asked for at once and memory has ${total}; ask for fewer`,
      )
  }

  private checkLength(operation: string, offset: Bytes, length: unknown): void {
    if (
      typeof length !== 'number' ||
      !Number.isSafeInteger(length) ||
      length < 0 ||
      offset + length > this.length
    )
      throw invalid(
        operation,
        offset > this.length
          ? `offset: expected at most ${this.length}, got ${offset}`
          : `length: expected at most ${this.length - offset} bytes from offset ${offset}, got ${shown(length)}`,
      )
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

function anyMissed(running: readonly Running[]): boolean {
  for (const { view } of running) if (view.missed) return true
  return false
}

function isThenable(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

/** What its promise says later is of no interest, least of all to the process. */
function notSynchronous(promise: unknown): FaultlineError {
  Promise.resolve(promise).catch(() => {})
  return invalid('run', 'a section must be synchronous, and this one returned a promise; await outside of it')
}

function swallowed(cause?: unknown): FaultlineError {
  return new FaultlineError(
    'EINVAL',
    'run',
    'the section caught the signal of a missing page and went on; let what `view` throws pass through',
    cause,
  )
}
