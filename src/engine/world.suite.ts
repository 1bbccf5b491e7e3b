/**
 * A small machine that tests tell stories about: spaces, files on devices that complete when told to, and tasks that
 * are begun by one word and asked how they fare by another.
 *
 *     const world = new World({ discipline })
 *     const data = world.file('data', { pages: 4 })            page i is full of the byte i + 1
 *     const a = world.space('a')
 *     const at = world.map(a, data)
 *     const load = world.fault(a, at + 2, 'load')
 *     world.says(load)                                         'waits: read'
 *     world.held(data)                                         ['read 2']
 *     world.complete(data)
 *     world.says(load)                                         'done'
 *     world.value(a, at + 2)                                   3
 *
 * Each word runs what is ready, and no time passes but in `later`. A machine that never settles is a failed test, not a
 * hung one. `finish` lets everything end and recounts the machine from scratch (check.ts).
 */
import assert from 'node:assert/strict'
import {
  type Bytes,
  type Errno,
  errnoName,
  type GroupId,
  type Ns,
  type PageIndex,
  ROOT,
  SECOND,
  type Vpn,
} from '../base/index.ts'
import {
  type CachedFile,
  copyArgs,
  syncArgs,
  type TruncateArgs,
  truncateArgs,
  type WritebackSettings,
} from '../cache/index.ts'
import { type Device, HeldDevice, MemoryDevice, type Operation, type Request } from '../device/index.ts'
import { LinearFile } from '../fs/index.ts'
import { type Advice, newVmFault } from '../memmap/index.ts'
import type { MemoryLimits } from '../memory/index.ts'
import {
  type Discipline,
  type FaultArgs,
  faultArgs,
  newOpening,
  type OpenFile,
  PROT_READ,
  PROT_WRITE,
  type Prot,
  RESTART,
  type Space,
} from '../mm/index.ts'
import { frameOf, LOAD, PRESENT, STORE } from '../mmu/index.ts'
import { type ProcArgs, type ProcFile, procArgs } from '../proc/index.ts'
import type { Driver, Task, Verb } from '../sched/index.ts'

import {
  type ForkArgs,
  type MemoryAdvice,
  type MremapArgs,
  mremapArgs,
  msyncArgs,
  populateArgs,
} from '../space/index.ts'
import { check } from './check.ts'

import { Engine } from './engine.ts'

export const PAGE: Bytes = 4096
export const RW: Prot = PROT_READ | PROT_WRITE
/** More attempts than any story needs before it waits for time or for a device. */
const STEPS_MAX = 20_000

export interface WorldOptions {
  readonly discipline?: Discipline
  /** Frames of memory. */
  readonly frames?: number
  /** Pages of swap; its device is `world.swap`. */
  readonly swap?: number
  /** How far readahead goes. */
  readonly readAheadBytes?: Bytes
  /** Pages that one attempt of a long call changes at most. */
  readonly slicePages?: number
  readonly writeback?: WritebackSettings
  /** The most that one bio carries. */
  readonly bioBytesMax?: Bytes
  /** Recount after every attempt. Default: yes. */
  readonly checked?: boolean
  /** A device of the caller's own is put between the held one and the memory. */
  readonly wrap?: (inner: Device, world: World) => Device
}

export interface WorldFileOptions {
  readonly pages: number
  /** The size, if it isn't whole pages. */
  readonly size?: Bytes
  readonly stablePages?: boolean
  /** Pages that have their space already; default all. */
  readonly spaceFor?: PageIndex
  /** Whether its device holds what it is asked, from the start. Default: yes. */
  readonly holding?: boolean
  readonly readOnly?: boolean
}

/** A file, its device, and what is durable of it. */
export interface WorldFile {
  readonly file: CachedFile
  readonly open: OpenFile
  readonly backing: LinearFile
  readonly device: HeldDevice
  readonly disk: MemoryDevice
}

/** What calls on a file need of it. */
export type Opened = Pick<WorldFile, 'file' | 'open'>

export interface Mapping {
  readonly pages?: number
  readonly offset?: PageIndex
  readonly share?: 'shared' | 'private'
  readonly prot?: Prot
  readonly advice?: Advice
  readonly fixed?: Vpn
}

export class World {
  readonly engine: Engine
  /** The device of the swap area, if there is one. */
  readonly swap: HeldDevice | undefined
  readonly files: WorldFile[] = []
  private readonly checked: boolean
  private readonly wrap: (inner: Device, world: World) => Device
  private time: Ns = 0

  constructor(options: WorldOptions = {}) {
    const { discipline = RESTART, frames = 64, swap = 0, checked = true, wrap } = options
    const { readAheadBytes, slicePages, writeback, bioBytesMax } = options
    const driver: Driver = { now: () => this.time, wake() {} }
    this.checked = checked
    this.wrap = wrap ?? (inner => inner)
    const buffer = new ArrayBuffer((frames + 1) * PAGE)
    const late: { device: HeldDevice | undefined } = { device: undefined }
    this.engine = new Engine({
      driver,
      buffer,
      pageSize: PAGE,
      discipline,
      ...(readAheadBytes !== undefined && { readAheadBytes }),
      ...(slicePages !== undefined && { slicePages }),
      ...(writeback !== undefined && { writeback }),
      ...(bioBytesMax !== undefined && { bioBytesMax }),
      ...(swap > 0 && { swap: { device: lateDevice('swap', late), bytes: swap * PAGE } }),
    })
    if (swap > 0) {
      this.swap = new HeldDevice(new MemoryDevice(this.scheduler, { name: 'swap', disk: '2:0' }))
      late.device = this.swap
    }
  }

  get scheduler() {
    return this.engine.scheduler
  }

  // ---- who and what there is

  file(name: string, options: WorldFileOptions): WorldFile {
    const { pages, size = pages * PAGE, stablePages = false, spaceFor = pages } = options
    const { holding = true, readOnly = false } = options
    const disk = new MemoryDevice(this.scheduler, { name, length: size, readOnly })
    for (let page = 0; page < pages; page++)
      disk.poke(page * PAGE, new Uint8Array(Math.min(PAGE, size - page * PAGE)).fill(page + 1))
    const device = new HeldDevice(this.wrap(disk, this))
    device.holding = holding
    const backing = new LinearFile(device, this.engine.io, this.engine.memory, { stablePages, spaceFor })
    const file = this.engine.cache.add(name, size, backing)
    const made = { file, backing, device, disk, open: this.open(file) }
    this.files.push(made)
    return made
  }

  /** One more opening of a file: its own read state, its own place in the errors. */
  open(file: CachedFile): OpenFile {
    return newOpening(file, { readOnly: file.readOnly, seen: file.errorCount })
  }

  group(limits: Partial<MemoryLimits> = {}, parent: GroupId = ROOT): GroupId {
    const group = this.engine.tree.create(parent)
    this.engine.memory.ledger.setLimits(group, limits)
    return group
  }

  space(name: string, group: GroupId = ROOT): Space {
    return this.engine.mm.createSpace({ name, group, commandLine: `/bin/${name}` })
  }

  // ---- what happens in spaces

  /** Maps a file, or anonymous memory, and says where. It must succeed at once. */
  map(space: Space, file: Opened | OpenFile | undefined, mapping: Mapping = {}): Vpn {
    const task = this.mapping(space, file, mapping)
    assert.equal(this.says(task), 'done', 'the mapping succeeds at once')
    return task.args.start
  }

  /** Begins to map. */
  mapping(space: Space, from: Opened | OpenFile | undefined, mapping: Mapping = {}) {
    const open = from !== undefined && 'open' in from ? from.open : from
    const filePages = Math.ceil((open?.file.size ?? PAGE) / PAGE)
    const { share = open === undefined ? 'private' : 'shared', offset = 0 } = mapping
    const { pages = filePages - offset, prot = RW, advice = 'random', fixed } = mapping
    const plan = { prot, share, open, pageOffset: offset, advice }
    return this.spawn(this.engine.verbs.map, { space, pages, fixed, plan, locked: false, start: 0 })
  }

  fault(space: Space, vpn: Vpn, access: 'load' | 'store', group = space.group): Task<FaultArgs> {
    const task = this.faulting(space, vpn, access, group)
    this.settle()
    return task
  }

  /** A fault that hasn't run yet: for tests that go step by step. */
  faulting(space: Space, vpn: Vpn, access: 'load' | 'store', group = space.group): Task<FaultArgs> {
    const args = faultArgs(space, newVmFault(vpn, access, group, this.time), 'go on')
    return this.scheduler.spawn(this.engine.verbs.fault, args, { name: `${access} of page ${vpn}`, group })
  }

  populate(space: Space, start: Vpn, end: Vpn, access: 'load' | 'store') {
    return this.spawn(this.engine.verbs.populate, populateArgs(space, start, end, access), space.group)
  }

  unmap(space: Space, start: Vpn, pages: number) {
    return this.spawn(this.engine.verbs.unmap, { space, start, end: start + pages })
  }

  mremap(
    space: Space,
    from: Vpn,
    pages: number,
    newPages: number,
    where: MremapArgs['where'] = 'may move',
    old: MremapArgs['old'] = 'is unmapped',
  ) {
    return this.spawn(this.engine.verbs.mremap, mremapArgs({ space, from, pages, newPages, where, old }))
  }

  protect(space: Space, start: Vpn, pages: number, prot: Prot) {
    return this.spawn(this.engine.verbs.protect, { space, start, end: start + pages, prot })
  }

  advise(space: Space, start: Vpn, pages: number, advice: MemoryAdvice) {
    return this.spawn(this.engine.verbs.advise, { space, start, end: start + pages, advice })
  }

  lock(space: Space, start: Vpn, pages: number, to: 'locked' | 'unlocked') {
    return this.spawn(this.engine.verbs.lock, { space, start, end: start + pages, to })
  }

  fork(space: Space, name = `child of ${space.name}`): Task<ForkArgs> {
    const plan = { name, group: space.group, commandLine: space.commandLine }
    return this.spawn(this.engine.verbs.fork, { space, plan, child: undefined } satisfies ForkArgs)
  }

  exit(space: Space) {
    return this.spawn(this.engine.verbs.exit, { space })
  }

  msync(space: Space, start: Vpn, pages: number) {
    return this.spawn(this.engine.verbs.msync, msyncArgs(space, start, start + pages))
  }

  proc(space: Space, file: ProcFile): Task<ProcArgs> {
    return this.spawn(this.engine.verbs.proc, procArgs(space, file))
  }

  // ---- what happens to files

  truncate({ file }: Opened, size: Bytes): Task<TruncateArgs> {
    return this.spawn(this.engine.verbs.truncate, truncateArgs(file, { size }))
  }

  punch({ file }: Opened, position: Bytes, length: Bytes): Task<TruncateArgs> {
    return this.spawn(this.engine.verbs.truncate, truncateArgs(file, { position, length }))
  }

  sync({ file, open }: Opened, cursor: OpenFile = open) {
    return this.spawn(this.engine.verbs.sync, syncArgs(file, 0, Infinity, cursor))
  }

  /** The end of a file that nobody has open or maps. */
  forget({ file }: WorldFile) {
    return this.spawn(this.engine.verbs.forget, { file })
  }

  read({ file, open }: Opened, position: Bytes, length: Bytes, group = ROOT) {
    return this.spawn(
      this.engine.verbs.read,
      copyArgs(file, position, new Uint8Array(length), open.read),
      group,
    )
  }

  write({ file, open }: Opened, position: Bytes, bytes: Uint8Array, group = ROOT) {
    return this.spawn(this.engine.verbs.write, copyArgs(file, position, bytes, open.read), group)
  }

  // ---- devices

  /** What the device of a file has been asked and hasn't begun: "read 3", "write 0", "flush". */
  held({ device }: { readonly device: HeldDevice }): string[] {
    return device.held.map(words)
  }

  /** Lets the oldest held request go (of this operation), and ends it. */
  complete(file: { readonly device: HeldDevice }, operation?: Operation): void {
    file.device.release(this.oldest(file, operation))
    this.settle()
  }

  /** Ends the oldest held request (of this operation) with an error. */
  fail(file: { readonly device: HeldDevice }, error: Errno, operation?: Operation): void {
    file.device.fail(this.oldest(file, operation), error)
    this.settle()
  }

  /** From now on its device ends what it is asked at once, what it holds too. */
  letGo({ device }: { readonly device: HeldDevice }): void {
    device.releaseAll()
    this.settle()
  }

  // ---- what is to be seen

  /** How a task fares: "done", "EIO", "ready", "waits: read". */
  says(task: Task): string {
    if (task.state === 'ended') return task.errno === 0 ? 'done' : errnoName(task.errno)
    return task.state === 'waiting' ? `waits: ${task.wait!.why}` : 'ready'
  }

  /** The byte that a program would load at the beginning of a page (or at `offset` in it); undefined: it would fault. */
  value(space: Space, vpn: Vpn, offset: Bytes = 0): number | undefined {
    const entry = space.table.get(vpn)
    return (entry & LOAD) === 0 ? undefined : this.engine.memory.frames.bytes(frameOf(entry))[offset]
  }

  /** What a program does with a page that it may store to. */
  store(space: Space, vpn: Vpn, value: number, offset: Bytes = 0): void {
    const entry = space.table.get(vpn)
    assert.notEqual(entry & STORE, 0, `page ${vpn} of ${space.name} may be stored to`)
    this.engine.memory.frames.bytes(frameOf(entry))[offset] = value
  }

  /** What a program may do with a page: 'r', 'rw', or '' for nothing. */
  rights(space: Space, vpn: Vpn): '' | 'r' | 'rw' {
    const entry = space.table.get(vpn)
    if ((entry & PRESENT) === 0 || (entry & LOAD) === 0) return ''
    return (entry & STORE) === 0 ? 'r' : 'rw'
  }

  /** The frame that an entry names. */
  frame(space: Space, vpn: Vpn): number {
    return frameOf(space.table.get(vpn))
  }

  /** The byte that is durable at a position of a file. */
  durable({ disk }: WorldFile, position: Bytes): number {
    const byte = new Uint8Array(1)
    disk.peek(position, byte)
    return byte[0]!
  }

  // ---- time

  /** Begins something and runs as far as it goes now. */
  spawn<Args>(verb: Verb<Args>, args: Args, group: GroupId = ROOT): Task<Args> {
    const task = this.scheduler.spawn(verb, args, {
      name: `${verb.name} ${this.scheduler.tasks.size}`,
      group,
    })
    this.settle()
    return task
  }

  kill(task: Task): void {
    this.scheduler.kill(task)
    this.settle()
  }

  /** Runs what is ready. No time passes. */
  settle(): void {
    for (let steps = 0; this.step(); steps++)
      assert.ok(steps < STEPS_MAX, `the machine settles: after ${steps} attempts it still runs`)
  }

  /** One attempt of whoever is first; says whether there was one. */
  step(): boolean {
    this.scheduler.fireTimers()
    const task = this.scheduler.ready()[0]
    if (task === undefined) return false
    this.scheduler.step(task)
    if (this.checked) this.recount()
    return true
  }

  /** Lets time pass. */
  later(duration: Ns): void {
    const end = this.time + duration
    for (this.settle(); this.scheduler.timers.next <= end; this.settle())
      this.time = Math.max(this.time, this.scheduler.timers.next)
    this.time = end
  }

  recount(): void {
    assert.deepEqual(check(this.engine), [])
  }

  /** Lets every device go and a minute pass; then nothing is left to do, nothing is dirty, and every count is right. */
  finish(): void {
    for (const device of [...this.files.map(file => file.device), ...(this.swap ? [this.swap] : [])])
      device.releaseAll()
    this.later(60 * SECOND)
    assert.deepEqual(
      [...this.scheduler.tasks.values()].map(task => `${task.name} ${this.says(task)}`),
      [],
    )
    assert.equal(this.engine.cache.dirtyPages, 0)
    this.recount()
  }

  private oldest({ device }: { readonly device: HeldDevice }, operation: Operation | undefined): Request {
    const found = device.held.find(request => operation === undefined || request.operation === operation)
    assert.ok(found, `${device.name} holds a ${operation ?? 'request'}, got [${device.held.map(words)}]`)
    return found
  }
}

/** The swap device needs a scheduler, which the engine that wants the device makes: this stands in for it. */
function lateDevice(name: string, late: { device: HeldDevice | undefined }): Device {
  return {
    name,
    disk: '2:0',
    readOnly: false,
    onEnd() {},
    start(request) {
      late.device!.onEnd = (ended, error) => this.onEnd(ended, error)
      late.device!.start(request)
    },
  }
}

function words({ operation, position, length }: Request): string {
  switch (operation) {
    case 'flush':
      return operation
    case 'resize':
      return `resize ${length}`
    default: {
      const page = position / PAGE
      const last = Math.ceil((position + length) / PAGE) - 1
      return last > page ? `${operation} ${page}-${last}` : `${operation} ${page}`
    }
  }
}
