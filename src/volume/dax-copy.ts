/**
 * Giving pages of a DAX file blocks of their own: copy-on-write as an operation, with no lock and no fault held up in it. It is of
 * one page, or of a row that is stored to in order (stores-in-order.ts).
 *
 *     claim blocks in a row -> copy the old ones into them (a hole: zeros) -> one edit: the pages lie there, PLAIN
 *                                                                             and all entries of (file, index) go
 *                           -> the ticket completes
 *
 * A page that fallocate set aside has its block already: that is filled with zeros, and becomes PLAIN.
 * The new blocks' frames are known from the start: each is the stash of all who wait for its page.
 * If a row can't be copied the ticket completes all the same: who waits comes again, and has his page copied alone.
 *
 * Invariants
 *   DC1 One copy of a page at a time (`copies` of the file).
 *   DC2 A copy that fails leaves the extents and every entry as they were, and its blocks free.
 *   DC3 Nobody's store fails for what became of a neighbour.
 */
import {
  type Errno,
  errno,
  type FileId,
  type NumberMap,
  type PageIndex,
  type Pfn,
  ROOT,
} from '../base/index.ts'
import type { Mappers } from '../memmap/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import { blocksOf, PLAIN, UNWRITTEN } from './extents.ts'
import type { Answer } from './overlay.ts'
import type { Node, Parts } from './parts.ts'
import type { Run } from './runs.ts'
import type { Blocks } from './space.ts'
import type { StoresInOrder } from './stores-in-order.ts'

/** What a DAX file needs of the machine that maps it. */
export interface DaxPlace {
  /** The frame of the device's block 0. */
  readonly first: Pfn
  readonly mappers: Mappers
  /** Entries that one attempt takes away at most. */
  readonly slicePages: number
  bytes(frame: Pfn): Uint8Array
  /** Those of blocks in a row. */
  row(blocks: Blocks): Uint8Array
}

/** A page whose block is being made. */
export interface Copy {
  /** The same for all pages that are copied together. */
  readonly ticket: Ticket
  /** The frame of the new block. */
  readonly frame: Pfn
}

/** The file whose pages get blocks. */
export interface Copied {
  readonly id: FileId
  readonly name: string
  readonly node: Node
  readonly place: DaxPlace
  readonly copies: NumberMap<Copy>
  readonly stores: StoresInOrder
}

interface DaxCopyArgs {
  readonly file: Copied
  /** The first page. */
  readonly index: PageIndex
  readonly target: Blocks
  readonly how: 'allocated' | 'set aside'
  readonly ticket: Ticket
  /** The read of the old blocks into the new ones' frames; undefined: there is nothing to copy. */
  readonly reading: Ticket | undefined
}

export class DaxCopying implements Verb<DaxCopyArgs> {
  readonly name = 'copy a block'
  private readonly parts: Parts

  constructor(parts: Parts) {
    this.parts = parts
  }

  /** Begins the copy of what `part` holds, from page `index` on and as far as there are blocks in a row; or of zeros. */
  begin(file: Copied, index: PageIndex, part: Run | undefined): Answer<Copy> {
    const { scheduler, overlay, space, disk } = this.parts
    const how = part?.tag === UNWRITTEN ? 'set aside' : 'allocated'
    const wanted = part === undefined ? 1 : part.end - part.start
    const found = overlay.ask(() => (how === 'allocated' ? space.allocate(wanted, wanted) : blocksOf(part!)))
    if (found.value === undefined) return found
    const target = found.value
    const frame = file.place.first + target.start
    const ticket = scheduler.ticket(`copy of ${file.name} page ${index}`)
    const bytes = file.place.row(target)
    const holdsNothing = part === undefined || how === 'set aside'
    if (holdsNothing) bytes.fill(0)
    const reading = holdsNothing ? undefined : disk.read(part.value, [bytes])
    for (let at = target.start; at < target.end; at++)
      file.copies.set(index + at - target.start, { ticket, frame: file.place.first + at })
    const args: DaxCopyArgs = { file, index, target, how, ticket, reading }
    scheduler.spawn(this, args, { name: ticket.what, group: ROOT })
    return { errno: errno.OK, value: { ticket, frame }, outcome: done }
  }

  attempt({ args }: Task<DaxCopyArgs>): Outcome {
    const { file, index, target, reading, ticket } = args
    if (reading?.complete === false) return wait(reading, 'copy')
    const applied = this.apply(args, reading?.errno ?? errno.OK)
    if (applied.kind === 'wait') return applied
    const end = index + target.end - target.start
    for (let page = index; page < end; page++) file.copies.delete(page)
    const isAlone = end === index + 1
    if (applied.kind === 'fail' && !isAlone) file.stores.forget()
    this.parts.scheduler.complete(ticket, applied.kind === 'fail' && isAlone ? applied.errno : errno.OK)
    return done
  }

  /** Others wait for it: another task sees it through. */
  abandon({ args, name, group }: Task<DaxCopyArgs>): void {
    this.parts.scheduler.spawn(this, args, { name, group })
  }

  private apply(args: DaxCopyArgs, copied: Errno): Outcome {
    const { file, index, target, how } = args
    const { overlay, space } = this.parts
    const placed = copied !== errno.OK ? fail(copied) : overlay.edit(() => this.place(args))
    const end = index + target.end - target.start
    if (placed.kind === 'done') file.place.mappers.unmapRange(file.id, index, end, 'shared pages')
    if (placed.kind !== 'fail' || how !== 'allocated') return placed
    const cancelled = overlay.edit(() => space.cancel(target))
    return cancelled.kind === 'wait' ? cancelled : placed
  }

  private place({ file, index, target, how }: DaxCopyArgs): void {
    const { extents } = file.node
    if (how === 'allocated') {
      this.parts.space.settle(target)
      extents.place(index, target, PLAIN)
    } else extents.retag({ start: index, end: index + 1, value: target.start, tag: UNWRITTEN }, PLAIN)
  }
}
