/**
 * Giving a page of a DAX file a block of its own: copy-on-write as an operation, with no lock and no fault held up in it.
 *
 *     claim a block -> copy the old one into it (a hole: zeros) -> one edit: the page lies there, PLAIN
 *                                                                  and all entries of (file, index) go
 *                   -> the ticket completes
 *
 * A page that fallocate set aside has its block already: that is filled with zeros, and becomes PLAIN.
 * The new block's frame is known from the start: it is the stash of all who wait.
 *
 * Invariants
 *   DC1 One copy of a page at a time (`copies` of the file).
 *   DC2 A copy that fails leaves the extents and every entry as they were, and its block free.
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

/** What a DAX file needs of the machine that maps it. */
export interface DaxPlace {
  /** The frame of the device's block 0. */
  readonly first: Pfn
  readonly mappers: Mappers
  /** Entries that one attempt takes away at most. */
  readonly slicePages: number
  bytes(frame: Pfn): Uint8Array
}

/** A page whose block is being made. */
export interface Copy {
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
}

interface DaxCopyArgs {
  readonly file: Copied
  readonly index: PageIndex
  readonly target: Blocks
  readonly how: 'allocated' | 'set aside'
  readonly copy: Copy
  /** The read of the old block into the new one's frame; undefined: there is nothing to copy. */
  readonly reading: Ticket | undefined
}

export class DaxCopying implements Verb<DaxCopyArgs> {
  readonly name = 'copy a block'
  private readonly parts: Parts

  constructor(parts: Parts) {
    this.parts = parts
  }

  /** Begins the copy of what `part` holds, or of zeros. */
  begin(file: Copied, index: PageIndex, part: Run | undefined): Answer<Copy> {
    const { scheduler, overlay, space, disk } = this.parts
    const how = part?.tag === UNWRITTEN ? 'set aside' : 'allocated'
    const found = overlay.ask(() => (how === 'allocated' ? space.allocate(1, 1) : blocksOf(part!)))
    if (found.value === undefined) return found
    const target = found.value
    const frame = file.place.first + target.start
    const ticket = scheduler.ticket(`copy of ${file.name} page ${index}`)
    const copy: Copy = { ticket, frame }
    const bytes = file.place.bytes(frame)
    const holdsNothing = part === undefined || how === 'set aside'
    if (holdsNothing) bytes.fill(0)
    const reading = holdsNothing ? undefined : disk.read(part.value, [bytes])
    file.copies.set(index, copy)
    const args: DaxCopyArgs = { file, index, target, how, copy, reading }
    scheduler.spawn(this, args, { name: ticket.what, group: ROOT })
    return { errno: errno.OK, value: copy, outcome: done }
  }

  attempt({ args }: Task<DaxCopyArgs>): Outcome {
    const { file, index, reading, copy } = args
    if (reading?.complete === false) return wait(reading, 'copy')
    const applied = this.apply(args, reading?.errno ?? errno.OK)
    if (applied.kind === 'wait') return applied
    file.copies.delete(index)
    this.parts.scheduler.complete(copy.ticket, applied.kind === 'fail' ? applied.errno : errno.OK)
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
    if (placed.kind === 'done') file.place.mappers.unmapRange(file.id, index, index + 1, 'shared pages')
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
