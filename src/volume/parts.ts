/** What the operations of a volume work with, brought together; and a file of it that somebody has open. Plain data. */
import { type Bytes, errno, type PageRange } from '../base/index.ts'
import { done, fail, type Outcome, type Scheduler, wait } from '../sched/index.ts'
import type { Checksum } from './checksum.ts'
import type { Commits } from './commit.ts'
import type { Disk } from './disk.ts'
import type { Erasing } from './erasing.ts'
import type { Extents } from './extents.ts'
import type { Names } from './names.ts'
import type { Overlay } from './overlay.ts'
import type { Header } from './records.ts'
import type { Reserved } from './reserved.ts'
import type { Space } from './space.ts'

export interface Parts {
  readonly scheduler: Scheduler
  readonly disk: Disk
  readonly checksum: Checksum
  readonly overlay: Overlay
  readonly space: Space
  readonly names: Names
  readonly commits: Commits
  readonly header: Header
  readonly erasing: Erasing
  readonly readOnly: boolean
  /** Records that one attempt of a long change makes at most. */
  readonly sliceRecords: number
  /** Takes note of something that isn't what it must be. */
  readonly damaged: (what: string) => void
}

export interface Node {
  readonly ino: number
  /** How it was called when it was opened. */
  readonly name: string
  readonly extents: Extents
  readonly reserved: Reserved
}

/** Promises that one attempt gives back for each record that it may make. */
const PROMISES_A_RECORD = 16

/** Gives the promises of a range back, a slice of them: what was to be written there is gone. Returns whether some are left. */
export function unreserve(
  { space, sliceRecords }: Parts,
  { reserved }: Node,
  range: PageRange,
): 'some are left' | 'all' {
  const most = PROMISES_A_RECORD * sliceRecords
  const some = reserved.inside(range, most)
  for (const index of some) reserved.delete(index)
  space.unreserve(some.length)
  return some.length === most ? 'some are left' : 'all'
}

/** What it takes to know whether there is room. */
export interface Room {
  readonly space: Space
  readonly commits: Commits
  readonly overlay: Overlay
  readonly erasing: Pick<Erasing, 'underWay'>
}

/** Whether so many blocks can be had: now, after files have been erased, after a commit that gives freed ones back, or not at all. */
export function roomFor({ space, commits, erasing, overlay }: Room, blocks: number): Outcome {
  if (blocks <= (space.availableAsKnown ?? -1)) return done
  const now = overlay.ask(() => ({ available: space.available, deferred: space.deferred }))
  if (now.value === undefined) return now.outcome
  if (now.value.available >= blocks) return done
  if (erasing.underWay !== undefined) return wait(erasing.underWay, 'reserve')
  return now.value.deferred > 0 && commits.mayGiveBack
    ? wait(commits.request(), 'reserve')
    : fail(errno.ENOSPC)
}

/** Whether a file can be so long; EFBIG is told if it can't. */
export function canBeLong(size: Bytes): boolean {
  return size <= Number.MAX_SAFE_INTEGER
}
