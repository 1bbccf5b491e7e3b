/**
 * Pages of which a program says that it doesn't want them soon, or any more: what madvise does to one entry for COLD,
 * PAGEOUT and FREE (Linux 6.18 mm/madvise.c). A page that others map too is theirs as well, and stays as it is.
 *
 * Invariants
 *   UW2 No entry of a LAZYFREE page is writable: who stores to it comes by the fault path, which keeps it.
 */
import type { Vpn } from '../base/index.ts'
import { DIRTY, LOCKED, ON_LRU, REFERENCED, WRITEBACK } from '../memory/index.ts'
import { frameOf, old, PRESENT, readOnly, SWAP } from '../mmu/index.ts'
import type { Mm } from './mm.ts'
import { drop } from './reclaim.ts'
import type { Space } from './space.ts'
import { ZERO_PAGE } from './vma.ts'

/** MADV_COLD: not used lately, and among the first that reclaim looks at. */
export function cool(mm: Mm, space: Space, vpn: Vpn): void {
  const entry = space.table.get(vpn)
  if (!isOnlyOurs(mm, entry)) return
  const frame = frameOf(entry)
  space.table.set(vpn, old(entry))
  mm.memory.frames.clear(frame, REFERENCED)
  if (mm.memory.frames.has(frame, ON_LRU)) mm.memory.deactivate(frame)
}

/** MADV_PAGEOUT: reclaimed now. A dirty page of a file stays, as in Linux since 6.16. */
export function pageOut(mm: Mm, space: Space, vpn: Vpn): void {
  const entry = space.table.get(vpn)
  if (!isOnlyOurs(mm, entry)) return
  cool(mm, space, vpn)
  const frame = frameOf(entry)
  const { frames } = mm.memory
  if (frames.pins[frame] !== 0 || frames.has(frame, LOCKED | WRITEBACK | DIRTY)) return
  if (frames.has(frame, ON_LRU)) drop(mm, frame)
}

/** MADV_FREE: whoever wants memory may drop it, until it is stored to again. What is in swap goes at once. */
export function lazilyFree(mm: Mm, space: Space, vpn: Vpn): void {
  const entry = space.table.get(vpn)
  if ((entry & SWAP) !== 0) mm.rmap.setEntry(space, vpn, 0)
  if (!isOnlyOurs(mm, entry) || !mm.rmap.isAnonymous(frameOf(entry))) return
  space.table.set(vpn, old(readOnly(entry)))
  mm.memory.mayDrop(frameOf(entry), 'yes')
}

function isOnlyOurs({ memory }: Mm, entry: number): boolean {
  const frame = frameOf(entry)
  if ((entry & PRESENT) === 0 || frame === ZERO_PAGE) return false
  return memory.frames.mapped[frame] === 1
}
