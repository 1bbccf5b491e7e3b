/**
 * Stores to a file that shares its blocks with a clone, through DAX: the first store to each page waits until a block was
 * found, copied and mapped in the other's place (xfs_dax_write_iomap_begin to xfs_reflink_end_cow), in the fault.
 *
 * How long that takes is from a trace of Linux 6.1 on an emulated machine: of 945 copies the median is 1.75 ms and the longest
 * 13.6 ms (../shared/traces/linux-6.1). What lies between is our guess: half of them evenly from 1 ms to the median, the
 * others above it by the fourth power of chance.
 *
 * Invariants
 *   CB1 A page is copied once, however many stores race for it.
 */
import { MS, type Ns, type PageIndex, type Prng } from '../base/index.ts'
import type { CachedFile } from '../cache/index.ts'
import { replace } from '../rig/index.ts'
import { type Scheduler, type Ticket, wait } from '../sched/index.ts'

const LEAST: Ns = 1 * MS
const MEDIAN: Ns = 1.75 * MS
const LONGEST: Ns = 13.6 * MS

export function copyBeforeStore(scheduler: Scheduler, file: CachedFile, prng: Prng): void {
  const copies = new Map<PageIndex, Ticket>()
  replace(file, 'pageMkwrite', pageMkwrite => request => {
    let copy = copies.get(request.index)
    if (copy === undefined) {
      copy = scheduler.after(copyTime(prng), `copy of ${file.name} page ${request.index}`)
      copies.set(request.index, copy)
    }
    return copy.complete ? pageMkwrite(request) : wait(copy, 'copy', request.fault.frame)
  })
}

function copyTime(prng: Prng): Ns {
  const chance = prng.below(1_000_000) / 500_000
  if (chance < 1) return Math.round(LEAST + (MEDIAN - LEAST) * chance)
  const above = (chance - 1) * (chance - 1)
  return Math.round(MEDIAN + (LONGEST - MEDIAN) * above * above)
}
