/**
 * A task: who attempts. Its verb says what, its arguments are plain data, and what it holds is written down here, so
 * that one look at the tasks shows the whole state of the machine.
 *
 *     ready --attempt--> ended                      done, fail, or killed
 *       ^  \---wait----> waiting --ticket complete--> ready
 *       '------again------'
 *
 * Invariants
 *   S1  A waiting task has exactly one ticket; a ready or ended one has none.
 *   S2  An ended task holds no lock and no stash.
 *   S3  A killed task attempts nothing more: its verb's `abandon` gives back what it had, and it ends with EINTR.
 *   S7  A task that goes over a range in slices, and keeps its locks between them, isn't killed: it would leave the range
 *       half done. It waits for nothing more, and ends soon.
 *   S8  A task whose attempt throws ends all the same, with ENOTRECOVERABLE, and holds nothing: what was thrown goes on to
 *       whoever runs tasks, and nobody waits for the task for ever.
 */
import type { Errno, GroupId, Ns, Pfn, TaskId } from '../base/index.ts'
import type { Outcome, Wait } from './outcome.ts'
import type { Ticket, Waitable } from './ticket.ts'

/** A lock of some class, as a task's list of held locks sees it. */
export interface Lock extends Waitable {
  /** Its place in the order of classes; a task takes locks of rising rank only. */
  readonly rank: number
  release(task: Task): void
}

export interface Held {
  readonly lock: Lock
  mode: 'read' | 'write'
}

/** What tasks can do. One object a verb for each machine; what differs between two tasks is in their arguments. */
export interface Verb<Args> {
  readonly name: string
  /** Runs to completion without waiting, and says what happened. */
  attempt(task: Task<Args>): Outcome
  /** Gives back what a task has, if it has any, when it ends before its time; its locks are released for it. */
  abandon?(task: Task<Args>): void
}

export interface Task<Args = unknown> {
  readonly id: TaskId
  readonly name: string
  readonly group: GroupId
  readonly verb: Verb<Args>
  readonly args: Args
  state: 'ready' | 'waiting' | 'ended'
  /** What it waits for, while it waits. */
  wait: Wait | undefined
  waitingSince: Ns
  /** How it ended: 0, or an errno. */
  errno: Errno
  /** The frame pinned for the next attempt; 0: none. */
  stash: Pfn
  readonly held: Held[]
  killed: boolean
  /** How far it has come in a range that it goes over in slices; undefined: it hasn't begun with one. */
  reached: number | undefined
  /** Completes when the task has ended. */
  readonly end: Ticket
  /** Who outside of the machine is told of its end; the doors set it. */
  onEnd: (() => void) | undefined
}

/** Whether it is a task of this verb, so that its arguments are the verb's. */
export function does<Args>(task: Task, verb: Verb<Args>): task is Task<Args> {
  return task.verb === verb
}

/** Gives back every lock a task holds, the last taken first. */
export function releaseAll(task: Task): void {
  for (let held = task.held.at(-1); held !== undefined; held = task.held.at(-1)) held.lock.release(task)
}

export function holds(task: Task, lock: Lock): boolean {
  // hot: an iterator would be garbage of each lock that is taken
  for (let at = 0; at < task.held.length; at++) if (task.held[at]!.lock === lock) return true
  return false
}
