/**
 * Who waited for a request of FUSE: who asked, if it slept meanwhile, and who slept for a page that came by the answer.
 *
 *     answered --the answering thread wakes--> who asked              certain
 *                                         '--> asleep for a page      inferred: the page was another's request
 *     answered, and the trace has no wake-ups  --> who asked, if it slept or that isn't known
 */
import type { TraceRecord } from '../trace/index.ts'
import { placeOf, whereOf } from './causes.ts'
import type { ToldByDaemon } from './daemon-word.ts'
import { type Answering, answering, worded } from './daemons.ts'
import { overlap } from './history.ts'
import type { Inversion } from './inversion.ts'
import type { Link } from './link.ts'
import type { Past } from './past.ts'
import type { Asked, Requests } from './requests.ts'
import type { Sleep, Task, Tasks } from './tasks.ts'

/** A task that slept for less of a request's time did something else meanwhile. */
const ASLEEP_PART = 0.5
const PAGE_WAITS: ReadonlySet<string> = new Set([
  'writeback',
  'page read',
  'page lock',
  'fuse',
  'dirty throttle',
])

/** A wait as the trace shows it; what the daemon tells of it may come later. */
export interface RequestWait {
  readonly asked: Asked
  readonly waiter: Omit<Link, 'waitsFor'>
  readonly mm: string
  readonly start: number
  /** Null for one that isn't answered. */
  readonly end: number | null
  readonly shown: Answering
}

export class RequestWaiters {
  private readonly requests: Requests
  private readonly tasks: Tasks
  private readonly past: Past
  private readonly thresholdMs: number
  private seesWakeUps = false

  constructor(requests: Requests, tasks: Tasks, past: Past, thresholdMs: number) {
    this.requests = requests
    this.tasks = tasks
    this.past = past
    this.thresholdMs = thresholdMs
  }

  /** The wait of who asked, where no wake-up will tell of it. */
  answered(by: Task, record: TraceRecord): RequestWait | null {
    const asked = this.requests.answered(by, record, this.past.oldestAsked)
    return asked === undefined || this.seesWakeUps ? null : this.wait(asked, asked.task, asked.end)
  }

  /** The wait of who is woken, if it was for a request. */
  woken({ tid, nextTid, nextComm, time }: TraceRecord): RequestWait | null {
    this.seesWakeUps = true
    const asked = this.requests.answeredJustNow(tid, time)
    if (asked === undefined) return null
    const task = this.tasks.named(nextTid, nextComm)
    // A daemon wakes its own threads too, which sleep interruptibly as long as there is nothing to do.
    const isWaiter = task === asked.task || (task.sleep?.state === 'D' && mayBeForPages(task.sleep))
    return isWaiter ? this.wait(asked, task, asked.end) : null
  }

  /** The waits of those whose answer hasn't come. */
  open(): RequestWait[] {
    return [...this.requests.open()].flatMap(asked =>
      asked.task.sleep === null ? [] : (this.wait(asked, asked.task, null) ?? []),
    )
  }

  private wait(asked: Asked, task: Task, answered: number | null): RequestWait | null {
    const { departures, now } = this.past
    const end = answered ?? now
    const isAsker = task === asked.task
    const start = isAsker ? asked.start : Math.max(asked.start, task.sleep!.start)
    const waitMs = (end - start) / 1e6
    if (waitMs < this.thresholdMs) return null
    let asleep = 0
    let at: string | null = null
    for (const sleep of this.past.sleeps(task.tid, start, end)) {
      asleep += overlap(sleep, start, end)
      at ??= whereOf(sleep.frames)
    }
    const seesSleeps = departures.other
    if (seesSleeps && asleep < (end - start) * ASLEEP_PART) return null
    const [certainty, why] = !seesSleeps
      ? (['inferred', 'it asked; whether it slept meanwhile the trace does not say'] as const)
      : isAsker
        ? (['certain', 'fuse events'] as const)
        : (['inferred', 'the answer woke it'] as const)
    const named = this.past.nameOf(task.tid)
    return {
      asked,
      waiter: { role: 'waiter', ...named, holds: null, at, ms: waitMs, certainty, why },
      mm: task.mm,
      start,
      end: answered === null ? null : end,
      shown: answering(asked, { start, end }, this.past),
    }
  }
}

/** The wait as any other is told. */
export function inversionOf(
  { asked, waiter, mm, start, end, shown }: RequestWait,
  told: ToldByDaemon | undefined,
): Inversion {
  const { comm, tid, group, ms } = waiter
  const { goal, links, cause } = worded(shown, asked, told)
  return {
    waiter: { comm, tid, mm, group },
    from: 'events',
    startSec: start / 1e9,
    endSec: end === null ? null : end / 1e9,
    waitMs: ms,
    chain: [{ ...waiter, waitsFor: goal }, ...links.filter(link => link.tid !== tid)],
    cause,
  }
}

/** Whether a sleep may be for pages that a daemon brings or takes: its stack says so, or there is none. */
const mayBeForPages = ({ frames }: Sleep): boolean =>
  frames.length === 0 || PAGE_WAITS.has(placeOf(frames)?.kind ?? '')
