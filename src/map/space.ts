/** An address space of the library: what is mapped in it, its forks, and what /proc shows of it. */
import type { AnonymousOptions, FileFace, MapOptions, SpaceFace } from '../api/index.ts'
import { type Bytes, pagesOf } from '../base/index.ts'
import {
  addressPage,
  bytes,
  type Context,
  checkKeys,
  choice,
  FaultlineError,
  INSPECT,
  invalid,
  pageAligned,
  type Who,
} from '../calls/index.ts'
import { FILE_BYTES_MAX, File, tooLong } from '../files/index.ts'
import { RamFile } from '../fs/index.ts'
import { shown } from '../group/index.ts'
import { type Space as MmSpace, newOpening, type OpenFile, worksOn } from '../mm/index.ts'
import { type ProcFile, procArgs, type Status, status } from '../proc/index.ts'
import type { Verb } from '../sched/index.ts'
import type { ForkArgs, MapArgs } from '../space/index.ts'
import { Mapping, protOf } from './mapping.ts'

const ANONYMOUS_KEYS = ['length', 'prot', 'share', 'fixed', 'advice', 'mmu', 'signal']
export const MMUS = ['software', 'hardware', 'auto'] as const
const MAP_KEYS = ['offset', ...ANONYMOUS_KEYS]

export class Space implements SpaceFace {
  /** The engine's own record of it. */
  readonly mm: MmSpace
  private readonly context: Context

  constructor(context: Context, mm: MmSpace) {
    this.context = context
    this.mm = mm
  }

  get pid(): number {
    return this.mm.id
  }

  get name(): string {
    return this.mm.name
  }

  /** Maps a file. */
  async map(file: FileFace, options: MapOptions = {}): Promise<Mapping> {
    if (!(file instanceof File))
      throw invalid('map', 'expected a file of machine.open; for memory use mapAnonymous')
    checkKeys(options, MAP_KEYS, 'map')
    const { pageSize } = this
    const offset = options.offset === undefined ? 0 : pageAligned(options.offset, 'offset', pageSize, 'map')
    const length = options.length === undefined ? file.size - offset : bytes(options.length, 'length', 'map')
    if (length <= 0)
      throw invalid(
        'map',
        `length: expected at least 1 byte; ${file.name} has ${file.size} bytes, from offset ${offset} on there is nothing`,
      )
    if (offset + length > FILE_BYTES_MAX) throw tooLong('map', file.name, offset + length)
    const { prot = 'r', share = 'shared' } = options
    if (file.readOnly && share === 'shared' && (prot === 'rw' || prot === 'w'))
      throw new FaultlineError(
        'EACCES',
        'map',
        `map of ${file.name}: it is open for reading; open it with mode 'r+', or map it with share 'private'`,
      )
    return file.during('map', this.context, () =>
      this.place(file.name, length, { ...options, share }, file.open, offset / pageSize),
    )
  }

  /** Maps memory: zeros, private to this space and its forks, or shared with them. */
  async mapAnonymous(options: AnonymousOptions): Promise<Mapping> {
    checkKeys(options, ANONYMOUS_KEYS, 'map')
    const length = bytes(options.length, 'length', 'map')
    if (length <= 0) throw invalid('map', `length: expected at least 1 byte, got ${options.length}`)
    const { share = 'private', prot = 'rw' } = options
    const plan = { ...options, share, prot }
    if (share !== 'shared') return this.place('memory', length, plan, undefined, 0)
    const open = this.sharedMemory(length)
    try {
      return await this.place('memory', length, plan, open, 0)
    } catch (error) {
      this.context.unmapped.delete(open)
      throw error
    }
  }

  /** A space with the same mappings; private pages are copied when one side stores. */
  async fork(options: { readonly name?: string; readonly signal?: AbortSignal } = {}): Promise<Space> {
    checkKeys(options, ['name', 'signal'], 'fork')
    this.checkAlive('fork')
    const { group, commandLine } = this.mm
    const name = options.name === undefined ? this.name : spaceName(options.name, 'fork')
    const args: ForkArgs = { space: this.mm, plan: { name, group, commandLine }, child: undefined }
    await this.perform('fork', this.context.engine.verbs.fork, args, options.signal)
    return new Space(this.context, args.child!)
  }

  /** /proc/<pid>/cmdline, maps or smaps. Waits for the mmap lock as the kernel does. */
  async proc(file: ProcFile, options: { readonly signal?: AbortSignal } = {}): Promise<string> {
    checkKeys(options, ['signal'], 'proc')
    const args = procArgs(this.mm, choice(file, ['cmdline', 'maps', 'smaps'], 'file', 'proc'))
    this.checkAlive('proc')
    await this.perform('proc', this.context.engine.verbs.proc, args, options.signal)
    return args.text
  }

  /** What needs no lock: sizes and counts. */
  status(): Status {
    return status(this.context.engine.mm, this.mm)
  }

  /** Ends the space: its waiting faults are killed, its mappings go. */
  exit(): Promise<void> {
    const { exits } = this.context
    const ending = exits.get(this.mm) ?? this.end()
    exits.set(this.mm, ending)
    return ending
  }

  [INSPECT](): string {
    return `Space ${this.pid} ${this.name}, ${this.mm.vmas.size} mappings`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exit()
  }

  /** Throws if it has ended. */
  checkAlive(operation: string): void {
    if (this.mm.state === 'exiting')
      throw new FaultlineError('EBADF', operation, `space ${this.name} has ended; make another one`)
  }

  private async end(): Promise<void> {
    const { engine, performer } = this.context
    this.mm.state = 'exiting'
    for (const task of [...engine.scheduler.tasks.values()]) if (worksOn(task, this.mm)) performer.kill(task)
    await this.perform('exit', engine.verbs.exit, { space: this.mm }, undefined)
  }

  private async place(
    name: string,
    length: Bytes,
    options: MapOptions,
    open: OpenFile | undefined,
    pageOffset: number,
  ): Promise<Mapping> {
    this.checkAlive('map')
    const { pageSize } = this
    const { prot = 'r', share, advice = 'normal', mmu = 'auto' } = options
    if (choice(mmu, MMUS, 'mmu', 'map') === 'hardware' && this.context.mmu === 'software')
      throw new FaultlineError(
        'ENOTSUP',
        'map',
        `map of ${name}: this machine has the software MMU only; start it with mmu 'hardware'`,
      )
    const pages = pagesOf(length, pageSize)
    const args: MapArgs = {
      space: this.mm,
      pages,
      fixed: addressPage(options.fixed, pages, pageSize, 'map'),
      locked: false,
      start: 0,
      plan: {
        prot: protOf(prot, 'map'),
        share: choice(share, ['shared', 'private'], 'share', 'map'),
        open,
        pageOffset,
        advice: choice(advice, ['normal', 'random', 'sequential'], 'advice', 'map'),
      },
    }
    await this.perform('map', this.context.engine.verbs.map, args, options.signal, name)
    return new Mapping(this.context, this, name, { start: args.start, length, offset: pageOffset * pageSize })
  }

  private sharedMemory(length: Bytes): OpenFile {
    const { cache, memory, mm } = this.context.engine
    const file = new RamFile(memory, cache.newId(), 'shared memory', length)
    const open: OpenFile = newOpening(file)
    this.context.unmapped.set(open, () => file.forget(mm.rmap))
    return open
  }

  private async perform<Args>(
    operation: string,
    verb: Verb<Args>,
    args: Args,
    signal: AbortSignal | undefined,
    where: string = this.name,
  ): Promise<void> {
    const who: Who = { name: this.name, group: this.mm.group }
    await this.context.performer.perform(verb, args, who, { operation, where, signal })
  }

  private get pageSize(): Bytes {
    return this.context.engine.memory.frames.pageSize
  }
}

/** A name as ps shows it. */
export function spaceName(name: unknown, operation: string): string {
  if (typeof name !== 'string' || name === '' || name.includes('\n'))
    throw invalid(operation, `name: expected a line of text, got ${shown(name)}`)
  return name
}
