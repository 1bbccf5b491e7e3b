/**
 * The canonical state of a machine, as a row of numbers: two machines with the same row behave alike from here on.
 *
 *     files     size, claim, errors; for each page its frame's flags, pins and word, the device's word, the truth
 *     spaces    VMAs, whether each is write-locked; entries, by what they map rather than by which frame it is
 *     tasks     verb, state, arguments; locks held; place in the lock's queue; what it waits for
 *     bios      what is being done, with whose frames
 *     volume    its metadata, blocks and requests, if there is one (volume/key.ts)
 *     the rest  failures left; where memory is short, the LRU lists too
 *
 * Numbers that only tell machines apart (ids of tasks, tickets, bios and frames, times, counters for reports) aren't in
 * it. Tasks of the same phrase are sorted, so it doesn't matter which of them is where.
 *
 * Invariants
 *   KE1 Equal rows: the same choices are possible, up to the order of equals, and lead to equal rows.
 *       Compared with a search that prunes nothing, in explorer.test.ts.
 */
import { assert, type Pfn } from '../base/index.ts'
import type { CachedFile } from '../cache/index.ts'
import type { Request } from '../device/index.ts'
import type { Bio } from '../io/index.ts'
import type { VmFault } from '../memmap/index.ts'
import {
  ACTIVE,
  CACHE,
  DEVICE,
  DIRTY,
  LOCKED,
  READAHEAD,
  REFERENCED,
  UPTODATE,
  WRITEBACK,
} from '../memory/index.ts'
import type { Space, VmaFlags } from '../mm/index.ts'
import { frameOf, LOAD, PRESENT, STORE, WRITABLE } from '../mmu/index.ts'
import type { Task, Ticket } from '../sched/index.ts'
import { DaxFile } from '../volume/index.ts'
import type { Machine } from './machine.ts'
import { hashOf } from './row.ts'
import { commitOf, hashOfWord, metadataOf, volumeRow } from './volume/key.ts'
import type { LabVolume } from './volume/volume.ts'

const FRAME_FLAGS = UPTODATE | LOCKED | DIRTY | WRITEBACK | READAHEAD
const LRU_FLAGS = REFERENCED | ACTIVE
const INTS_MAX = 1 << 14

/** The one field of arguments that is no part of the state: explorer.test.ts spoils it between attempts, and finds the same. */
export const UNREAD = 'frame' satisfies keyof VmFault

export class Keys {
  private readonly ints = new Int32Array(INTS_MAX)
  private at = 0
  /** Names of frames in the order in which they were met; 0: it wasn't yet. */
  private names = new Uint16Array(0)
  private named = 0
  private machine!: Machine
  private inFlight: readonly Bio[] = []

  /** The row of a machine, valid until the next call. */
  row(machine: Machine): Int32Array {
    this.fill(machine)
    return this.ints.subarray(0, this.at)
  }

  /** The hash of the row. */
  hash(machine: Machine): number {
    this.fill(machine)
    return hashOf(this.ints, this.at)
  }

  private fill(machine: Machine): void {
    this.machine = machine
    this.inFlight = machine.bios
    this.at = 0
    const { count } = machine.engine.memory.frames
    if (this.names.length === count) this.names.fill(0)
    else this.names = new Uint16Array(count)
    this.named = 0
    for (const file of machine.files.values()) this.putFile(file)
    for (const space of machine.engine.mm.spaces.values()) this.putSpace(space)
    for (const { space, vpn, word } of machine.truth.copyPlaces()) this.put((space << 20) | (vpn << 8) | word)
    this.putSorted(this.inFlight, this.putOneBio)
    if (machine.volume !== undefined) this.putVolume(machine.volume)
    for (const left of machine.failures) this.put(left)
    if (machine.scenario.reclaims) this.putLru()
    this.putTasks()
    assert(this.at < INTS_MAX, 'a small machine has a small state')
  }

  private put(value: number): void {
    this.ints[this.at++] = value
  }

  private putFile(file: CachedFile): void {
    const { machine } = this
    const { cache } = machine.engine
    // What a volume has of its files is in `putVolume`.
    const device = machine.volume === undefined ? machine.devices.get(file.name) : undefined
    this.put(file.pages)
    this.put(file.invalidation === undefined ? -1 : file.invalidation.start)
    this.put(file.invalidation === undefined ? -1 : file.invalidation.end)
    const retries = file.retryAt > this.machine.clock.time ? 2 : 0
    this.put(file.errorCount * 4 + retries + (file.readAlone ? 1 : 0))
    if (device !== undefined) this.put(device.free * 2 + (device.inDoubt ? 1 : 0))
    const words = machine.truth.files.get(file.id)!
    for (let page = 0; page < words.length; page++) {
      const frame = cache.find(file.id, page)
      const below =
        device === undefined ? 0 : (device.word(page) << 9) | (device.hasBlock(page) ? 1 << 18 : 0)
      this.put(words[page]! | below)
      this.put(file.backing.isReserved(file, page) ? 1 : 0)
      this.putFrame(frame)
    }
  }

  private putVolume(volume: LabVolume): void {
    for (const number of metadataOf(volume).row) this.put(number)
    for (const number of volumeRow(volume)) this.put(number)
    for (const file of volume.opened.values())
      if (file instanceof DaxFile) for (const word of this.machine.truth.files.get(file.id)!) this.put(word)
    this.putSorted(volume.disk.inFlight, ({ operation, position, buffers }) => {
      this.putWord(operation)
      this.put(position / this.machine.pageSize)
      this.put(buffers.length)
    })
  }

  private putFrame(frame: Pfn): void {
    if (frame === 0) {
      this.put(-1)
      return
    }
    const { frames } = this.machine.engine.memory
    const lru = this.machine.scenario.reclaims ? LRU_FLAGS : 0
    this.put(this.nameOf(frame))
    this.put(frames.flags[frame]! & (FRAME_FLAGS | lru))
    // What a page of the cache holds before it was filled is what the frame held before.
    const filled = frames.kind[frame] !== CACHE || frames.has(frame, UPTODATE)
    const word = filled ? frames.data[frame * frames.pageSize]! : 0
    this.put((frames.pins[frame]! << 12) | (frames.kind[frame]! << 8) | word)
  }

  /** Blocks go by their own numbers (volume/key.ts), other frames by the order in which they are met. */
  private nameOf(frame: Pfn): number {
    if (this.machine.engine.memory.frames.kind[frame] === DEVICE) return -frame
    if (this.names[frame] === 0) this.names[frame] = ++this.named
    return this.names[frame]!
  }

  private putSpace(space: Space): void {
    const { frames } = this.machine.engine.memory
    const { mmap } = space.locks
    const bits = this.machine.scenario.reclaims ? PRESENT | WRITABLE | LOAD | STORE : PRESENT | WRITABLE
    this.put(space.state === 'alive' ? -2 : -3)
    for (const vma of space.vmas) {
      this.put(vma.start)
      this.put(vma.end)
      this.put(vma.pageOffset)
      // What has pages of its own keeps their numbers when it is moved, and nothing else asks.
      if (this.machine.moves) this.put(((vma.start - vma.anonOffset) << 1) | (vma.hasAnon ? 1 : 0))
      this.put(vma.open === undefined ? 0 : vma.open.file.id)
      const locked = vma.lock.writeSequence === mmap.sequence ? 1 : 0
      this.put((flagsIn(vma) << 5) | (vma.prot << 2) | (vma.share === 'shared' ? 2 : 0) | locked)
      if (vma.open !== undefined && vma.advice !== 'random') this.putValue(vma.open.read)
      for (let vpn = vma.start; vpn < vma.end; vpn++) {
        const entry = space.table.get(vpn)
        this.put(entry & bits)
        if ((entry & PRESENT) === 0) continue
        const frame = frameOf(entry)
        this.putFrame(frame)
        if (frame !== 0 && frames.kind[frame] === CACHE) this.put(frames.index[frame]!)
      }
    }
  }

  private putBio(bio: Bio): void {
    this.putWord(bio.device.name)
    this.putWord(bio.purpose)
    this.putWord(bio.operation)
    this.put(bio.index)
    this.put(bio.length)
    for (const frame of bio.frames) this.putFrame(frame)
  }

  /** The order in which reclaim would take pages. */
  private putLru(): void {
    const { memory, cache } = this.machine.engine
    for (const kind of [
      'inactive file',
      'active file',
      'inactive anon',
      'active anon',
      'in flight',
    ] as const) {
      this.put(-4)
      for (const frame of memory.frames.lru.walk(memory.lruList(1, kind))) this.put(this.names[frame]!)
    }
    this.put(memory.free)
    const workingset = cache['workingset']
    const [shadows, age] = [workingset['shadows'], workingset['age']]
    for (const shadow of shadows) this.put(shadow === 0 ? 0 : (shadow & ~0xffff) | ((age - shadow) & 0xffff))
  }

  /** Tasks of one phrase in the order of their rows; helpers after them, all in the order of theirs. */
  private putTasks(): void {
    const { alike, tasks, engine } = this.machine
    for (const group of alike) this.putSorted(group, this.putOneTask)
    const living = engine.scheduler.tasks.values()
    this.putSorted(
      living.filter(task => !tasks.includes(task)),
      this.putOneTask,
    )
  }

  private readonly putOneTask = (task: Task): void => this.putTask(task)
  private readonly putOneBio = (bio: Bio): void => this.putBio(bio)

  private putTask(task: Task): void {
    const { state, wait } = task
    this.put((state === 'ready' ? 1 : state === 'waiting' ? 2 : 3) | (task.killed ? 4 : 0))
    this.putWord(task.verb.name)
    if (state === 'ended') {
      this.put(task.errno)
      return
    }
    this.putValue(task.args)
    this.putFrame(task.stash)
    this.put(task.reached ?? -1)
    for (const { lock, mode } of task.held) {
      this.putWord(lock.name)
      this.putWord(mode)
    }
    for (const space of this.machine.engine.mm.spaces.values()) {
      const waiters = space.locks.mmap.waiters()
      for (let place = 0; place < waiters.length; place++) {
        if (waiters[place]!.task !== task) continue
        this.put(space.id * 64 + place)
        this.putWord(waiters[place]!.mode)
        break
      }
    }
    if (wait === undefined) return
    this.putWord(wait.why)
    if (state === 'waiting') this.putTicket(wait.ticket)
    if (wait.why === 'throttle' || wait.why === 'timer') this.put(task.waitingSince - this.machine.clock.time)
  }

  private putTicket(ticket: Ticket): void {
    const bio = ticket.complete ? undefined : this.inFlight.find(each => each.ticket === ticket)
    if (ticket.complete) this.put(-100 - ticket.errno)
    else if (bio === undefined) {
      this.putWord(ticket.what)
      if (this.machine.volume !== undefined) this.put(commitOf(this.machine.volume, ticket))
    } else this.putBio(bio)
  }

  private putWord(word: string): void {
    this.put(hashOfWord(word))
  }

  /** Arguments of any verb: everything in them counts, but for what `putFault` leaves out. */
  private putValue(value: unknown): void {
    if (typeof value === 'number') this.put(Number.isFinite(value) ? value : -5)
    else if (typeof value === 'string') this.putWord(value)
    else if (typeof value !== 'object' || value === null) this.put(value === undefined ? -6 : Number(value))
    else if (value instanceof Map) {
      this.put(value.size)
      for (const [key, each] of value) {
        this.putValue(key)
        this.putValue(each)
      }
    } else if (Array.isArray(value)) {
      this.put(value.length)
      for (const each of value) this.putValue(each)
    } else if (ArrayBuffer.isView(value)) this.put((value as Uint8Array)[0] ?? -1)
    else if (Object.getPrototypeOf(value) !== Object.prototype)
      this.putPart(value as { id?: number; name?: string })
    else this.putPlain(value)
  }

  /** hot: a field that is asked for is found faster than whether there is one. */
  private putPlain(value: Partial<VmFault & Ticket & Bio & Request & Task>): void {
    if (value.retries !== undefined) this.putFault(value as VmFault)
    else if (value.waiters !== undefined) this.putTicket(value as Ticket)
    else if (value.frames !== undefined && value.ticket !== undefined) this.putTicket(value.ticket)
    else if (value.buffers !== undefined) this.putRequest(value as Request)
    else if (value.verb !== undefined) this.putTicket((value as Task).end)
    else this.putFields(value)
  }

  /** A part of the machine that arguments only point to: a space, a file, an alarm's chore. One without a name is known by its owner's. */
  private putPart({ id, name }: { readonly id?: number; readonly name?: string }): void {
    if (id !== undefined) this.put(id)
    else if (name !== undefined) this.putWord(name)
  }

  /** What is under way is a bio's or the volume's; of what a read fills nobody reads the bytes before. */
  private putRequest({ operation, position, length, buffers }: Request): void {
    this.putWord(operation)
    this.put(position)
    this.put(length)
    if (operation === 'write') for (const bytes of buffers) this.put(bytes[0]!)
  }

  private putFields(fields: { readonly [name: string]: unknown }): void {
    for (const name in fields)
      if (name === 'kept') this.putFrame(fields[name] as Pfn)
      else this.putValue(fields[name])
  }

  /**
   * A fault goes on by whether it has been tried, not by how often; by how often nobody got memory, as long as that lasts; and
   * each attempt writes `frame` before it reads it.
   */
  private putFault(fault: VmFault): void {
    const { memory } = this.machine.engine
    for (const name in fault)
      if (name === 'retries') this.put(Math.min(fault.retries, 1))
      else if (name === 'shortages') this.put(memory.reclaimed === fault.reclaimedThen ? fault.shortages : 0)
      else if (name === 'shortSince') this.putValue(this.machine.clock.time - fault.shortSince)
      else if (name !== 'reclaimedThen' && name !== UNREAD) this.putValue(fault[name as keyof VmFault])
  }

  /** Puts the rows of `items` in rising order. */
  private putSorted<Item>(items: readonly Item[], putOne: (item: Item) => void): void {
    if (items.length === 1) {
      putOne(items[0]!)
      return
    }
    this.put(-7)
    if (items.length === 0) return
    const from = this.at
    const starts: number[] = []
    let rising = true
    for (const item of items) {
      starts.push(this.at)
      putOne(item)
      if (starts.length > 1 && rising)
        rising = this.compare(starts.at(-2)!, starts.at(-1)!, starts.at(-1)!, this.at) <= 0
    }
    if (rising) return
    const rows = starts.map((start, nth) => this.ints.slice(start, starts[nth + 1] ?? this.at))
    rows.sort(compareRows)
    this.at = from
    for (const row of rows) {
      this.ints.set(row, this.at)
      this.at += row.length
    }
  }

  /** Of two parts of the row, as compareRows. */
  private compare(left: number, leftEnd: number, right: number, rightEnd: number): number {
    const { ints } = this
    for (; left < leftEnd && right < rightEnd; left++, right++)
      if (ints[left] !== ints[right]) return ints[left]! - ints[right]!
    return leftEnd - left - (rightEnd - right)
  }
}

function compareRows(left: Int32Array, right: Int32Array): number {
  const shared = Math.min(left.length, right.length)
  for (let at = 0; at < shared; at++) if (left[at] !== right[at]) return left[at]! - right[at]!
  return left.length - right.length
}

/** The advice is in what is read ahead, or says that nothing is. */
const FLAG_BITS: Readonly<Record<Exclude<keyof VmaFlags, 'advice'>, number>> = {
  locked: 1,
  leftOut: 2,
  wiped: 4,
}
const FLAGS = Object.keys(FLAG_BITS) as (keyof typeof FLAG_BITS)[]

function flagsIn(vma: VmaFlags): number {
  let bits = 0
  for (const flag of FLAGS) if (vma[flag]) bits |= FLAG_BITS[flag]
  return bits
}
