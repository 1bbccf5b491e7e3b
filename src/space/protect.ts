/**
 * mprotect: changes what a range allows. Entries lose at once what is taken; what is given comes by the next fault.
 *
 * Locks    mmap write; the VMAs of the range and the neighbours they may merge with.
 */
import { errno, type Vpn } from '../base/index.ts'
import { type Mm, PROT_READ, PROT_WRITE, type Prot, type Space } from '../mm/index.ts'
import { old, PRESENT, readOnly } from '../mmu/index.ts'
import { again, done, fail, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
import { isolate, lockRange, mergeAround, walkVmas, withNeighbours } from './vmas.ts'

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
      const error = this.refusal(space, start, end, prot)
      if (error !== errno.OK) {
        releaseAll(task)
        return fail(error)
      }
      isolate(this.mm, space, start, end)
      for (const vma of space.overlapping(start, end)) vma.prot = prot
      task.reached = start
    }
    const slice = { left: this.mm.cache.slicePages }
    task.reached = walkVmas(space, task.reached, end, slice, ({ space }, vpn) => change(space, vpn, prot))
    if (task.reached < end) return again
    mergeAround(this.mm, space, start, end)
    releaseAll(task)
    return done
  }

  /** ENOMEM for a hole, EACCES for stores to what may not be stored to; checked before anything changes. */
  private refusal(space: Space, start: Vpn, end: Vpn, prot: Prot): number {
    let covered = start
    for (const vma of space.overlapping(start, end)) {
      if (vma.start > covered) return errno.ENOMEM
      if ((prot & PROT_WRITE) !== 0 && vma.share === 'shared' && vma.open?.readOnly === true)
        return errno.EACCES
      covered = vma.end
    }
    return covered < end ? errno.ENOMEM : errno.OK
  }
}

function change({ table }: Space, vpn: Vpn, prot: Prot): void {
  const entry = table.get(vpn)
  if ((entry & PRESENT) === 0) return
  const kept = (prot & PROT_WRITE) !== 0 ? entry : readOnly(entry)
  table.set(vpn, (prot & PROT_READ) !== 0 ? kept : old(kept))
}
