/**
 * madvise: how a range will be used. NORMAL, RANDOM and SEQUENTIAL change the VMA; WILLNEED starts reading and waits for
 * nothing; DONTNEED drops entries (and private pages with them). POPULATE_READ and POPULATE_WRITE are populate.ts.
 *
 * Locks    mmap write and the VMAs, for the first three; mmap read for the others, as in Linux.
 */
import { errno, type Vpn } from '../base/index.ts'
import { indexOf, type Mm, type Space, type Vma } from '../mm/index.ts'
import { done, fail, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
import { isolate, lockForReading, lockRange, mergeAround, withNeighbours } from './vmas.ts'

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
    const { space, start, end, advice } = task.args
    const lasting = advice !== 'willneed' && advice !== 'dontneed'
    const queued = lasting
      ? lockRange(task, space, ...withNeighbours(start, end))
      : lockForReading(task, space)
    if (queued !== undefined) return queued
    const outcome = this.apply(task)
    releaseAll(task)
    return outcome
  }

  private apply({ args, group }: Task<AdviseArgs>): Outcome {
    const { space, start, end, advice } = args
    switch (advice) {
      case 'willneed':
        for (const vma of space.overlapping(start, end)) this.readAhead(vma, start, end, group)
        return done
      case 'dontneed':
        return this.drop(space, start, end)
      default:
        for (const vma of isolate(this.mm, space, start, end)) vma.advice = advice
        mergeAround(this.mm, space, start, end)
        return done
    }
  }

  private readAhead(vma: Vma, start: Vpn, end: Vpn, group: number): void {
    const file = vma.open === undefined ? undefined : this.mm.cache.files.get(vma.open.file.id)
    if (file === undefined) return
    const from = Math.max(start, vma.start)
    const size = Math.min(end, vma.end) - from
    this.mm.cache.readAhead(file, { start: indexOf(vma, from), size, mark: -1 }, group)
  }

  private drop(space: Space, start: Vpn, end: Vpn): Outcome {
    const vmas = space.overlapping(start, end)
    if (vmas.some(vma => vma.locked)) return fail(errno.EINVAL)
    for (const vma of vmas)
      for (const vpn of space.table.used(Math.max(start, vma.start), Math.min(end, vma.end)))
        this.mm.rmap.setEntry(space, vpn, 0)
    return done
  }
}
