/**
 * A mapping: pages of a file, or of memory, as a section of a program sees them, and what can be asked of their range.
 */
import type {
  AdviceName,
  MappingFace,
  ProtName,
  RangeOptions,
  RemapOptions,
  RunOptions,
  SpaceFace,
} from '../api/index.ts'
import { type Bytes, pagesOf, type Vpn } from '../base/index.ts'
import {
  aborted,
  type Brought,
  type Context,
  checkKeys,
  choice,
  FaultlineError,
  fromErrno,
  INSPECT,
  invalid,
  isAborted,
  isWatched,
  type Participant,
  pageAligned,
  told,
  type Who,
} from '../calls/index.ts'
import { shown } from '../group/index.ts'
import { newVmFault } from '../memmap/index.ts'
import {
  type FaultArgs,
  faultArgs,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  type Prot,
  type Space,
} from '../mm/index.ts'
import { type Miss, type View, Views } from '../mmu/index.ts'
import type { Task, Verb } from '../sched/index.ts'
import {
  type AdviseArgs,
  type Bringing,
  bringing,
  bringingAsWritable,
  collapseArgs,
  type LockArgs,
  mremapArgs,
  msyncArgs,
  populateArgs,
  residentPages,
} from '../space/index.ts'
import { notRemapped, type RemapCall, type RemapPlan, remapPlan } from './remapping.ts'

const ADVICE: readonly AdviceName[] = [
  'normal',
  'random',
  'sequential',
  'willneed',
  'dontneed',
  'populate-read',
  'populate-write',
  'free',
  'cold',
  'pageout',
  'collapse',
  'dontfork',
  'dofork',
  'wipeonfork',
  'keeponfork',
]
const NOT_COLLAPSED: Readonly<Record<string, string | undefined>> = {
  EINVAL:
    'is for memory of its own and for files in the page cache; this is shared memory, or a file whose pages lie on a device',
  EAGAIN: 'has left pages where they were, for they are in use or on their way; try again later',
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

/** The space that a mapping lies in, as it needs it. */
export interface Around extends SpaceFace {
  readonly mm: Space
  /** Throws if it has ended. */
  checkAlive(operation: string): void
}

/** So many are looked at before the event loop turns. */
const LOOK_PAGES = 2 ** 16
const RANGE_KEYS = ['offset', 'length', 'signal']

export class Mapping implements Participant, MappingFace {
  readonly space: Around
  /** What it maps, for messages. */
  readonly name: string
  private current: View
  private views: Views
  private readonly context: Context
  private place: Place
  private unmapped = false
  /** It may be moving. */
  private resizing: Promise<unknown> | undefined
  /** Spaces that were forked before it was resized. */
  private readonly elsewhere = new WeakSet<Space>()

  constructor(context: Context, space: Around, name: string, place: Place) {
    this.context = context
    this.space = space
    this.name = name
    this.place = place
    this.views = this.viewsOf(place)
    this.current = this.views.choose()
  }

  get length(): Bytes {
    return this.place.length
  }

  /** Its pages in the space: [start, end). */
  get start(): Vpn {
    return this.place.start
  }

  get end(): Vpn {
    return this.place.start + pagesOf(this.place.length, this.pageSize)
  }

  /** For sections. */
  get view(): View {
    return this.current
  }

  chooseView(): void {
    this.current = this.views.choose()
  }

  get bytes(): never {
    throw this.hasNoArray('bytes')
  }

  get handle(): never {
    throw this.hasNoArray('handle')
  }

  /** Where it begins in its space, in bytes: the number that /proc shows. */
  get address(): Bytes {
    return this.start * this.pageSize
  }

  /**
   * Calls `section` with a view of the mapping. The section is synchronous and may be called more than once; what it
   * stores takes effect once. Returns its value, or a promise of it if a page had to be waited for. Inside another section
   * it is part of that one, and always returns its value.
   *
   * Throws FaultlineError: EACCES, ENXIO (past the end of the file), EIO, ENOSPC, ENOMEM, and what the section throws.
   */
  run<T>(section: (view: View) => T, options?: RunOptions): T | Promise<T> {
    return this.context.sections.run(this, section, options)
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
    const { verbs } = this.context.engine
    const event = { name: this.name, mmu: this.context.mmu }
    await told('sync', event, () =>
      this.perform('sync', verbs.msync, msyncArgs(this.mm, start, end), options),
    )
  }

  async protect(prot: ProtName, options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('protect', options)
    const args = { space: this.mm, start, end, prot: protOf(prot, 'protect') }
    const following = bringingAsWritable(this.mm, start, end, args.prot)
    await this.perform('protect', this.context.engine.verbs.protect, args, options)
    await this.bringParts('protect', following, options)
  }

  async advise(advice: AdviceName, options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('advise', options)
    const { verbs } = this.context.engine
    const checked = choice(advice, ADVICE, 'advice', 'advise')
    if (checked === 'populate-read')
      await this.perform('advise', verbs.populate, populateArgs(this.mm, start, end, 'load'), options)
    else if (checked === 'populate-write')
      await this.perform('advise', verbs.populate, populateArgs(this.mm, start, end, 'store'), options)
    else if (checked === 'collapse') await this.collapse(start, end, options)
    else await this.adviseMemory({ space: this.mm, start, end, advice: checked }, options)
  }

  private async collapse(start: Vpn, end: Vpn, options: RangeOptions): Promise<void> {
    try {
      const args = collapseArgs(this.mm, start, end)
      await this.perform('advise', this.context.engine.verbs.collapse, args, options)
    } catch (error) {
      if (!(error instanceof FaultlineError)) throw error
      const why = NOT_COLLAPSED[error.code]
      if (why === undefined) throw error
      const text = `advise of ${this.name}: 'collapse' ${why}`
      throw new FaultlineError(error.code, 'advise', text, error)
    }
  }

  private async adviseMemory(args: AdviseArgs, options: RangeOptions): Promise<void> {
    const { advice } = args
    try {
      await this.perform('advise', this.context.engine.verbs.advise, args, options)
    } catch (error) {
      const isOfPrivate = advice === 'free' || advice === 'wipeonfork'
      if (!isOfPrivate || !(error instanceof FaultlineError) || error.code !== 'EINVAL') throw error
      throw new FaultlineError(
        'EINVAL',
        'advise',
        `advise of ${this.name}: '${advice}' is for private memory${advice === 'free' ? ' that isn’t locked' : ''}, as mapAnonymous makes it, and a part of the range is something else`,
        error,
      )
    }
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
    await this.bringParts('lock', bringing(this.mm, start, end), options)
  }

  private async bringParts(
    operation: string,
    parts: readonly Bringing[],
    options: RangeOptions,
  ): Promise<void> {
    for (const { start, end, access } of parts) {
      const args = populateArgs(this.mm, start, end, access)
      await this.perform(operation, this.context.engine.verbs.populate, args, options)
    }
  }

  async unlock(options: RangeOptions = {}): Promise<void> {
    const [start, end] = this.range('unlock', options)
    const args: LockArgs = { space: this.mm, start, end, to: 'unlocked' }
    await this.perform('unlock', this.context.engine.verbs.lock, args, options)
  }

  /** For each page of the range 1 if it is in memory, else 0: mincore(2). */
  async resident(options: RangeOptions = {}): Promise<Uint8Array> {
    const [start, end] = this.range('resident', options)
    const found = new Uint8Array(end - start)
    for (let at = start; at < end; at += LOOK_PAGES) {
      if (at > start) await new Promise(setImmediate)
      if (isAborted(options.signal)) throw aborted('resident', this.name, options.signal.reason)
      for (const vpn of residentPages(this.mm, at, Math.min(end, at + LOOK_PAGES))) found[vpn - start] = 1
    }
    return found
  }

  async resize(length: Bytes | string): Promise<void> {
    await this.remapAs('resize', { length })
  }

  async remap(options: RemapOptions = {}): Promise<Mapping> {
    return await this.remapAs('remap', options)
  }

  /** One after the other, each of what the one before has left. */
  private async remapAs(call: RemapCall, options: RemapOptions): Promise<Mapping> {
    this.check(call)
    this.space.checkAlive(call)
    this.remapPlan(call, options)
    while (this.resizing !== undefined) await this.resizing
    this.check(call)
    const moving = this.moved(call, this.remapPlan(call, options))
    this.resizing = moving
      .catch(() => {})
      .then(() => {
        this.resizing = undefined
      })
    return await moving
  }

  private remapPlan(call: RemapCall, options: RemapOptions): RemapPlan {
    const { name, length, pageSize } = this
    return remapPlan(options, { name, length, offset: this.place.offset, pageSize }, call)
  }

  private async moved(call: RemapCall, plan: RemapPlan): Promise<Mapping> {
    const { mm, name } = this
    const { start, offset } = this.place
    const { length, newPages, where, old } = plan
    const args = mremapArgs({ space: mm, from: start, pages: this.end - start, newPages, where, old })
    try {
      await this.perform(call, this.context.engine.verbs.mremap, args, {})
    } catch (error) {
      throw notRemapped(error, name, call, plan)
    }
    const place = { start: args.to, length, offset }
    const moved = old === 'stays mapped' ? new Mapping(this.context, this.space, name, place) : this
    for (const each of mm.family.spaces) if (each !== mm) moved.elsewhere.add(each)
    if (moved === this) this.lieAt(place)
    await this.bringLonger(args.to + args.pages, args.to + args.newPages)
    return moved
  }

  private lieAt(place: Place): void {
    this.place = place
    this.views = this.viewsOf(place)
    this.current = this.views.choose()
  }

  /** What a locked mapping has got more is brought, as far as it can be: the call has succeeded (mm_populate). */
  private async bringLonger(start: Vpn, end: Vpn): Promise<void> {
    if (end <= start || this.mm.find(start)?.locked !== true) return
    try {
      await this.bringParts('resize', bringing(this.mm, start, end), {})
    } catch (error) {
      if (!(error instanceof FaultlineError)) throw error
    }
  }

  private viewsOf({ start, length }: Place): Views {
    const { engine, sections } = this.context
    return new Views(this.mm.table, engine.memory.frames, start, length, sections.undo)
  }

  /** Takes the mapping away. What was stored stays in the file, and reaches the device by writeback or sync. */
  async unmap(): Promise<void> {
    this.check('unmap')
    this.unmapped = true
    await this.resizing
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
  inFork(child: Around): Mapping {
    if ((child as Around | undefined)?.mm?.family !== this.mm.family)
      throw invalid('inFork', `expected a space that was forked from ${this.space.name}`)
    if (this.elsewhere.has(child.mm))
      throw invalid(
        'inFork',
        `${this.name} was resized or moved since ${child.name} was forked; call inFork before resize and remap`,
      )
    return new Mapping(this.context, child, this.name, this.place)
  }

  /** Begins the fault of a page that a section missed. For the sections of the machine. */
  bring(miss: Miss, signal: AbortSignal | undefined): Brought | Promise<Brought> {
    if (!isWatched('fault')) return this.brought(miss, signal)
    const { name, space, pageSize, start } = this
    const { mmu } = this.context
    const offset = (miss.vpn - start) * pageSize
    const event = { name, space: space.name, offset, access: miss.access, mmu }
    return told('fault', event, async () => this.brought(miss, signal))
  }

  private brought(miss: Miss, signal: AbortSignal | undefined): Brought | Promise<Brought> {
    const { place } = this
    const task = this.fault(miss)
    // hot: most first stores to pages that are there
    if (task.state === 'ended' && task.errno === 0) return task.args.kept
    const brought = ({ errno, args }: Task<FaultArgs>) => {
      if (errno === 0) return args.kept
      const error = this.faultError(task)
      return this.resizing === undefined && this.place === place
        ? error
        : (this.orMoved(place, error) as never)
    }
    return this.context.performer.finished(task, brought, signal) as Promise<Brought>
  }

  /** The page may lie elsewhere by now: then the section looks again. */
  private async orMoved(place: Place, error: FaultlineError): Promise<Brought> {
    await this.resizing
    return this.place === place ? error : 0
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

  private hasNoArray(what: string): FaultlineError {
    return new FaultlineError(
      'ENOTSUP',
      what,
      `${what} of ${this.name}: the software MMU shows it by run only; for an array start the machine with mmu 'hardware'`,
    )
  }

  private get mm(): Space {
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
    for (const [at, range] of ranges.entries()) {
      if (typeof range !== 'object' || range === null)
        throw invalid('prefetch', `expected { offset, length } as element ${at}, got ${shown(range)}`)
      const { offset, length } = range as Partial<{ offset: Bytes; length: Bytes }>
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

  /** Throws if it was unmapped. */
  check(operation: string): void {
    if (this.unmapped)
      throw new FaultlineError(
        'EBADF',
        operation,
        `this mapping of ${this.name} was unmapped; map the file again`,
      )
  }
}
