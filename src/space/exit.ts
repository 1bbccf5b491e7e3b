/**
 * exit_mmap: the end of a space. Every mapping goes, and the space is forgotten. Tasks that still wait in it are killed
 * by whoever ends it; a fault of theirs holds the file it waits for, not the space.
 *
 * Locks    mmap write and every VMA.
 */
import type { Mm, Space } from '../mm/index.ts'
import { VPN_END } from '../mmu/index.ts'
import { again, done, type Outcome, releaseAll, type Task, type Verb } from '../sched/index.ts'
import { lockRange, unmapSome } from './vmas.ts'

export interface ExitArgs {
  readonly space: Space
}

export class Exit implements Verb<ExitArgs> {
  readonly name = 'exit'
  private readonly mm: Mm

  constructor(mm: Mm) {
    this.mm = mm
  }

  attempt(task: Task<ExitArgs>): Outcome {
    const { space } = task.args
    space.state = 'exiting'
    if (task.reached === undefined) {
      const queued = lockRange(task, space, 0, VPN_END)
      if (queued !== undefined) return queued
      task.reached = 0
    }
    task.reached = unmapSome(this.mm, space, task.reached, VPN_END)
    if (task.reached < VPN_END) return again
    space.table.prune(0, VPN_END)
    this.mm.forgetSpace(space)
    releaseAll(task)
    return done
  }
}
