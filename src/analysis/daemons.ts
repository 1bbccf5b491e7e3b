/**
 * From a request of FUSE to what its answer waited for: as far as the daemon itself has told, else as far as the trace shows what the
 * thread did that answered.
 *
 *     who asked --READ 1182--> daemon --> what it says of the request: a wait after the other
 *                                    '--> how its thread spent the time: asleep in the kernel, waiting for a CPU
 *
 * A daemon may serve many requests at once, so what its thread did needn't be for this one: without its own word nothing is certain but who it is.
 */

import { placeOf, whereOf } from './causes.ts'
import type { ToldByDaemon } from './daemon-word.ts'
import { type Interval, overlap } from './history.ts'
import { type Cause, causeOf, type Link, unknown } from './link.ts'
import type { Past } from './past.ts'
import type { Asked } from './requests.ts'
import type { Sleep } from './tasks.ts'

/** A daemon asleep or without a CPU for less than this part of the time is not why it took so long. */
const TELLING_PART = 0.5
const ITS_WORD = 'the daemon says so'

export interface Answering {
  /** What who asked waits for, in words. */
  readonly goal: string
  /** The daemon, and what it waited for. */
  readonly links: readonly Link[]
  readonly cause: Cause
}

/** What the trace shows. */
export function answering(asked: Asked, window: Interval, past: Past): Answering {
  const goal = `FUSE ${asked.opcode} on ${asked.connection}`
  const tid = asked.daemon || past.daemonOf(asked.connection)
  if (tid === 0)
    return {
      goal,
      links: [],
      cause: fuse('its daemon answered nothing in this trace, so who it is is not known', 'guessed'),
    }
  const [certainty, why] =
    asked.daemon === 0
      ? (['inferred', 'it answers the requests of this connection'] as const)
      : (['certain', 'fuse events'] as const)
  const { waitsFor, at, cause } = spentBy(tid, window, past)
  const holds = `${asked.opcode} ${asked.unique}`
  const ms = (window.end - window.start) / 1e6
  const daemon = { role: 'daemon', ...past.nameOf(tid), holds, waitsFor, at, ms, certainty, why } as const
  return { goal, links: [daemon], cause }
}

/** The same with what the daemon tells, which takes the place of what its thread seemed to do. */
export function worded(shown: Answering, asked: Asked, told: ToldByDaemon | undefined): Answering {
  if (told === undefined) return shown
  const goal = `FUSE ${asked.opcode} on ${told.target}`
  const [own, ...behind] = told.waits
  const [daemon] = shown.links
  if (own === undefined || daemon === undefined) return { ...shown, goal }
  const links = behind.map(
    ({ task, waitsFor, ms }, at): Link => ({
      role: 'daemon',
      comm: task,
      tid: daemon.tid,
      group: daemon.group,
      holds: told.waits[at]!.waitsFor,
      waitsFor: waitsFor || null,
      at: null,
      ms,
      certainty: 'certain',
      why: ITS_WORD,
    }),
  )
  const last = told.waits.findLast(each => each.waitsFor !== '')!
  return {
    goal,
    links: [{ ...daemon, waitsFor: own.waitsFor, at: null }, ...links],
    cause: fuse(`${ITS_WORD}: ${last.waitsFor}`, 'certain'),
  }
}

interface Spent {
  readonly waitsFor: string | null
  readonly at: string | null
  readonly cause: Cause
}

/** What the trace shows of the thread that answered. */
function spentBy(tid: number, { start, end }: Interval, past: Past): Spent {
  const length = end - start
  let deep: Sleep | undefined
  let [deepNs, shallowNs, runnableNs] = [0, 0, 0]
  for (const sleep of past.sleeps(tid, start, end)) {
    const ns = overlap(sleep, start, end)
    if (sleep.state !== 'D') {
      shallowNs += ns
      continue
    }
    deepNs += ns
    if (deep === undefined || ns > overlap(deep, start, end)) deep = sleep
  }
  for (const each of past.runnables(tid, start, end)) runnableNs += overlap(each, start, end)
  if (deep !== undefined && deepNs >= length * TELLING_PART) {
    const cause = causeOf(deep, placeOf(deep.frames), past)
    const waitsFor = cause.device === null ? cause.kind : `${cause.kind} on ${cause.device}`
    return { waitsFor, at: whereOf(deep.frames), cause: atMostInferred(cause) }
  }
  if (runnableNs >= length * TELLING_PART)
    return {
      waitsFor: 'a CPU',
      at: null,
      cause: {
        ...unknown(`it could have run and didn't for ${(runnableNs / 1e6).toFixed(1)} ms`),
        kind: 'cpu',
        certainty: 'inferred',
      },
    }
  const slept = shallowNs + deepNs
  const since = past.task(tid)?.answersSince ?? -1
  const isKnown = past.departures.other && since !== -1 && since <= start
  const ran = isKnown && slept < length * TELLING_PART
  return ran
    ? {
        waitsFor: null,
        at: null,
        cause: {
          ...unknown(`it was asleep for ${(slept / 1e6).toFixed(1)} ms of it only`),
          kind: 'cpu',
          certainty: 'inferred',
        },
      }
    : {
        waitsFor: 'what only it can tell',
        at: null,
        cause: fuse('a daemon waits for many things at once; the trace does not say which', 'guessed'),
      }
}

const fuse = (why: string, certainty: Cause['certainty']): Cause => ({
  ...unknown(why),
  kind: 'fuse',
  certainty,
})

/** The thread may have slept for another request. */
const atMostInferred = (cause: Cause): Cause =>
  cause.certainty === 'certain' ? { ...cause, certainty: 'inferred' } : cause
