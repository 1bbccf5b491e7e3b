/**
 * What in a trace forbids to believe that it says nothing: lines that couldn't be read, and events that aren't there.
 *
 * An account without an inversion is an answer only when it has none of these; with one, nothing could be concluded.
 */

import type { Account } from '../analysis/index.ts'
import type { ReadResult } from '../trace/index.ts'

/** More unread lines of a kind than this part are told first. */
const UNREAD_PART = 0.01

export interface Doubt {
  /** In sentences, the gravest first. */
  readonly doubts: readonly string[]
  /** Whether the account can be believed where it says nothing. */
  readonly conclusive: boolean
}

export function doubtOf(
  { inversions, requests, openWaits, missing, tasksSeen }: Account,
  files: readonly (ReadResult & { readonly path: string })[],
  thresholdMs: number,
): Doubt {
  const found =
    inversions.length > 0 ||
    requests.length > 0 ||
    openWaits.some(wait => (wait.from === 'state' || wait.waitMs >= thresholdMs) && wait.chain.length > 1)
  const doubts = [
    ...files.flatMap(unreadOf),
    ...lacking(
      missing.map(each => each.events),
      found ? 'only sleeps tell who waited for an mmap_lock' : 'who waited for an mmap_lock is not in it',
    ),
  ]
  if (tasksSeen > 0 && openWaits.length === 0)
    doubts.push(
      `None of the ${tasksSeen} tasks in the dump waits for an mmap_lock or a VMA lock. Reports of hung tasks leave killable waits out, so a monitor may hang and not be in it: /proc/*/task/*/stack has them all.`,
    )
  return { doubts, conclusive: found || doubts.length === 0 }
}

function unreadOf({ path, events, unread, unreadEvents }: ReadResult & { readonly path: string }): string[] {
  const ofEvents = unreadEvents.filter(each => each.unread > each.lines * UNREAD_PART)
  const others = unread - unreadEvents.reduce((sum, each) => sum + each.unread, 0)
  return [
    ...ofEvents.map(
      each =>
        `${path}: ${each.unread} of ${each.lines} lines of ${each.event} could not be read, so the account lacks what they say.`,
    ),
    ...(others > (events + others) * UNREAD_PART
      ? [
          `${path}: ${others} of ${events + others} lines or pages are no event that could be read, so the account lacks what they say.`,
        ]
      : []),
  ]
}

function lacking(missing: readonly string[], so: string): string[] {
  const of = (name: string) => missing.includes(`mmap_lock:mmap_lock_${name}`)
  if (!of('start_locking') && !of('acquire_returned')) return []
  const what = ['start_locking', 'acquire_returned'].filter(of).map(name => `mmap_lock_${name}`)
  return [
    `The trace has no ${what.join(' and no ')} event: ${so}. Record mmap_lock:* too, for example by perf record -a -g -e 'mmap_lock:*' -e sched:sched_switch -e sched:sched_waking.`,
  ]
}
