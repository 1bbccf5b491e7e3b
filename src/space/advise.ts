/**
 * madvise: how a range will be used. NORMAL, RANDOM and SEQUENTIAL change the VMA; WILLNEED starts reading and waits for
 * nothing; DONTNEED drops entries (and private pages with them). POPULATE_READ and POPULATE_WRITE are populate.ts.
 *
 * DONTNEED goes in slices with the lock kept, so that it drops what was mapped when it began; faults go on meanwhile, and
 * one may bring a page back that it has dropped, as in Linux. WILLNEED gives the lock back between slices, as Linux does
 * for its whole time: who wants to unmap doesn't wait for it, and what is unmapped isn't read.
 *
 * Locks    mmap write and the VMAs, for the first three; mmap read for the others, as in Linux.
 */
import { errno, type GroupId, type Vpn } from '../base/index.ts'
import { indexOf, type Mm, type Space, type Vma } from '../mm/index.ts'
import { again, done, fail, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
import { isolate, lockForReading, lockRange, mergeAround, walkVmas, withNeighbours } from './vmas.ts'

export interface AdviseArgs {
  readonly space: Space
  readonly start: Vpn
  readonly end: Vpn
  readonly advice: 'normal' | 'random' | 'sequential' | 'willneed' | 'dontneed'
}

export class Advise implements Verb<AdviseArgs> {
  readonly name = 'madvise'
  private readonly mm: Mm

  constructor(mm: Mm) {
    this.mm = mm
  }

  attempt(task: Task<AdviseArgs>): Outcome {
    switch (task.args.advice) {
      case 'willneed':
        return this.willNeed(task)
      case 'dontneed':
        return this.dontNeed(task)
      default:
        return this.remember(task, task.args.advice)
    }
  }

  private remember(task: Task<AdviseArgs>, advice: Vma['advice']): Outcome {
    const { space, start, end } = task.args
    const queued = lockRange(task, space, ...withNeighbours(start, end))
    if (queued !== undefined) return queued
    isolate(this.mm, space, start, end)
    for (const vma of space.overlapping(start, end)) vma.advice = advice
    mergeAround(this.mm, space, start, end)
    releaseAll(task)
    return done
  }

  /** Begins to read so much as a slice, and gives the lock back. */
  private willNeed(task: Task<AdviseArgs>): Outcome {
    const { space, start, end } = task.args
    const queued = lockForReading(task, space)
    if (queued !== undefined) return queued
    const from = task.reached ?? start
    const vma = space.firstFrom(from)
    const to = Math.min(end, vma?.end ?? end, Math.max(from, vma?.start ?? end) + this.mm.cache.slicePages)
    if (vma !== undefined && vma.start < end)
      readAhead(this.mm, vma, Math.max(from, vma.start), to, task.group)
    releaseAll(task)
    task.reached = to
    return to < end ? again : done
  }

  private dontNeed(task: Task<AdviseArgs>): Outcome {
    const { space, start, end } = task.args
    if (task.reached === undefined) {
      const queued = lockForReading(task, space)
      if (queued !== undefined) return queued
      if (space.overlapping(start, end).some(vma => vma.locked)) {
        releaseAll(task)
        return fail(errno.EINVAL)
      }
      task.reached = start
    }
    const slice = { left: this.mm.cache.slicePages }
    task.reached = walkVmas(space, task.reached, end, slice, (_, vpn) => this.mm.rmap.setEntry(space, vpn, 0))
    if (task.reached < end) return again
    releaseAll(task)
    return done
  }
}

/** Begins to read the pages [start, end) of a VMA that are absent, as far as memory lies free. */
export function readAhead(mm: Mm, vma: Vma, start: Vpn, end: Vpn, group: GroupId): void {
  const file = vma.open === undefined ? undefined : mm.cache.files.get(vma.open.file.id)
  if (file === undefined) return
  mm.cache.readAhead(file, { start: indexOf(vma, start), size: end - start, mark: -1 }, group)
}
