/**
 * The order of locks. A task takes no lock of a lower rank than it has, and each lock once; both are checked at every take.
 *
 *     mmap     1   one a space; fair reader/writer lock (Linux: mm->mmap_lock)
 *     vma      2   one a VMA; readers try and never queue (Linux: vma->vm_refcnt)
 *
 * Pages, invalidations and reservations are not locks here: they are states with tickets, which nobody holds while
 * waiting for something else.
 *
 * Invariants
 *   L1  Ranks in a task's list of held locks never fall. Two of one rank may be held: who forks has the lock of the child too.
 *   L2  A task holds a lock at most once. A reader that takes a lock again while a writer queues would wait for the
 *       writer, which waits for the reader: that is an assertion here, and a deadlock elsewhere.
 */
import { assert, broken } from '../base/index.ts'
import { type Held, holds, type Lock, type Task } from '../sched/index.ts'

export const RANK = { mmap: 1, vma: 2 } as const

/** L1 and L2, before a task takes `lock` or queues for it. */
export function assertMayTake(task: Task, lock: Lock): void {
  if (holds(task, lock)) broken(`L2: ${task.name} already holds ${lock.name}`)
  const last = task.held.at(-1)
  if (last !== undefined && last.lock.rank > lock.rank)
    broken(`L1: ${task.name} takes ${lock.name} while it holds ${last.lock.name}`)
}

export function noteTaken(task: Task, held: Held): void {
  task.held.push(held)
}

export function noteReleased(task: Task, lock: Lock): void {
  if (task.held.at(-1)?.lock === lock) {
    task.held.pop()
    return
  }
  const place = task.held.findIndex(held => held.lock === lock)
  assert(place !== -1, `L2: ${task.name} releases ${lock.name}, which it holds`)
  task.held.splice(place, 1)
}
