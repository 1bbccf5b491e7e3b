/**
 * mlock and munlock: whether reclaim may take the pages of a range. Locking marks the VMAs; the pages are then brought
 * by populate.ts. A locked page leaves the LRU lists when reclaim meets it, and comes back when the last lock goes.
 *
 * Locks    mmap write; the VMAs of the range and the neighbours they may merge with.
 */
import { errno, type Vpn } from '../base/index.ts'
import { UNEVICTABLE } from '../memory/index.ts'
import { type Mm, type Space, ZERO_PAGE } from '../mm/index.ts'
import { frameOf, PRESENT } from '../mmu/index.ts'
import { again, done, fail, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
import { isolate, lockRange, mergeAround, walkVmas, withNeighbours } from './vmas.ts'

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
      isolate(this.mm, space, start, end)
      const vmas = space.overlapping(start, end)
      if (vmas.length === 0) {
        releaseAll(task)
        return fail(errno.ENOMEM)
      }
      for (const vma of vmas) vma.locked = to === 'locked'
      task.reached = to === 'locked' ? end : start
    }
    const slice = { left: this.mm.cache.slicePages }
    task.reached = walkVmas(space, task.reached, end, slice, (_, vpn) => this.readmit(space, vpn))
    if (task.reached < end) return again
    mergeAround(this.mm, space, start, end)
    releaseAll(task)
    return done
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
