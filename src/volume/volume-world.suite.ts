/**
 * A volume for tests to tell stories about: a machine (world.suite.ts), a device that holds what it is asked when told to,
 * and a store that loses what isn't committed.
 *
 *     const at = new VolumeWorld({ blocks: 64 })
 *     const a = at.create('/a', 3)                    three pages: page i is full of the byte i + 1, and synced
 *     at.world.map(space, a)
 *     at.crash()                                      what a new machine finds
 */
import assert from 'node:assert/strict'
import type { Bytes } from '../base/index.ts'
import { type Device, HeldDevice, MemoryDevice } from '../device/index.ts'
import { type Opened, PAGE, World, type WorldOptions } from '../engine/world.suite.ts'
import { newOpening, type OpenFile } from '../mm/index.ts'
import type { Ticket } from '../sched/index.ts'
import { daxCallArgs } from './dax-calls.ts'
import { type DaxChangePlan, daxChangeArgs } from './dax-change.ts'
import type { DaxFile } from './dax-file.ts'
import { MemoryStore } from './memory-store.ts'
import { Making, makeArgs, Opening, openArgs } from './mounting.ts'
import type { Answer } from './overlay.ts'
import { type PreallocationPlan, preallocatingArgs } from './preallocating.ts'
import { rangeCopyingArgs } from './range-copying.ts'
import { Region } from './region.ts'
import { type RemapPlan, remappingArgs } from './remapping.ts'
import { type ShiftPlan, shiftingArgs } from './shifting.ts'
import { unsharingArgs } from './unsharing.ts'
import type { Volume } from './volume.ts'
import type { VolumeFile } from './volume-file.ts'

export interface VolumeWorldOptions extends WorldOptions {
  /** Blocks of the device, with the first; default 64. */
  readonly blocks?: number
  /** Whether the device is memory of the machine, so that files can be opened for DAX. */
  readonly dax?: boolean
  /** A device of the caller's own, which holds the image. */
  readonly deviceOf?: (world: World) => Device
  /** What an earlier machine left. */
  readonly image?: Image
}

export interface Image {
  readonly store: readonly [string, Uint8Array][]
  readonly device: Uint8Array
}

export interface OpenedFile extends Opened {
  readonly volumeFile: VolumeFile
}

export interface OpenedDax {
  readonly dax: DaxFile
  readonly open: OpenFile
}

type AnyFile = OpenedFile | OpenedDax

/** What the metadata of volumes lies in. */
let Store: typeof MemoryStore = MemoryStore

/** Volumes that are made from here on have their metadata there. */
export function layMetadataIn(store: typeof MemoryStore): void {
  Store = store
}

export class VolumeWorld {
  readonly world: World
  readonly store: MemoryStore
  readonly disk: MemoryDevice
  readonly device: HeldDevice
  readonly volume: Volume
  private readonly blocks: number
  private readonly region: Region | undefined

  constructor({ blocks = 64, image, dax = false, deviceOf, ...options }: VolumeWorldOptions = {}) {
    const world = new World({ ...options, frames: (options.frames ?? 64) + (dax ? blocks : 0) })
    const { engine } = world
    this.world = world
    this.blocks = blocks
    this.store = new Store(engine.scheduler, image?.store)
    const region = dax ? new Region(engine.scheduler, engine.memory, 'pmem', blocks) : undefined
    this.region = region
    this.disk = new MemoryDevice(engine.scheduler, { name: 'disk', length: blocks * PAGE })
    if (image !== undefined) this.poke(0, image.device)
    this.device = new HeldDevice(deviceOf?.(world) ?? region ?? this.disk)
    this.device.holding = false
    const plan = {
      cache: engine.cache,
      io: engine.io,
      calls: engine.verbs,
      device: this.device,
      store: this.store,
      ...(region !== undefined && { region }),
    }
    const task =
      image === undefined
        ? world.spawn(new Making(), makeArgs({ ...plan, size: blocks * PAGE, id: 7 }))
        : world.spawn(new Opening(), openArgs(plan))
    assert.equal(world.says(task), 'done', 'the volume is there')
    this.volume = task.args.volume!
  }

  /** Whether the metadata isn't at hand when it is asked. */
  get isLate(): boolean {
    return this.store.constructor !== MemoryStore
  }

  /** A new file of so many pages: page i is full of the byte `first + i`. It is synced. */
  create(path: string, pages: number, first = 1): OpenedFile {
    ok(this.volume.create(path, 'file'))
    const file = this.open(path)
    for (let page = 0; page < pages; page++)
      this.write(file, page * PAGE, new Uint8Array(PAGE).fill(first + page))
    this.sync(file)
    return file
  }

  open(path: string): OpenedFile {
    const volumeFile = ok(this.volume.open(path))
    return { volumeFile, file: volumeFile.cached, open: this.world.open(volumeFile.cached) }
  }

  close(file: OpenedFile): void {
    if (this.volume.close(file.volumeFile) === 'still open') return
    const { world } = this
    assert.equal(world.says(world.spawn(world.engine.verbs.forget, { file: file.file })), 'done')
    assert.equal(this.volume.forget(file.volumeFile).errno, 0)
  }

  write(file: Opened, position: Bytes, bytes: Uint8Array): void {
    this.does(this.world.write(file, position, bytes))
  }

  /** The bytes of a file; it must be readable at once. */
  read(file: Opened, position: Bytes, length: Bytes): Uint8Array {
    const task = this.world.read(file, position, length)
    this.does(task)
    return task.args.buffer.subarray(0, task.args.copied)
  }

  /** The first byte of each page of a file. */
  pages(file: Opened): number[] {
    const bytes = this.read(file, 0, file.file.size)
    return Array.from({ length: Math.ceil(bytes.length / PAGE) }, (_, page) => bytes[page * PAGE]!)
  }

  sync(file: Opened): void {
    this.does(this.world.sync(file))
  }

  /** Commits what has changed, without writing dirty pages. */
  commit(): void {
    const ticket = this.volume.sync()
    this.world.settle()
    assert.ok(ticket.complete && ticket.errno === 0, 'the commit is durable')
  }

  says(ticket: Ticket): string {
    return ticket.complete ? (ticket.errno === 0 ? 'done' : `errno ${ticket.errno}`) : 'open'
  }

  /** Drops the clean pages of a file from the cache, so that the next read is one of the device. */
  evict(file: OpenedFile): void {
    const { cache, mm } = this.world.engine
    for (let index = 0; index < file.file.pages; index++) {
      const frame = cache.find(file.file.id, index)
      if (frame === 0) continue
      mm.rmap.unmapPage(file.file.id, index, frame)
      cache.remove(file.file, frame)
    }
  }

  /** What the device holds, and what is committed: all that a crash leaves. */
  image(): Image {
    const device = new Uint8Array(this.blocks * PAGE)
    if (this.region === undefined) this.disk.peek(0, device)
    else device.set(this.regionBytes())
    return { store: this.store.image(), device }
  }

  /** Another machine, on what a crash at this moment leaves. */
  crash(): VolumeWorld {
    return new VolumeWorld({ blocks: this.blocks, image: this.image(), dax: this.region !== undefined })
  }

  /** The first byte of each page of a file, as another machine finds them after a crash at this moment. */
  durable(path: string): number[] {
    const later = this.crash()
    const pages = later.pages(later.open(path))
    later.recount()
    return pages
  }

  /** The volume adds up: the check finds nothing, and free, used and reserved blocks are all there are. */
  recount(): void {
    assert.deepEqual(this.volume.check().wrong, [])
    const { free, used, reserved, size } = this.volume.usage
    assert.equal(free + used + reserved, size)
  }

  /** Begins a clone or a dedupe; by default of the whole source to the start of the target. */
  remap(how: 'clone' | 'dedupe', source: AnyFile, target: AnyFile, range: Partial<RemapPlan> = {}) {
    const { from = 0, to = 0, length = fileOf(source).size - from } = range
    const plan = { how, source: fileOf(source), target: fileOf(target), from, to, length }
    return this.world.spawn(this.volume.remapping, remappingArgs(plan))
  }

  /** Begins to give a range blocks; `how` may ask for zeros, or that the size is kept. */
  allocate(file: AnyFile, position: Bytes, length: Bytes, how: Partial<PreallocationPlan> = {}) {
    const plan = { file: fileOf(file), position, length, how: 'allocate', size: 'grows', ...how } as const
    return this.world.spawn(this.volume.preallocating, preallocatingArgs(plan))
  }

  /** Begins to take a range out of a file, or to put a hole in. */
  shift(how: ShiftPlan['how'], file: AnyFile, position: Bytes, length: Bytes) {
    return this.world.spawn(this.volume.shifting, shiftingArgs({ how, file: fileOf(file), position, length }))
  }

  unshare(file: AnyFile, position: Bytes, length: Bytes) {
    return this.world.spawn(this.volume.unsharing, unsharingArgs({ file: fileOf(file), position, length }))
  }

  /** Begins copy_file_range. */
  copyRange(source: AnyFile, from: Bytes, target: AnyFile, to: Bytes, length: Bytes) {
    const plan = { source: fileOf(source), from, target: fileOf(target), to, length }
    return this.world.spawn(this.volume.copying, rangeCopyingArgs(plan))
  }

  daxWrite(file: OpenedDax, position: Bytes, bytes: Uint8Array) {
    return this.world.spawn(this.volume.daxWrite, daxCallArgs(file.dax, position, bytes))
  }

  /** The bytes of a DAX file. */
  daxBytes(file: OpenedDax, position: Bytes, length: Bytes): Uint8Array {
    const args = daxCallArgs(file.dax, position, new Uint8Array(length))
    const task = this.world.spawn(this.volume.daxRead, args)
    this.does(task)
    return task.args.buffer.subarray(0, task.args.copied)
  }

  /** A file for DAX, and an opening of it that can be mapped. */
  openDax(path: string, { durable = false } = {}): OpenedDax {
    const dax = ok(this.volume.openDax(path, { durable }))
    return { dax, open: newOpening(dax) }
  }

  /** Begins a change of a DAX file. */
  change(plan: DaxChangePlan) {
    return this.world.spawn(this.volume.daxChange, daxChangeArgs(plan))
  }

  /** Changes bytes of the device behind everybody's back. */
  poke(position: Bytes, bytes: Uint8Array): void {
    if (this.region === undefined) this.disk.poke(position, bytes)
    else this.regionBytes().set(bytes, position)
  }

  private regionBytes(): Uint8Array {
    const { first, length } = this.region!
    return this.world.engine.memory.frames.data.subarray(first * PAGE, first * PAGE + length)
  }

  private does(task: Parameters<World['says']>[0]): void {
    assert.equal(this.world.says(task), 'done', task.name)
  }
}

function fileOf(file: AnyFile): VolumeFile | DaxFile {
  return 'dax' in file ? file.dax : file.volumeFile
}

export function ok<T>(answer: Answer<T>): T {
  assert.equal(answer.errno, 0)
  return answer.value as T
}

export { PAGE }
