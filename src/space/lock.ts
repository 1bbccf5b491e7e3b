/**
 * mlock and munlock: whether reclaim may take the pages of a range. Locking marks the VMAs; the pages are then brought
 * by populate.ts. A locked page leaves the LRU lists when reclaim meets it, and comes back when the last lock goes.
 *
 * Locks    mmap write; the VMAs of the range and the neighbours they may merge with.
 */
import { errno, type Vpn } from '../base/index.ts'
import { UNEVICTABLE } from '../memory/index.ts'
import { type Mm, type Space, type Vma, ZERO_PAGE } from '../mm/index.ts'
import { frameOf, PRESENT } from '../mmu/index.ts'
import { done, fail, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
import { isolate, lockRange, mergeAround, withNeighbours } from './vmas.ts'

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
    const queued = lockRange(task, space, ...withNeighbours(start, end))
    if (queued !== undefined) return queued
    const vmas = space.overlapping(start, end)
    if (vmas.length > 0) {
      for (const vma of isolate(this.mm, space, start, end)) {
        vma.locked = to === 'locked'
        if (to === 'unlocked') this.readmit(vma)
      }
      mergeAround(this.mm, space, start, end)
    }
    releaseAll(task)
    return vmas.length === 0 ? fail(errno.ENOMEM) : done
  }

  private readmit({ space, start, end }: Vma): void {
    const { frames } = this.mm.memory
    for (const vpn of space.table.used(start, end)) {
      const entry = space.table.get(vpn)
      const frame = frameOf(entry)
      if ((entry & PRESENT) === 0 || frame === ZERO_PAGE || !frames.has(frame, UNEVICTABLE)) continue
      if (this.mm.rmap.isLocked(frame)) continue
      frames.clear(frame, UNEVICTABLE)
      this.mm.memory.enterLru(frame)
    }
  }
}
