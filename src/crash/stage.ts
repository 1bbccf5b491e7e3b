/**
 * A machine with a volume, to be crashed: an engine, a device that knows what a crash would leave of it, a store that loses
 * what isn't committed, and one program that has the volume's files open and mapped.
 *
 *     mode       files are open as                         a store that is to be durable is followed by
 *     cache      pages of the cache                        sync, msync
 *     dax        the device's own blocks                   sync
 *     dax-sync   the same, with MAP_SYNC                   a flush of what was stored, and no commit
 *
 * Nothing happens by itself: `step` makes one attempt, and time stands still.
 */

import { assert, type Bytes, type Errno, errnoName, ROOT, type Vpn } from '../base/index.ts'
import { MemoryDevice } from '../device/index.ts'
import type { Engine } from '../engine/index.ts'
import { newOpening, type OpenFile, PROT_READ, PROT_WRITE, type Space } from '../mm/index.ts'
import { rigEngine } from '../rig/index.ts'
import type { Task, Verb } from '../sched/index.ts'
import {
  type Answer,
  type DaxFile,
  Making,
  MemoryStore,
  makeArgs,
  Opening,
  openArgs,
  Region,
  type Volume,
  type VolumeFile,
} from '../volume/index.ts'
import { CrashDevice, type Order } from './crash-device.ts'
import { type Block, blockOf, type Image, Records } from './image.ts'

export const PAGE: Bytes = 4096
/** Blocks of the device: enough that no workload meets ENOSPC. */
export const BLOCKS = 32
/** Pages of each file that are mapped, and more than any file gets. */
export const PAGES_MAX = 8

const FRAMES = 40
/** The most memory that a machine has. */
export const MEMORY: Bytes = (FRAMES + 1 + BLOCKS) * PAGE
/** After the keys of all records. */
const LAST_KEY = '\uffff'
export const EMPTY = blockOf(new Uint8Array(PAGE))

export type Mode = 'cache' | 'dax' | 'dax-sync'
export const MODES: readonly Mode[] = ['cache', 'dax', 'dax-sync']

/** A file that the program has open, and where it is mapped. */
export interface Handle {
  readonly open: OpenFile
  readonly start: Vpn
  readonly file: VolumeFile | DaxFile
}

export interface StagePlan {
  readonly mode: Mode
  readonly order: Order
  /** What is there; undefined: nothing yet. */
  readonly image: Image | undefined
  /** Zeros that nobody else uses, `MEMORY` bytes; undefined: memory of its own. */
  readonly memory?: ArrayBuffer
  /** Where the blocks are noted that are read. */
  readonly reads?: Set<number>
}

/** An operation didn't do what it must. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

export class Stage {
  readonly mode: Mode
  readonly engine: Engine
  readonly store: MemoryStore
  readonly device: CrashDevice
  readonly handles = new Map<string, Handle>()
  readonly mount: Task<{ volume: Volume | undefined }>
  private readonly space: Space
  private steps = 0

  constructor({ mode, order, image, memory: buffer, reads }: StagePlan) {
    this.mode = mode
    const dax = mode !== 'cache'
    this.engine = rigEngine({ frames: FRAMES + 1 + (dax ? BLOCKS : 0), ...(buffer && { buffer }) })
    const { scheduler, memory, cache, io, mm } = this.engine
    this.store = new MemoryStore(scheduler, image?.records.entries)
    const blocks = image?.blocks ?? emptyDevice()
    const region = dax ? new Region(scheduler, memory, 'pmem', BLOCKS) : undefined
    const inner = region ?? new MemoryDevice(scheduler, { name: 'disk', length: BLOCKS * PAGE })
    const views = dax ? blocks.map((_, block) => memory.frames.bytes(region!.first + block)) : []
    const stored = (block: number) => views[block]!
    blocks.forEach(({ bytes }, block) => {
      if (bytes === EMPTY.bytes) return
      if (inner instanceof MemoryDevice) inner.poke(block * PAGE, bytes)
      else stored(block).set(bytes)
    })
    this.device = new CrashDevice(scheduler, {
      inner,
      blocks,
      order,
      stored: dax ? stored : undefined,
      reads,
    })
    const calls = this.engine.verbs
    const plan = { cache, io, calls, device: this.device, store: this.store, ...(region && { region }) }
    this.mount =
      image === undefined
        ? this.spawn(new Making(), makeArgs({ ...plan, size: BLOCKS * PAGE, id: 7 }))
        : this.spawn(new Opening(), openArgs(plan))
    this.space = mm.createSpace({ name: 'program', group: ROOT, commandLine: 'program' })
  }

  get volume(): Volume {
    const { volume } = this.mount.args
    assert(volume !== undefined, 'the volume is open before it is used')
    return volume
  }

  /** Rises with everything that changes what a crash may leave. */
  get version(): number {
    this.device.notice()
    return this.device.version * 1_000_000 + this.store.commits
  }

  /** One attempt of whoever is first; says whether there was one. */
  step(): boolean {
    const { scheduler } = this.engine
    scheduler.fireTimers()
    const task = scheduler.ready()[0]
    if (task === undefined) return false
    assert(++this.steps < 100_000, 'the machine settles')
    scheduler.step(task)
    return true
  }

  settle(): void {
    while (this.step());
  }

  /** Everything that is written and committed: what a clean end leaves. */
  image(): Image {
    return { blocks: this.device.content(), records: this.records() }
  }

  /** What is committed. */
  records(): Records {
    return new Records(Array.from(this.store.range('', LAST_KEY), ({ key, value }) => [key, value]))
  }

  spawn<Args>(verb: Verb<Args>, args: Args): Task<Args> {
    return this.engine.scheduler.spawn(verb, args, { name: verb.name, group: ROOT })
  }

  /** Opens a file and maps it, to be known by its name from now on. */
  open(path: string, name: string): void {
    const { volume, engine } = this
    const file =
      this.mode === 'cache'
        ? expectValue(volume.open(path), `open ${path}`)
        : expectValue(volume.openDax(path, { durable: this.mode === 'dax-sync' }), `open ${path}`)
    const mappable = file.opened === 'dax' ? file : file.cached
    const open = newOpening(mappable, { advice: 'random' })
    const prot = PROT_READ | PROT_WRITE
    const plan = { prot, share: 'shared' as const, open, pageOffset: 0, advice: 'random' as const }
    const mapping = this.spawn(engine.verbs.map, {
      space: this.space,
      pages: PAGES_MAX,
      fixed: undefined,
      plan,
      locked: false,
      start: 0,
    })
    this.settle()
    expectDone(mapping)
    this.handles.set(name, { open, start: mapping.args.start, file })
  }

  handle(name: string): Handle {
    const handle = this.handles.get(name)
    assert(handle !== undefined, `${name} is open`)
    return handle
  }

  get program(): Space {
    return this.space
  }
}

export function expectDone({ name, state, errno }: Task): void {
  if (state !== 'ended') throw new Broken(`${name} doesn't end`)
  if (errno !== 0) throw new Broken(`${name} ends with ${errnoName(errno)}`)
}

export function expectOk(error: Errno, what: string): void {
  if (error !== 0) throw new Broken(`${what} ends with ${errnoName(error)}`)
}

export function expectValue<T>({ errno, value }: Answer<T>, what: string): T {
  expectOk(errno, what)
  return value as T
}

function emptyDevice(): readonly Block[] {
  return Array.from({ length: BLOCKS }, () => EMPTY)
}
