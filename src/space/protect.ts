/**
 * mprotect: changes what a range allows. Entries lose at once what is taken; what is given comes by the next fault.
 * It goes from the first VMA to the last, and ends at one that refuses or at a hole; what lies before stays changed.
 *
 * Locks    mmap write; the VMAs of the range and the neighbours they may merge with.
 */
import { type Errno, errno, type Vpn } from '../base/index.ts'
import { REFERENCED } from '../memory/index.ts'
import { type Mm, PROT_READ, PROT_WRITE, type Prot, type Space, type Vma, ZERO_PAGE } from '../mm/index.ts'
import { frameOf, LOAD, old, PRESENT, readOnly } from '../mmu/index.ts'
import { again, done, fail, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
import { changeVmas, coveredFrom, lockRange, walkVmas, withNeighbours } from './vmas.ts'

export interface ProtectArgs {
  readonly space: Space
  readonly start: Vpn
  readonly end: Vpn
  readonly prot: Prot
}

export class Protect implements Verb<ProtectArgs> {
  readonly name = 'mprotect'
  private readonly mm: Mm

  constructor(mm: Mm) {
    this.mm = mm
  }

  attempt(task: Task<ProtectArgs>): Outcome {
    const { space, start, end, prot } = task.args
    if (task.reached === undefined) {
      const queued = lockRange(task, space, ...withNeighbours(start, end))
      if (queued !== undefined) return queued
      const { to } = this.refusal(task.args)
      const differs = (vma: Vma) => vma.prot !== prot
      changeVmas(this.mm, space, [start, to], differs, vma => {
        vma.prot = prot
      })
      task.reached = start
    }
    const { to, error } = this.refusal(task.args)
    const slice = { left: this.mm.cache.slicePages }
    task.reached = walkVmas(space, task.reached, to, slice, ({ space }, vpn) =>
      change(this.mm, space, vpn, prot),
    )
    if (task.reached < to) return again
    releaseAll(task)
    return error === errno.OK ? done : fail(error)
  }

  /** ENOMEM for a hole, EACCES for stores to what may not be stored to; and up to where there is none. */
  private refusal({ space, start, end, prot }: ProtectArgs): { readonly to: Vpn; readonly error: Errno } {
    const to = coveredFrom(space, start, end)
    if ((prot & PROT_WRITE) !== 0)
      for (const vma of space.overlapping(start, to))
        if (vma.share === 'shared' && vma.open?.readOnly === true)
          return { to: Math.max(start, vma.start), error: errno.EACCES }
    return { to, error: to < end ? errno.ENOMEM : errno.OK }
  }
}

function change({ memory }: Mm, { table }: Space, vpn: Vpn, prot: Prot): void {
  const entry = table.get(vpn)
  if ((entry & PRESENT) === 0) return
  const kept = (prot & PROT_WRITE) !== 0 ? entry : readOnly(entry)
  if ((prot & PROT_READ) !== 0) table.set(vpn, kept)
  else {
    // An entry that may not be used is old, but its page was used.
    if ((entry & LOAD) !== 0 && frameOf(entry) !== ZERO_PAGE) memory.frames.raise(frameOf(entry), REFERENCED)
    table.set(vpn, old(kept))
  }
}
