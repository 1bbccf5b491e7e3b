/** Who sees each task of a machine begin, wait, resume and end. */
import type { GroupId, Ns, TaskId } from '../base/index.ts'
import type { Why } from '../sched/index.ts'

/** Sees every task of a software machine begin, wait, resume and end. It is called inside the machine: it must be quick and call nothing of it. */
export interface Watcher {
  /** A task began. */
  began(task: WatchedTask): void
  /** It waits from now on. */
  waits(task: WatchedTask, wait: WatchedWait): void
  /** Its wait is over; `waited` is in nanoseconds. */
  resumes(task: WatchedTask, wait: WatchedWait, waited: Ns): void
  /** It has ended. */
  ended(task: WatchedTask): void
}

/** A task, as a watcher sees it: a fault, a call, a pass of writeback. */
export interface WatchedTask {
  /** Its number; given once in a machine. */
  readonly id: TaskId
  /** Whom it works for, or what it does. */
  readonly name: string
  /** The number of the group that pays. */
  readonly group: GroupId
}

/** A wait, as a watcher sees it. */
export interface WatchedWait {
  /** The kind. */
  readonly why: Why
  /** What it waits for, in words: "read of data.bin page 7". */
  readonly ticket: {
    /** In words. */
    readonly what: string
  }
}
