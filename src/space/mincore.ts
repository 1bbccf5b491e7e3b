/**
 * mincore: which pages are in memory. A page that an entry maps is, and one of a file that the cache has, mapped or not.
 *
 * Locks    none: it is a look between two attempts, and old when it is told (as in Linux, which takes the mmap lock for it).
 */
import type { Vpn } from '../base/index.ts'
import { indexOf, type Space } from '../mm/index.ts'
import { PRESENT } from '../mmu/index.ts'

/** The pages of [start, end) that a touch would find in memory. Cost: a look at each. */
export function* residentPages(space: Space, start: Vpn, end: Vpn): Generator<Vpn> {
  for (const vma of space.overlapping(start, end)) {
    const file = vma.open?.file
    for (let vpn = Math.max(start, vma.start); vpn < Math.min(end, vma.end); vpn++)
      if ((space.table.get(vpn) & PRESENT) !== 0 || (file?.residentPage(indexOf(vma, vpn)) ?? 0) !== 0)
        yield vpn
  }
}
