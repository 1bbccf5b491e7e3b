/**
 * A file that lies on a device as it is: page i at byte i * pageSize. Host files and plain block devices are such.
 *
 * Where the device may not have given the file all of its space yet (a sparse host file, a file that grows), a page gets
 * it before it is first made dirty: its present content is written to its place, and from then on overwriting it needs
 * no new block. Node has no fallocate, and a write is what every host understands. Hosts that write elsewhere each time
 * (btrfs, or a reflinked file on XFS) can still refuse an overwrite; docs/decisions/0005 says what then happens.
 *
 * Invariants   KB1, KB2 (cache/backing.ts)
 *   LF1 A page is reserved by one bio at a time; everyone who wants it waits for that one.
 *   LF2 A reserving bio pins its frame, so that what is written is the page.
 *   LF3 What a truncation or a punch gave back has no space any more; of a page that a truncation cut, what was cut off.
 *   LF4 A page larger than a block may have space for its beginning only: the end of the file was in it when its space
 *       was set aside. It is written no further than that, for nobody has stored there.
 */
import {
  type Bytes,
  errno,
  type GroupId,
  NumberMap,
  OrderedList,
  type PageIndex,
  type PageRange,
  type Pfn,
} from '../base/index.ts'
import type { Backing, CachedFile } from '../cache/index.ts'
import type { Device, Operation } from '../device/index.ts'
import type { Bio, Io } from '../io/index.ts'
import { carriedError, type PageRequest } from '../memmap/index.ts'
import type { Memory } from '../memory/index.ts'
import { done, fail, type Outcome, type Ticket, wait } from '../sched/index.ts'

/** What hosts give space by. */
const BLOCK: Bytes = 4096

export interface LinearOptions {
  readonly stablePages: boolean
  /** Pages [0, spaceFor) have their space already. */
  readonly spaceFor: PageIndex
}

export class LinearFile implements Backing {
  readonly stablePages: boolean
  private readonly device: Device
  private readonly io: Io
  private readonly memory: Memory
  /** Pages [0, spaceFor) have their space, except in `holes` that were punched since. */
  private spaceFor: PageIndex
  private readonly holes = new OrderedList<PageRange>(
    hole => hole.start,
    hole => hole.end,
  )
  /** Of other pages: up to which byte of the file they have space. */
  private readonly reserved = new Map<PageIndex, Bytes>()
  private readonly reserving = new NumberMap<Bio>()

  constructor(device: Device, io: Io, memory: Memory, { stablePages, spaceFor }: LinearOptions) {
    this.device = device
    this.io = io
    this.memory = memory
    this.stablePages = stablePages
    this.spaceFor = spaceFor
  }

  get readOnly(): boolean {
    return this.device.readOnly
  }

  get readUnit(): Bytes {
    return this.device.readUnit ?? 0
  }

  get inFlightBytes(): Bytes {
    return this.device.inFlightBytes ?? Infinity
  }

  read(file: CachedFile, index: PageIndex, frames: readonly Pfn[], group: GroupId): Bio {
    return this.submitPages('read', 'fill', file, index, frames, group, Infinity)
  }

  write(file: CachedFile, index: PageIndex, frames: readonly Pfn[], group: GroupId): Bio {
    return this.submitPages(
      'write',
      'writeback',
      file,
      index,
      frames,
      group,
      this.written(file, index + frames.length - 1),
    )
  }

  isReserved(file: CachedFile, index: PageIndex): boolean {
    return this.hasSpace(index, file.size)
  }

  reserve(file: CachedFile, { index, fault, fileEnd }: PageRequest, frame: Pfn): Outcome {
    const fileEndThen = Math.max(file.size, fileEnd)
    if (this.hasSpace(index, fileEndThen)) return done
    const carried = carriedError(fault, file.id, index)
    if (carried !== errno.OK) return fail(carried)
    let bio = this.reserving.get(index)
    if (bio === undefined) {
      bio = this.submitPages('write', 'operation', file, index, [frame], fault.group, fileEndThen)
      this.memory.pin(frame)
      this.reserving.set(index, bio)
      fault.asked = { ticket: bio.ticket, file: file.id, index }
    }
    return wait(bio.ticket, 'reserve', frame)
  }

  reservationIn(_file: CachedFile, start: PageIndex, end: PageIndex): Ticket | undefined {
    for (const bio of this.reserving.values()) if (bio.index >= start && bio.index < end) return bio.ticket
    return undefined
  }

  /** The end of an operation of ours. */
  endOperation(bio: Bio): void {
    if (bio.operation !== 'write') return
    this.reserving.delete(bio.index)
    if (bio.errno === errno.OK) this.reserved.set(bio.index, blockEnd(bio.position + bio.length))
    this.memory.unpin(bio.frames[0]!)
  }

  flush(file: CachedFile, group: GroupId): Bio {
    return this.submit('flush', file, 0, 0, group)
  }

  resize(file: CachedFile, size: Bytes, group: GroupId): Bio {
    const kept = Math.floor(size / this.memory.frames.pageSize)
    const cut = Math.min(this.spaceOf(kept), blockEnd(size))
    this.spaceFor = Math.min(this.spaceFor, kept)
    for (const index of this.reserved.keys()) if (index >= kept) this.reserved.delete(index)
    if (cut > kept * this.memory.frames.pageSize) this.reserved.set(kept, cut)
    return this.submit('resize', file, 0, size, group)
  }

  /** Somebody else has made the device this long: what was cut off has no space any more (LF3). */
  measured(size: Bytes): void {
    const kept = Math.floor(size / this.memory.frames.pageSize)
    this.spaceFor = Math.min(this.spaceFor, kept)
    for (const index of this.reserved.keys()) if (index >= kept) this.reserved.delete(index)
  }

  zero(file: CachedFile, position: Bytes, length: Bytes, group: GroupId): Bio {
    const { pageSize } = this.memory.frames
    this.dig(Math.floor(position / pageSize), Math.ceil((position + length) / pageSize))
    return this.submit('zero', file, position, length, group)
  }

  /** Whether page `index` has space for what it holds of a file that ends at `fileEnd`. */
  private hasSpace(index: PageIndex, fileEnd: Bytes): boolean {
    const space = this.spaceOf(index)
    return space > 0 && space >= Math.min((index + 1) * this.memory.frames.pageSize, fileEnd)
  }

  /** Up to which byte of the file page `index` has space; 0: it has none. */
  private spaceOf(index: PageIndex): Bytes {
    const reserved = this.reserved.get(index)
    if (reserved !== undefined) return reserved
    const hole = this.holes.floor(index)
    const given = index < this.spaceFor && (hole === undefined || hole.end <= index)
    return given ? (index + 1) * this.memory.frames.pageSize : 0
  }

  /** How far a run of pages is written that ends with page `last` (LF4). */
  private written(file: CachedFile, last: PageIndex): Bytes {
    const space = this.spaceOf(last)
    return space === 0 ? file.size : Math.min(file.size, space)
  }

  /** The device may take the space of [start, end) back. Holes that touch become one. */
  private dig(start: PageIndex, end: PageIndex): void {
    for (const index of this.reserved.keys()) if (index >= start && index < end) this.reserved.delete(index)
    if (start >= this.spaceFor) return
    const hole = { start, end }
    for (const other of this.holes.overlapping(start - 1, end + 1)) {
      this.holes.remove(other)
      hole.start = Math.min(hole.start, other.start)
      hole.end = Math.max(hole.end, other.end)
    }
    this.holes.insert(hole)
  }

  /** Pages from `index` on, as far as `end`: the device is never made longer than the file is, or is about to be. */
  private submitPages(
    operation: 'read' | 'write',
    purpose: Bio['purpose'],
    file: CachedFile,
    index: PageIndex,
    frames: readonly Pfn[],
    group: GroupId,
    end: Bytes,
  ): Bio {
    const { pageSize } = this.memory.frames
    const position = index * pageSize
    const whole = frames.length * pageSize
    const length = Math.min(whole, end - position)
    const pages = frames.length === 1 ? `page ${index}` : `pages ${index} to ${index + frames.length - 1}`
    return this.io.submit({
      device: this.device,
      operation,
      position,
      length,
      frames,
      group,
      purpose,
      file: file.id,
      index,
      what: `${purpose === 'operation' ? 'reservation' : operation} of ${file.name} ${pages}`,
    })
  }

  private submit(
    operation: Operation,
    file: CachedFile,
    position: Bytes,
    length: Bytes,
    group: GroupId,
  ): Bio {
    return this.io.submit({
      device: this.device,
      operation,
      position,
      length,
      frames: [],
      group,
      purpose: 'operation',
      file: file.id,
      index: 0,
      what: `${operation} of ${file.name}`,
    })
  }
}

function blockEnd(position: Bytes): Bytes {
  return Math.ceil(position / BLOCK) * BLOCK
}
