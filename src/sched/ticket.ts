/**
 * A ticket: something that will have happened. Plain data; whoever makes it happen completes it, once.
 *
 * States   open -> complete      (Scheduler.complete)
 *
 * Invariants
 *   K1  A ticket completes at most once, and never opens again.
 *   K2  Its waiters are exactly the tasks in state `waiting` whose ticket it is.
 *   K3  A waiter that is killed leaves; the ticket and the others who wait for it don't notice.
 */
import type { Errno } from '../base/index.ts'
import type { Task } from './task.ts'

export interface Ticket {
  readonly id: number
  /** What will have happened, in words for reports: "read of data.bin page 7". */
  readonly what: string
  complete: boolean
  /** 0, or how it went wrong. Read it only once complete. */
  errno: Errno
  /** The task on whose account it was opened, if any: an error of the ticket is told to this task alone. */
  readonly opener: Task | undefined
  waiters: Task[]
}

/** A queue that a killed waiter must leave, and that can say who is in its way. */
export interface Waitable {
  readonly name: string
  cancel(task: Task): void
  /** The tasks that must move next for this waiter to get on: who stands just before it in the queue, or who holds. */
  inTheWay(task: Task): readonly Task[]
}
