/**
 * How many pages a DAX file gives blocks of their own at a time: one, and where pages are stored to one after the other,
 * those that follow too, before they are stored to.
 *
 *     stored to in order    0 … 7    8 … 15    16 …    248 …
 *     pages at a time       1        2         3       32
 *
 * What it is mistaken in shares its blocks no more, and is bounded twice: see NB1. Of what comes out of order it learns
 * nothing, and begins anew; so it does after a claim of the file (claiming.ts), by which alone pages that were copied ahead can be
 * shared again, or move: a row pays for what is ahead of it once.
 *
 * Invariants
 *   NB1 Pages that lost the block they shared and were not stored to are at most one for each SHARE stores, and fewer than
 *       RUN_PAGES for each row of stores, whatever became of the file between them.
 *
 * Compare   cowextsize of XFS (xfs_reflink_allocate_cow), whose default is as long; what it allocates ahead it maps only when it is
 *           written to. A store through a huge page (dax_iomap_pmd_fault) copies all of it.
 */
import type { PageIndex } from '../base/index.ts'

/** Pages stored to, for each that gets its block before. */
export const SHARE = 8
/** Pages at a time, at most. */
export const RUN_PAGES = 32

export class StoresInOrder {
  /** The page that is to be stored to next, and how many before it were, one after the other. */
  next: PageIndex = 0
  stored = 0

  /** A store to the page is let in. */
  note(index: PageIndex): void {
    if (index === this.next - 1) return
    this.stored = index === this.next ? this.stored + 1 : 1
    this.next = index + 1
  }

  /** Pages from `index` on that are worth a block now, the page itself among them. */
  worth(index: PageIndex): number {
    return index === this.next ? Math.min(RUN_PAGES, 1 + Math.floor(this.stored / SHARE)) : 1
  }

  /** Something was in the way of many at a time, or what was copied ahead may be the file's own no more. */
  forget(): void {
    this.stored = 0
  }
}
