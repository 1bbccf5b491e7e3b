/**
 * The treaty between files and spaces. Spaces call files through `Mappable`; files call spaces through `Mappers`. It
 * imports neither side, so the two rooms that need each other most don't import each other (gVisor's pkg/sentry/memmap
 * cuts the same circle).
 *
 * Invariants
 *   T1  `fault` and `pageMkwrite` are attempts: they return done, fail or wait, and never block. `done` from `fault`
 *       leaves in `request.fault.frame` a frame that is up to date, inside EOF and belongs to (file, index).
 *   T2  An entry for the frame is installed in the same attempt, or not at all.
 *   T3  After `pageMkwrite` says done the caller marks the page dirty and the entry writable in the same attempt;
 *       from then on writing it back can't fail for lack of space.
 *   T4  A file that takes pages away, or makes them clean, tells the mappers first. They are told by (file, index),
 *       never by physical page: two files may share a block.
 */
import type { Bytes, FileId, GroupId, PageIndex, Pfn } from '../base/index.ts'
import type { Outcome, Ticket } from '../sched/index.ts'
import type { PageRequest } from './vm-fault.ts'

export interface Mappable {
  readonly id: FileId
  readonly name: string
  readonly size: Bytes
  /** Whether stores can be refused for good: a read-only file, a read-only device. */
  readonly readOnly: boolean
  fault(request: PageRequest): Outcome
  /** A page that is up to date and mapped read-only, or about to be mapped, is to be stored to. */
  pageMkwrite(request: PageRequest): Outcome
  /** Marks the page of `frame` dirty on account of `group`: in the attempt in which pageMkwrite said done. */
  setDirty(frame: Pfn, group: GroupId): void
  /** What was stored until now is durable when the ticket completes well; a file with pages in the cache has Sync for it. */
  sync?(): Ticket
  /** The frame of page `index` if it can be mapped right now, for fault-around; else 0. */
  residentPage(index: PageIndex): Pfn
}

/** What files ask of the spaces that map them. Implemented by mm/, hung on the cache by the machine. */
export interface Mappers {
  /** Takes away the entries that map this file page, in every space. */
  unmapPage(file: FileId, index: PageIndex, frame: Pfn): void
  /** Makes the entries that map pages from `index` on read-only, which are in `frames`: the next store asks again (page_mkclean). */
  writeProtect(file: FileId, index: PageIndex, frames: readonly Pfn[]): void
  /** Takes away all entries of the range; `withCopies`: private copies too, as truncation must. */
  unmapRange(
    file: FileId,
    start: PageIndex,
    end: PageIndex,
    which: 'shared pages' | 'with private copies',
  ): void
  /** The first page from `from` on that some VMA maps; Infinity: none does. */
  nextMapped(file: FileId, from: PageIndex): PageIndex
}
