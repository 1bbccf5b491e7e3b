/**
 * mlock and munlock: whether reclaim may take the pages of a range. Locking marks the VMAs; the pages are then brought
 * by populate.ts. A locked page leaves the LRU lists when reclaim meets it, and comes back when the last lock goes.
 *
 * A hole ends it with ENOMEM; what lies before the hole is locked or unlocked then (apply_vma_lock_flags).
 *
 * Locks    mmap write; the VMAs of the range and the neighbours they may merge with.
 */
import { errno, type Vpn } from '../base/index.ts'
import { UNEVICTABLE } from '../memory/index.ts'
import { type Mm, type Space, type Vma, ZERO_PAGE } from '../mm/index.ts'
import { frameOf, PRESENT } from '../mmu/index.ts'
import { again, done, fail, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
import { changeVmas, coveredFrom, lockRange, walkVmas, withNeighbours } from './vmas.ts'

export interface LockArgs {
  readonly space: Space
  readonly start: Vpn
  readonly end: Vpn
  readonly to: 'locked' | 'unlocked'
}

export class LockPages implements Verb<LockArgs> {
  readonly name = 'mlock'
  private readonly mm: Mm

  constructor(mm: Mm) {
    this.mm = mm
  }

  attempt(task: Task<LockArgs>): Outcome {
    const { space, start, end, to } = task.args
    if (task.reached === undefined) {
      const queued = lockRange(task, space, ...withNeighbours(start, end))
      if (queued !== undefined) return queued
      const covered = coveredFrom(space, start, end)
      const locked = to === 'locked'
      const differs = (vma: Vma) => vma.locked !== locked
      changeVmas(this.mm, space, [start, covered], differs, vma => {
        vma.locked = locked
      })
      task.reached = to === 'locked' ? covered : start
    }
    const slice = { left: this.mm.cache.slicePages }
    const covered = coveredFrom(space, start, end)
    task.reached = walkVmas(space, task.reached, covered, slice, (_, vpn) => this.readmit(space, vpn))
    if (task.reached < covered) return again
    releaseAll(task)
    return covered < end ? fail(errno.ENOMEM) : done
  }

  private readmit({ table }: Space, vpn: Vpn): void {
    const { frames } = this.mm.memory
    const entry = table.get(vpn)
    const frame = frameOf(entry)
    if ((entry & PRESENT) === 0 || frame === ZERO_PAGE || !frames.has(frame, UNEVICTABLE)) return
    if (this.mm.rmap.isLocked(frame)) return
    frames.clear(frame, UNEVICTABLE)
    this.mm.memory.enterLru(frame)
  }
}
