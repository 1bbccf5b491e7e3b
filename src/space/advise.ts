/**
 * madvise: how a range will be used (Linux 6.18 mm/madvise.c). It goes over the VMAs of the range from the first to the
 * last; what is done to those before one that refuses stays done.
 *
 *     normal, random, sequential      how it will be read                       \
 *     dontfork, dofork                whether a child gets it                    > change the VMA
 *     wipeonfork, keeponfork          whether a child gets its pages            /
 *     willneed                        reading begins, and its end is waited for by nobody
 *     dontneed                        its entries go, and private pages with them
 *     free                            private pages may go, if memory is wanted before they are stored to again
 *     cold                            its pages are the next that reclaim looks at
 *     pageout                         its pages are reclaimed now, as far as that needs no waiting
 *
 * POPULATE_READ and POPULATE_WRITE are populate.ts.
 *
 * What goes over pages goes in slices with the lock kept, so that it meets what was mapped when it began; faults go on
 * meanwhile, and one may bring a page back that it has dropped, as in Linux. WILLNEED gives the lock back between slices,
 * as Linux does for its whole time: who wants to unmap doesn't wait for it, and what is unmapped isn't read. While as much
 * of the file is on its way as keeps a device busy it waits, as for a request of Linux's queue.
 *
 * Locks    mmap write and the VMAs, for what changes them; mmap read for the others, as in Linux.
 * Errors   ENOMEM for a hole, told at the end; EINVAL for a VMA that the advice isn't for, told at once.
 */
import { type Errno, errno, type GroupId, type Vpn } from '../base/index.ts'
import type { CachedFile } from '../cache/index.ts'
import { cool, indexOf, lazilyFree, type Mm, pageOut, type Space, type Vma } from '../mm/index.ts'
import { again, done, fail, type Outcome, releaseAll, type Task, type Verb, wait } from '../sched/index.ts'
import { changeVmas, coveredFrom, lockForReading, lockRange, withNeighbours } from './vmas.ts'

/** What is remembered of a VMA. */
type Remembered = 'normal' | 'random' | 'sequential' | 'dontfork' | 'dofork' | 'wipeonfork' | 'keeponfork'
/** What is done to its pages. */
type OfPages = 'dontneed' | 'free' | 'cold' | 'pageout'

const NOTES = {
  normal: { field: 'advice', value: 'normal' },
  random: { field: 'advice', value: 'random' },
  sequential: { field: 'advice', value: 'sequential' },
  dontfork: { field: 'leftOut', value: true },
  dofork: { field: 'leftOut', value: false },
  wipeonfork: { field: 'wiped', value: true },
  keeponfork: { field: 'wiped', value: false },
} as const satisfies Record<Remembered, Partial<{ field: keyof Vma; value: unknown }>>

export type MemoryAdvice = Remembered | OfPages | 'willneed'

export interface AdviseArgs {
  readonly space: Space
  readonly start: Vpn
  readonly end: Vpn
  readonly advice: MemoryAdvice
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
      case 'free':
      case 'cold':
      case 'pageout':
        return this.toPages(task, task.args.advice)
      default:
        return this.remember(task, task.args.advice)
    }
  }

  private remember(task: Task<AdviseArgs>, advice: Remembered): Outcome {
    const { space, start, end } = task.args
    const queued = lockRange(task, space, ...withNeighbours(start, end))
    if (queued !== undefined) return queued
    const refusing = space.overlapping(start, end).find(vma => refuses(vma, advice))
    const to = refusing === undefined ? end : Math.max(start, refusing.start)
    const { field, value } = NOTES[advice]
    const differs = (vma: Vma) => vma[field] !== value
    changeVmas(this.mm, space, [start, to], differs, vma => {
      Object.assign(vma, { [field]: value })
    })
    const error = refusing === undefined ? holeIn(space, start, end) : errno.EINVAL
    releaseAll(task)
    return error === errno.OK ? done : fail(error)
  }

  /** Begins to read so much as a slice, and gives the lock back. */
  private willNeed(task: Task<AdviseArgs>): Outcome {
    const { space, start, end } = task.args
    const queued = lockForReading(task, space)
    if (queued !== undefined) return queued
    const from = task.reached ?? start
    const vma = space.firstFrom(from)
    const to = Math.min(end, vma?.end ?? end, Math.max(from, vma?.start ?? end) + this.mm.cache.slicePages)
    if (vma !== undefined && vma.start < end) {
      const file = cachedFileOf(this.mm, vma)
      const crowded = file && this.mm.cache.crowded(file)
      if (crowded !== undefined) {
        releaseAll(task)
        return wait(this.mm.cache.boostBio(crowded, task.group), 'read')
      }
      readAhead(this.mm, vma, Math.max(from, vma.start), to, task.group)
    }
    const error = to < end ? errno.OK : holeIn(space, start, end)
    releaseAll(task)
    task.reached = to
    if (to < end) return again
    return error === errno.OK ? done : fail(error)
  }

  private toPages(task: Task<AdviseArgs>, advice: OfPages): Outcome {
    const { space, start, end } = task.args
    if (task.reached === undefined) {
      const queued = lockForReading(task, space)
      if (queued !== undefined) return queued
      task.reached = start
    }
    const slice = { left: this.mm.cache.slicePages }
    for (;;) {
      const vma = task.reached < end ? space.firstFrom(task.reached) : undefined
      if (vma === undefined || vma.start >= end) break
      if (slice.left <= 0) return again
      if (refuses(vma, advice)) {
        releaseAll(task)
        return fail(errno.EINVAL)
      }
      const last = Math.min(vma.end, end)
      const from = Math.max(task.reached, vma.start)
      task.reached = space.table.walk(from, last, slice, vpn => this.toPage(space, vpn, advice))
      if (task.reached < last) return again
      slice.left--
    }
    const error = holeIn(space, start, end)
    releaseAll(task)
    return error === errno.OK ? done : fail(error)
  }

  private toPage(space: Space, vpn: Vpn, advice: OfPages): void {
    switch (advice) {
      case 'dontneed':
        this.mm.rmap.setEntry(space, vpn, 0)
        return
      case 'free':
        lazilyFree(this.mm, space, vpn)
        return
      case 'cold':
        cool(this.mm, space, vpn)
        return
      case 'pageout':
        pageOut(this.mm, space, vpn)
        return
    }
  }
}

function refuses(vma: Vma, advice: MemoryAdvice): boolean {
  switch (advice) {
    case 'wipeonfork':
      return vma.open !== undefined || vma.share === 'shared'
    case 'free':
      return vma.locked || vma.open !== undefined || vma.share === 'shared'
    case 'dontneed':
    case 'cold':
    case 'pageout':
      return vma.locked
    default:
      return false
  }
}

function holeIn(space: Space, start: Vpn, end: Vpn): Errno {
  return coveredFrom(space, start, end) < end ? errno.ENOMEM : errno.OK
}

/** Begins to read the pages [start, end) of a VMA that are absent, as far as memory lies free. */
export function readAhead(mm: Mm, vma: Vma, start: Vpn, end: Vpn, group: GroupId): void {
  const file = cachedFileOf(mm, vma)
  if (file === undefined) return
  mm.cache.readAhead(file, { start: indexOf(vma, start), size: end - start, mark: -1 }, group)
}

function cachedFileOf(mm: Mm, { open }: Vma): CachedFile | undefined {
  return open && mm.cache.files.get(open.file.id)
}
