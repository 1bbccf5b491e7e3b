/**
 * What an attempt returns: a value, never an exception and never a promise.
 *
 *     done          the thing is so
 *     fail(errno)   it can't be, and nothing changed
 *     wait(ticket)  something must happen first; attempt again when the ticket completes
 *     again         made progress, more to do: let others go first
 *
 * `why` is the kind of wait. The mm's disciplines decide by it which locks are kept; reports print it.
 */
import type { Errno, Pfn } from '../base/index.ts'
import type { Ticket, Waitable } from './ticket.ts'

/** The kinds of wait. Each is also the word that reports use. */
export type Why =
  | 'read' // this task's own read from a device
  | 'page lock' // a page that somebody else is bringing
  | 'writeback' // a stable page on its way to the device
  | 'reserve' // space being set aside before a store
  | 'copy' // a block or page being copied
  | 'invalidate' // a truncate or punch in progress over the page
  | 'memory' // a frame to be reclaimed
  | 'throttle' // too much dirty memory
  | 'lock' // the mmap lock
  | 'vma lock' // the readers of a VMA
  | 'metadata' // records that the store hasn't here
  | 'device' // an operation of the device on behalf of this task
  | 'timer' // time itself
  | 'child' // another task's end

export type Done = { readonly kind: 'done' }
export type Again = { readonly kind: 'again' }
export type Fail = { readonly kind: 'fail'; readonly errno: Errno }
export type Wait = {
  readonly kind: 'wait'
  readonly why: Why
  readonly ticket: Ticket
  /** The frame that the ticket brings; pinned for the waiter until its next attempt is over. 0: none. */
  readonly stash: Pfn
  /** Where the waiter queues, if it must leave the queue when it is killed. */
  readonly on: Waitable | undefined
}
export type Outcome = Done | Again | Fail | Wait

export const done: Done = { kind: 'done' }
export const again: Again = { kind: 'again' }

export function fail(errno: Errno): Fail {
  return { kind: 'fail', errno }
}

export function wait(ticket: Ticket, why: Why, stash: Pfn = 0): Wait {
  return { kind: 'wait', why, ticket, stash, on: undefined }
}

export function queue(ticket: Ticket, why: Why, on: Waitable): Wait {
  return { kind: 'wait', why, ticket, stash: 0, on }
}
