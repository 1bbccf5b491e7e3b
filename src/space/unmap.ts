/**
 * munmap: takes every mapping of a range away; VMAs that cross an edge are cut there.
 *
 * It never waits for I/O: a fault that waits for the disk holds no lock under `restart`, and finds nothing when it comes
 * back. What the range held stays in the file's cache, dirty or not.
 *
 * Locks    mmap write, and the VMAs of the range.
 */
import type { Vpn } from '../base/index.ts'
import type { Mm, Space } from '../mm/index.ts'
import { again, done, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
import { isolate, lockRange, unmapSome } from './vmas.ts'

export interface UnmapArgs {
  readonly space: Space
  readonly start: Vpn
  readonly end: Vpn
}

export class Unmap implements Verb<UnmapArgs> {
  readonly name = 'munmap'
  private readonly mm: Mm

  constructor(mm: Mm) {
    this.mm = mm
  }

  attempt(task: Task<UnmapArgs>): Outcome {
    const { space, start, end } = task.args
    if (task.reached === undefined) {
      const queued = lockRange(task, space, start, end)
      if (queued !== undefined) return queued
      isolate(this.mm, space, start, end)
      task.reached = start
    }
    task.reached = unmapSome(this.mm, space, task.reached, end)
    if (task.reached < end) return again
    space.table.prune(start, end)
    releaseAll(task)
    return done
  }
}
