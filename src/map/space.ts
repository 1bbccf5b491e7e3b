/** An address space of the library: what is mapped in it, its forks, and what /proc shows of it. */
import { type Bytes, pagesOf } from '../base/index.ts'
import { RamFile } from '../fs/index.ts'
import { newReadState } from '../memmap/index.ts'
import type { Space as MmSpace, OpenFile } from '../mm/index.ts'
import { type ProcFile, procArgs, type Status, status } from '../proc/index.ts'
import type { Verb } from '../sched/index.ts'
import type { ForkArgs, MapArgs } from '../space/index.ts'
import type { Context } from './context.ts'
import { FaultlineError } from './error.ts'
import { File } from './file.ts'
import { type AdviceName, Mapping, type ProtName, protOf } from './mapping.ts'
import { bytes, checkKeys, choice, invalid } from './options.ts'
import type { Who } from './performer.ts'

export interface MapOptions {
  /** Bytes into the file, a multiple of the page size; 0 if left out. */
  readonly offset?: Bytes
  /** Bytes, or a size like '4 GiB'; to the end of the file if left out. */
  readonly length?: Bytes | string
  readonly prot?: ProtName
  readonly share?: 'shared' | 'private'
  /** The address to map at, which replaces what is there; wherever there is room if left out. */
  readonly fixed?: Bytes
  readonly advice?: Extract<AdviceName, 'normal' | 'random' | 'sequential'>
  readonly signal?: AbortSignal
}

const MAP_KEYS = ['offset', 'length', 'prot', 'share', 'fixed', 'advice', 'signal']

export class Space {
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
  async map(file: File, options: MapOptions = {}): Promise<Mapping> {
    if (!(file instanceof File))
      throw invalid('map', 'expected a file of machine.open; for memory use mapAnonymous')
    checkKeys(options, MAP_KEYS, 'map')
    const { pageSize } = this
    const offset = options.offset ?? 0
    if (!Number.isSafeInteger(offset) || offset < 0 || offset % pageSize !== 0)
      throw invalid('map', `offset: expected a multiple of the page size ${pageSize}, got ${options.offset}`)
    const length = options.length === undefined ? file.size - offset : bytes(options.length, 'length', 'map')
    if (length <= 0)
      throw invalid('map', `length: expected at least 1 byte; ${file.name} has ${file.size} bytes`)
    return this.place(file.name, length, options, file.open, offset / pageSize)
  }

  /** Maps memory: zeros, private to this space and its forks, or shared with them. */
  async mapAnonymous(options: MapOptions & { readonly length: Bytes | string }): Promise<Mapping> {
    checkKeys(options, MAP_KEYS, 'mapAnonymous')
    const length = bytes(options.length, 'length', 'mapAnonymous')
    if (length <= 0) throw invalid('mapAnonymous', `length: expected at least 1 byte, got ${options.length}`)
    const share = options.share ?? 'private'
    return this.place(
      'memory',
      length,
      { ...options, share },
      share === 'shared' ? this.sharedMemory(length) : undefined,
      0,
    )
  }

  /** A space with the same mappings; private pages are copied when one side stores. */
  async fork(options: { readonly name?: string; readonly signal?: AbortSignal } = {}): Promise<Space> {
    checkKeys(options, ['name', 'signal'], 'fork')
    const { group, commandLine } = this.mm
    const args: ForkArgs = {
      space: this.mm,
      plan: { name: options.name ?? this.name, group, commandLine },
      child: undefined,
    }
    await this.perform(this.context.engine.verbs.fork, args, options.signal)
    return new Space(this.context, args.child!)
  }

  /** /proc/<pid>/cmdline, maps or smaps. Waits for the mmap lock as the kernel does. */
  async proc(file: ProcFile, options: { readonly signal?: AbortSignal } = {}): Promise<string> {
    const args = procArgs(this.mm, choice(file, ['cmdline', 'maps', 'smaps'], 'file', 'proc'))
    await this.perform(this.context.engine.verbs.proc, args, options.signal)
    return args.text
  }

  /** What needs no lock: sizes and counts. */
  status(): Status {
    return status(this.context.engine.mm, this.mm)
  }

  /** Ends the space: its waiting faults are killed, its mappings go. */
  async exit(): Promise<void> {
    if (this.mm.state === 'exiting') return
    const { scheduler } = this.context.engine
    this.mm.state = 'exiting'
    for (const task of [...scheduler.tasks.values()])
      if ((task.args as { space?: MmSpace } | undefined)?.space === this.mm) this.context.performer.kill(task)
    await this.perform(this.context.engine.verbs.exit, { space: this.mm }, undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exit()
  }

  private async place(
    name: string,
    length: Bytes,
    options: MapOptions,
    open: OpenFile | undefined,
    pageOffset: number,
  ): Promise<Mapping> {
    if (this.mm.state === 'exiting') throw new FaultlineError('EBADF', 'map', `space ${this.name} has ended`)
    const { pageSize } = this
    const { prot = 'r', share = 'shared', fixed, advice = 'normal' } = options
    if (fixed !== undefined && (!Number.isSafeInteger(fixed) || fixed < 0 || fixed % pageSize !== 0))
      throw invalid('map', `fixed: expected an address that is a multiple of ${pageSize}, got ${fixed}`)
    const args: MapArgs = {
      space: this.mm,
      pages: pagesOf(length, pageSize),
      fixed: fixed === undefined ? undefined : fixed / pageSize,
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
    await this.perform(this.context.engine.verbs.map, args, options.signal, name)
    return new Mapping(this.context, this, name, args.start, length)
  }

  private sharedMemory(length: Bytes): OpenFile {
    const { cache, memory, mm } = this.context.engine
    const file = new RamFile(memory, cache.newId(), 'shared memory', length)
    const open: OpenFile = { file, read: newReadState('normal'), readOnly: false, mappings: 0, seen: 0 }
    this.context.unmapped.set(open, () => file.forget(mm.rmap))
    return open
  }

  private async perform<Args>(
    verb: Verb<Args>,
    args: Args,
    signal: AbortSignal | undefined,
    where: string = this.name,
  ): Promise<void> {
    const who: Who = { name: this.name, group: this.mm.group }
    await this.context.performer.perform(verb, args, who, where, signal)
  }

  private get pageSize(): Bytes {
    return this.context.engine.memory.frames.pageSize
  }
}
