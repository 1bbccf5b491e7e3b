/**
 * Who waited for a lock behind whom, added up by role: a Watcher.
 *
 * Behind whom is asked when the wait begins. The wait may outlive it.
 *
 * Invariants
 *   LW1 Each wait for a lock that began after `start` counts once, with all the time it took.
 */
import type { Ns } from '../base/index.ts'
import { blockerOf } from '../lock/index.ts'
import type { Task, Wait, Watcher } from '../sched/index.ts'

export interface LockWait {
  readonly waiter: string
  readonly behind: string
  readonly lock: 'mmap lock' | 'vma lock' | 'inode lock'
  waits: number
  total: Ns
  longest: Ns
}

export class LockWaits implements Watcher {
  private readonly rows = new Map<string, LockWait>()
  private readonly open = new Map<Task, LockWait>()
  private readonly roleOf: (task: Task) => string

  constructor(roleOf: (task: Task) => string) {
    this.roleOf = roleOf
  }

  start(): void {
    this.rows.clear()
    this.open.clear()
  }

  began(): void {
    // A task that doesn't wait leaves no trace.
  }

  waits(task: Task, wait: Wait): void {
    if (wait.on === undefined) return
    const blocker = blockerOf(task)
    const waiter = this.roleOf(task)
    const behind = blocker === undefined ? 'nobody' : this.roleOf(blocker)
    const lock = lockOf(wait)
    const key = `${waiter}|${behind}|${lock}`
    let row = this.rows.get(key)
    if (row === undefined) {
      row = { waiter, behind, lock, waits: 0, total: 0, longest: 0 }
      this.rows.set(key, row)
    }
    this.open.set(task, row)
  }

  resumes(task: Task, _wait: Wait, waited: Ns): void {
    const row = this.open.get(task)
    if (row === undefined) return
    this.open.delete(task)
    row.waits++
    row.total += waited
    row.longest = Math.max(row.longest, waited)
  }

  ended(): void {
    // Its last wait has been added.
  }

  /** The dearest first. */
  list(): readonly LockWait[] {
    return [...this.rows.values()].filter(row => row.waits > 0).sort((a, b) => b.total - a.total)
  }
}

/** A filesystem's own lock is met on the way to a store, or by an fsync. */
function lockOf({ why }: Wait): LockWait['lock'] {
  if (why === 'lock') return 'mmap lock'
  return why === 'vma lock' ? why : 'inode lock'
}
