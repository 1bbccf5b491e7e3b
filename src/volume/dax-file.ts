/**
 * A file whose mappings are the device's own blocks (DAX). Nothing is cached: a load maps the block that the extent names,
 * a hole maps the zero page, and a store goes to the block.
 *
 *     fault          the block of the page, to read                               done
 *     pageMkwrite    the page's block is its own, here and in the durable state   done: stored to in place
 *                    shared, checksummed, or a hole                               wait 'copy': a block of its own is made
 *                    unwritten (fallocate)                                        wait 'copy': the block it has is made zero
 *                    a block of its own is being made                             wait 'copy' for the same ticket
 *                    lately shared with somebody who is gone, or not durable yet  wait 'reserve': a commit, no copy
 *
 * The copy is an operation keyed by (file, index): dax-copy.ts. Its result is in the extents; the restarted fault finds
 * it there, whoever asked for it. So a page gets one copy however many stores race for it, and the frame that the fault
 * began with isn't the one that it maps.
 *
 * Invariants
 *   DX1 An entry is writable only if its block is PLAIN and exclusive: no other file sees what is stored there, neither
 *       now nor after a crash.
 *   DX2 While a copy of a page is on its way, its old block doesn't change.
 *   DX3 When a page's block changes, all entries of (file, index) go in the same attempt; those of other files stay.
 *   DX4 What is stored behind the end of the file never shows.
 *   DX5 If `durable` is asked for, a store is let in only when the extent that it goes to is durable (MAP_SYNC).
 *   DX6 Neighbours are copied only from blocks that match their checksums, or are shared, and lose no room to them who need it.
 */
import {
  type Bytes,
  errno,
  type FileId,
  NumberMap,
  type PageIndex,
  type PageRange,
  type Pfn,
} from '../base/index.ts'
import { type Invalidation, newDropping, unmapSome } from '../cache/index.ts'
import { carriedError, type Mappable, type PageRequest, type VmFault } from '../memmap/index.ts'
import { again, done, fail, type Outcome, type Ticket, wait } from '../sched/index.ts'
import { sumsOf } from './checksum.ts'
import type { Claim, Claimable } from './claiming.ts'
import type { Copy, DaxCopying, DaxPlace } from './dax-copy.ts'
import { blocksOf, LOST, PLAIN, UNWRITTEN, WRITTEN } from './extents.ts'
import { Damage, Failure } from './failure.ts'
import { type Node, type Parts, roomFor } from './parts.ts'
import { NUMBERS_MAX } from './records.ts'
import type { Run } from './runs.ts'
import { StoresInOrder } from './stores-in-order.ts'

/** Zero, to be read: what a hole maps. */
const ZERO_FRAME: Pfn = 0

/** How far one look at the tables goes. */
const SEEN_PAGES = 512
/** Of the blocks that are free neighbours get at most one in so many. */
const FREE_SHARE = 8

type Owner = 'this page' | 'this page once a commit is durable' | 'nobody'

export interface DaxPlan {
  readonly id: FileId
  readonly node: Node
  readonly size: Bytes
  readonly durable: boolean
}

export class DaxFile implements Mappable, Claimable {
  readonly opened = 'dax'
  readonly id: FileId
  readonly name: string
  readonly node: Node
  durable: boolean
  readonly place: DaxPlace
  size: Bytes
  openings = 0
  invalidation: Invalidation | undefined
  readonly copies = new NumberMap<Copy>()
  readonly stores = new StoresInOrder()
  /** hot: pages in a row that may be stored to, as long as nothing changes. */
  private own: { readonly moment: number; readonly run: Run } | undefined
  private readonly parts: Parts
  private readonly copying: DaxCopying

  constructor(parts: Parts, place: DaxPlace, copying: DaxCopying, { id, node, size, durable }: DaxPlan) {
    this.parts = parts
    this.place = place
    this.copying = copying
    this.id = id
    this.name = node.name
    this.node = node
    this.size = size
    this.durable = durable
  }

  get readOnly(): boolean {
    return this.parts.readOnly
  }

  fault({ index, fault }: PageRequest): Outcome {
    if (index * this.parts.disk.blockSize >= this.size) return fail(errno.ENXIO)
    if (this.invalidates(index)) return wait(this.invalidation!.ticket, 'invalidate')
    const own = this.ownAt(index)
    if (own !== 0) {
      fault.frame = own
      return done
    }
    const found = this.parts.overlay.ask(() => this.sound(index))
    if (found.outcome.kind !== 'done') return found.outcome
    fault.frame = found.value === undefined ? ZERO_FRAME : this.frameOf(found.value)
    return done
  }

  pageMkwrite({ index, fault }: PageRequest): Outcome {
    const { overlay, commits } = this.parts
    if (this.readOnly) return fail(errno.EROFS)
    if (this.invalidates(index)) return wait(this.invalidation!.ticket, 'invalidate')
    const copy = this.copies.get(index)
    if (copy !== undefined) {
      fault.asked = { ticket: copy.ticket, file: this.id, index }
      return wait(copy.ticket, 'copy', copy.frame)
    }
    const own = this.ownAt(index)
    if (own !== 0) return this.letIn(fault, index, own)
    const found = overlay.ask(() => this.look(index))
    if (found.value === undefined) return found.outcome
    const { part, owner } = found.value
    if (part !== undefined && owner === 'this page') return this.letIn(fault, index, this.frameOf(part))
    const carried = carriedError(fault, this.id, index)
    if (carried !== errno.OK) return fail(carried)
    if (owner === 'this page once a commit is durable') {
      const ticket = commits.request()
      fault.asked = { ticket, file: this.id, index }
      return wait(ticket, 'reserve')
    }
    if (part?.tag !== UNWRITTEN) {
      const room = roomFor(this.parts, 1)
      if (room.kind !== 'done') return room
    }
    const begun = this.copying.begin(this, index, this.withNeighbours(index, part))
    if (begun.value === undefined) return begun.outcome
    fault.asked = { ticket: begun.value.ticket, file: this.id, index }
    return wait(begun.value.ticket, 'copy', begun.value.frame)
  }

  setDirty(): void {
    // A store is on the device already.
  }

  /** Stores are on the device already; where they lie is durable with the next commit. */
  sync(): Ticket {
    return this.parts.commits.request()
  }

  residentPage(index: PageIndex): Pfn {
    if (index * this.parts.disk.blockSize >= this.size || this.invalidates(index)) return 0
    const found = this.parts.overlay.ask(() => this.sound(index))
    return found.value === undefined ? 0 : this.frameOf(found.value)
  }

  invalidates(index: PageIndex): boolean {
    const { invalidation } = this
    return invalidation !== undefined && index >= invalidation.start && index < invalidation.end
  }

  frameOf(part: Run): Pfn {
    return this.place.first + part.value
  }

  private letIn(fault: VmFault, index: PageIndex, frame: Pfn): Outcome {
    this.stores.note(index)
    fault.frame = frame
    return done
  }

  /** The frame of a page that is known to be exclusive; 0: it isn't known. */
  private ownAt(index: PageIndex): Pfn {
    const { own } = this
    if (
      this.durable ||
      own?.moment !== this.parts.overlay.moment ||
      index < own.run.start ||
      index >= own.run.end
    )
      return 0
    return this.frameOf(own.run) + index - own.run.start
  }

  /** The page's part of an extent, and of those that follow what is worth a copy now. */
  private withNeighbours(index: PageIndex, part: Run | undefined): Run | undefined {
    const { overlay, space, disk } = this.parts
    if (part === undefined || part.tag === UNWRITTEN) return part
    const pages = Math.min(
      this.stores.worth(index),
      Math.floor((space.availableAsKnown ?? 0) / FREE_SHARE),
      Math.ceil(this.size / disk.blockSize) - index,
    )
    let end = index + 1
    while (end < index + pages && !this.invalidates(end) && this.copies.get(end) === undefined) end++
    return end === index + 1 ? part : (overlay.ask(() => this.copiable(index, end)).value ?? part)
  }

  // ---- what changes it from outside its pages

  settle(claim: Claim): Outcome {
    const { start, end } = claim
    this.stores.forget()
    if (this.unmap(claim).kind !== 'done') return again
    for (const [index, { ticket }] of this.copies.entries())
      if (index >= start && index < end) return wait(ticket, 'copy')
    // Once: what claims the range may move it, and the end with it.
    if (claim.written === 'all of it') return done
    const cleared = this.clearTail()
    if (cleared.kind === 'done') claim.written = 'all of it'
    return cleared
  }

  /** No entry of the claimed range is left: it would go on to let stores in. */
  unmap(claim: Claim): Outcome {
    claim.dropping ??= newDropping()
    const { dropping, end } = claim
    if (dropping.unmapped === Infinity) return done
    const mapped = { start: Math.max(claim.start, dropping.unmapped), end }
    dropping.unmapped = this.unmapSome(mapped, 'shared pages')
    return dropping.unmapped === Infinity ? done : again
  }

  drop(): Outcome {
    // No entry maps a claimed range, and nothing is promised to pages that have their blocks.
    return done
  }

  grow(size: Bytes): void {
    if (size <= this.size) return
    this.clearTail()
    this.size = size
  }

  /** Its tail was cleared when it was claimed; where the old end was there may be another block now. */
  shifted(size: Bytes): void {
    this.size = size
  }

  cut(claim: Claim): Outcome {
    const start = Math.max(Math.ceil(this.size / this.parts.disk.blockSize), claim.cut)
    claim.cut = this.unmapSome({ start, end: NUMBERS_MAX }, 'with private copies')
    return claim.cut === Infinity ? done : again
  }

  /** The file has been given another size. */
  resize(size: Bytes): void {
    this.grow(size)
    this.size = size
  }

  private unmapSome(range: PageRange, which: 'shared pages' | 'with private copies'): PageIndex {
    const { mappers, slicePages } = this.place
    return unmapSome(mappers, this.id, range, which, { left: slicePages })
  }

  private clearTail(): Outcome {
    return this.parts.overlay.edit(() => zeroTail(this.parts, this.place, this.node, this.size))
  }

  /** Where the page lies, and whose the block is. */
  private look(index: PageIndex): { readonly part: Run | undefined; readonly owner: Owner } {
    const [part] = this.node.extents.inside(index, index + 1)
    const { space } = this.parts
    if (part?.tag === LOST) throw new Failure(errno.EIO)
    if (part?.tag === WRITTEN) this.check(part, index)
    if (part?.tag !== PLAIN || space.references(blocksOf(part)).count > 1) return { part, owner: 'nobody' }
    const [run] = this.node.extents.inside(index, index + SEEN_PAGES)
    const exclusive = space.exclusiveEnd(blocksOf(run!)) - part.value
    const settled = exclusive > 0 && (!this.durable || this.node.extents.isDurable(index))
    if (settled) this.own = { moment: this.parts.overlay.moment, run: { ...run!, end: index + exclusive } }
    return { part, owner: settled ? 'this page' : 'this page once a commit is durable' }
  }

  /** The extent of the page, if it holds something; what has a checksum is compared with it. */
  private sound(index: PageIndex): Run | undefined {
    const [part] = this.node.extents.inside(index, index + 1)
    if (part === undefined || part.tag === UNWRITTEN) return undefined
    if (part.tag === LOST) throw new Failure(errno.EIO)
    if (part.tag === WRITTEN) this.check(part, index)
    return part
  }

  /** The page at `index` and those behind it, up to `end` at most, that lie in a row and may be copied with it (DX6). */
  private copiable(index: PageIndex, end: PageIndex): Run {
    const { space, checksum, disk } = this.parts
    const [run] = this.node.extents.inside(index, end)
    const blocks = blocksOf(run!)
    if (run!.tag === PLAIN) return { ...run!, end: index + space.references(blocks).end - blocks.start }
    const sums = this.node.extents.sums(blocks)
    const wrong = sumsOf(checksum, [this.place.row(blocks)], disk.blockSize).findIndex(
      (sum, at) => sum !== sums[at],
    )
    return wrong === -1 ? run! : { ...run!, end: index + Math.max(1, wrong) }
  }

  private check(part: Run, index: PageIndex): void {
    const sum = this.parts.checksum.of(this.place.bytes(this.frameOf(part)))
    if (this.node.extents.sums(blocksOf(part))[0] !== sum)
      throw new Damage(`${this.name}, page ${index}: block ${part.value} doesn't match its checksum`)
  }
}

/**
 * What was stored behind the end of the file, in its last page, becomes zero: before the file grows, is shared, or is
 * opened again. A block that is shared was cleared so before. Part of an edit, since it looks things up.
 */
export function zeroTail({ space, disk }: Parts, place: DaxPlace, node: Node, size: Bytes): void {
  const inside = size % disk.blockSize
  if (inside === 0) return
  const part = node.extents.at(Math.floor(size / disk.blockSize))
  if (part?.tag !== PLAIN) return
  const block = part.value + Math.floor(size / disk.blockSize) - part.start
  if (space.references({ start: block, end: block + 1 }).count === 1)
    place.bytes(place.first + block).fill(0, inside)
}
