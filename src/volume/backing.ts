/**
 * What the page cache asks of a file of a volume. Its I/O goes to the file's device; reservations are numbers, and need
 * none.
 *
 * Every page that becomes dirty has one block promised, shared or not, since it will be written to a new one; only pages
 * that fallocate set aside have their place already. When nothing is left but what a commit will give back, the answer is
 * that commit's ticket.
 *
 * Invariants   KB1, KB2 (cache/backing.ts)
 *   VB1 A page has one promise at most: from the attempt that makes it dirty until its write claims a block, or until it
 *       is cut off.
 */
import { type Bytes, errno, type GroupId, type PageIndex, type Pfn } from '../base/index.ts'
import type { Backing, CachedFile } from '../cache/index.ts'
import type { Operation } from '../device/index.ts'
import type { Bio, Io } from '../io/index.ts'
import type { PageRequest } from '../memmap/index.ts'
import { done, fail, type Outcome, type Ticket } from '../sched/index.ts'
import { UNWRITTEN } from './extents.ts'
import type { FileDevice } from './file-device.ts'
import type { Answer } from './overlay.ts'
import { canBeLong, type Node, type Parts, roomFor } from './parts.ts'

export class VolumeBacking implements Backing {
  /** Blocks are checksummed as they go out. */
  readonly stablePages = true
  readonly readUnit = 0
  readonly inFlightBytes = Infinity
  private readonly parts: Parts
  private readonly io: Io
  private readonly node: Node
  private readonly device: FileDevice

  constructor(parts: Parts, io: Io, node: Node, device: FileDevice) {
    this.parts = parts
    this.io = io
    this.node = node
    this.device = device
  }

  get readOnly(): boolean {
    return this.parts.readOnly
  }

  read(file: CachedFile, index: PageIndex, frames: readonly Pfn[], group: GroupId): Bio {
    const position = index * this.parts.disk.blockSize
    const length = frames.length * this.parts.disk.blockSize
    return this.submit(file, { operation: 'read', purpose: 'fill', position, length, frames }, group)
  }

  write(file: CachedFile, index: PageIndex, frames: readonly Pfn[], group: GroupId): Bio {
    const position = index * this.parts.disk.blockSize
    const length = Math.min(frames.length * this.parts.disk.blockSize, file.size - position)
    return this.submit(file, { operation: 'write', purpose: 'writeback', position, length, frames }, group)
  }

  isReserved(_file: CachedFile, index: PageIndex): boolean {
    if (this.node.reserved.has(index)) return true
    return this.tagAt(index).value === UNWRITTEN
  }

  reserve(_file: CachedFile, { index }: PageRequest): Outcome {
    if (this.node.reserved.has(index)) return done
    // First: what can't be cached waits for nothing in the cache.
    if (!canBeLong(index * this.parts.disk.blockSize)) return fail(errno.EFBIG)
    const found = this.tagAt(index)
    if (found.outcome.kind !== 'done') return found.outcome
    if (found.value === UNWRITTEN) return done
    const room = roomFor(this.parts, 1)
    if (room.kind !== 'done') return room
    this.parts.space.reserve(1)
    this.node.reserved.add(index, found.value === undefined ? 'nowhere' : 'in a block')
    return done
  }

  reservationIn(): Ticket | undefined {
    return undefined
  }

  endOperation(): void {
    // What flush, resize and zero change is in the metadata already.
  }

  flush(file: CachedFile, group: GroupId): Bio {
    return this.operate(file, 'flush', 0, 0, group)
  }

  resize(file: CachedFile, size: Bytes, group: GroupId): Bio {
    return this.operate(file, 'resize', 0, size, group)
  }

  zero(file: CachedFile, position: Bytes, length: Bytes, group: GroupId): Bio {
    return this.operate(file, 'zero', position, length, group)
  }

  private tagAt(index: PageIndex): Answer<number | undefined> {
    return this.parts.overlay.ask(() => this.node.extents.at(index)?.tag)
  }

  private operate(
    file: CachedFile,
    operation: Operation,
    position: Bytes,
    length: Bytes,
    group: GroupId,
  ): Bio {
    return this.submit(file, { operation, purpose: 'operation', position, length, frames: [] }, group)
  }

  private submit(
    file: CachedFile,
    plan: Pick<Bio, 'operation' | 'purpose' | 'position' | 'length' | 'frames'>,
    group: GroupId,
  ): Bio {
    const index = Math.floor(plan.position / this.parts.disk.blockSize)
    const what = `${plan.operation} of ${file.name} page ${index}`
    return this.io.submit({ ...plan, device: this.device, group, file: file.id, index, what })
  }
}
