/**
 * A file that lies on a device as it is: page i at byte i * pageSize. Host files and plain block devices are such.
 *
 * Where the device may not have given the file all of its space yet (a sparse host file, a file that grows), a page gets
 * it before it is first made dirty: its present content is written to its place, and from then on overwriting it needs
 * no new block. Node has no fallocate, and a write is what every host understands. Hosts that write elsewhere each time
 * (btrfs, or a reflinked file on XFS) can still refuse an overwrite; docs/decisions/0005 says what then happens.
 *
 * Invariants   K1, K2 (cache/backing.ts)
 *   LF1 A page is reserved by one bio at a time; everyone who wants it waits for that one.
 *   LF2 A reserving bio pins its frame, so that what is written is the page.
 */
import { type Bytes, errno, type GroupId, type PageIndex, type Pfn } from '../base/index.ts'
import type { Backing, CachedFile } from '../cache/index.ts'
import type { Device, Operation } from '../device/index.ts'
import type { Bio, Io } from '../io/index.ts'
import { carriedError, type PageRequest } from '../memmap/index.ts'
import type { Memory } from '../memory/index.ts'
import { done, fail, type Outcome, type Ticket, wait } from '../sched/index.ts'

export interface LinearOptions {
  readonly stablePages: boolean
  /** Pages [0, spaceFor) have their space already. */
  readonly spaceFor: PageIndex
}

export class LinearFile implements Backing {
  readonly stablePages: boolean
  readonly readOnly: boolean
  private readonly device: Device
  private readonly io: Io
  private readonly memory: Memory
  private readonly spaceFor: PageIndex
  private readonly reserved = new Set<PageIndex>()
  private readonly reserving = new Map<PageIndex, Bio>()

  constructor(device: Device, io: Io, memory: Memory, { stablePages, spaceFor }: LinearOptions) {
    this.device = device
    this.readOnly = device.readOnly
    this.io = io
    this.memory = memory
    this.stablePages = stablePages
    this.spaceFor = spaceFor
  }

  read(file: CachedFile, index: PageIndex, frames: readonly Pfn[], group: GroupId): Bio {
    return this.submitPages('read', 'fill', file, index, frames, group)
  }

  write(file: CachedFile, index: PageIndex, frames: readonly Pfn[], group: GroupId): Bio {
    return this.submitPages('write', 'writeback', file, index, frames, group)
  }

  isReserved(_file: CachedFile, index: PageIndex): boolean {
    return index < this.spaceFor || this.reserved.has(index)
  }

  reserve(file: CachedFile, { index, fault }: PageRequest, frame: Pfn): Outcome {
    if (this.isReserved(file, index)) return done
    const carried = carriedError(fault, file.id, index)
    if (carried !== errno.OK) return fail(carried)
    let bio = this.reserving.get(index)
    if (bio === undefined) {
      bio = this.submitPages('write', 'operation', file, index, [frame], fault.group)
      this.memory.pin(frame)
      this.reserving.set(index, bio)
      fault.asked = { ticket: bio.ticket, file: file.id, index }
    }
    return wait(bio.ticket, 'reserve', frame)
  }

  reservationIn(_file: CachedFile, start: PageIndex, end: PageIndex): Ticket | undefined {
    for (const [index, bio] of this.reserving) if (index >= start && index < end) return bio.ticket
    return undefined
  }

  /** The end of an operation of ours. */
  endOperation(bio: Bio): void {
    if (bio.operation !== 'write') return
    this.reserving.delete(bio.index)
    if (bio.errno === errno.OK) this.reserved.add(bio.index)
    this.memory.unpin(bio.frames[0]!)
  }

  flush(file: CachedFile, group: GroupId): Bio {
    return this.submit('flush', file, 0, 0, group)
  }

  resize(file: CachedFile, size: Bytes, group: GroupId): Bio {
    const kept = Math.ceil(size / this.memory.frames.pageSize)
    for (const index of this.reserved) if (index >= kept) this.reserved.delete(index)
    return this.submit('resize', file, 0, size, group)
  }

  zero(file: CachedFile, position: Bytes, length: Bytes, group: GroupId): Bio {
    return this.submit('zero', file, position, length, group)
  }

  private submitPages(
    operation: 'read' | 'write',
    purpose: Bio['purpose'],
    file: CachedFile,
    index: PageIndex,
    frames: readonly Pfn[],
    group: GroupId,
  ): Bio {
    const { pageSize } = this.memory.frames
    const position = index * pageSize
    const whole = frames.length * pageSize
    // A page past EOF is written as a whole: a growing write reserves it before it makes the file longer.
    const length =
      operation === 'write' && position < file.size ? Math.min(whole, file.size - position) : whole
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
