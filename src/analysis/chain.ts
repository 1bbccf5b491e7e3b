/**
 * From a wait to the chain behind it: who held the lock, what that task slept for, and so on to the last sleeper.
 *
 *     waiter --mmap_lock--> holder --VMA lock--> fault --rwsem--> syncer --writeback--> device
 *            '--queued behind--> pending writer --mmap_lock--> reader that holds it --...
 *
 * Each step looks at one task in one window of time, the part of the wait for which the task was in the way, and asks what it
 * did there most of the time: wait for another mm's lock, sleep, wait for a CPU, or run. Of several tasks in the way the one
 * longest in it is followed.
 *
 * The VMA lock has no events. The last reader of a VMA wakes whoever waits to write it, so the waker is its holder. Without one
 * it is a task of the same mm that slept in a fault meanwhile, unless its stack says that it had let go of its lock. Other
 * locks are followed by the same evidence: a release wakes the next.
 *
 * Invariants
 *   CN1  A chain names each task once, and has at most LINKS_MAX links.
 *   CN2  Only what events say is `certain`. A link from stacks or wake-ups is `inferred`, one from coincidence `guessed`;
 *       each carries its reason. A lock whose holder wasn't seen is never a certain cause.
 */
import { droppedItsLock, isInFault, isRemoteFault, lockType, type Place, placeOf, whereOf } from './causes.ts'
import { answering, worded } from './daemons.ts'
import { overlap } from './history.ts'
import {
  type Cause,
  type Certainty,
  causeOf,
  type Link,
  type LinkRole,
  ms,
  type Preemptor,
  unknown,
} from './link.ts'
import type { Hold, Wait } from './locks.ts'
import type { Past } from './past.ts'
import type { Runnable, Sleep } from './tasks.ts'

export interface Explained {
  readonly chain: readonly Link[]
  readonly cause: Cause
  /** Events of this time bear the explanation: what was lost in it may contradict it. */
  readonly evidence: { readonly start: number; readonly end: number }
}

interface Window {
  readonly start: number
  readonly end: number
}

/** A task in the way, and for how long. */
interface Blocker extends Window {
  readonly role: LinkRole
  readonly tid: number
  readonly holds: string
  readonly ms: number
  readonly mm: string
  /** Set when it only queues: what it waits for itself. */
  readonly queued: Wait | null
  readonly certainty: Certainty
  readonly why: string
}

/** How a task spent a window. */
interface Spent {
  /** The longest wait for another mm's lock, and how long such waits took. */
  readonly inner: Wait | null
  readonly innerMs: number
  /** The longest sleep at the place where it slept longest, and how long it slept there. */
  readonly sleep: Sleep | null
  readonly asleepMs: number
  /** How long it slept anywhere, waits for locks included. */
  readonly offMs: number
  readonly runnableMs: number
  readonly runnable: Runnable | null
}

/** The reason of what is plainly certain. */
export const EVENTS = 'mmap_lock events'
const LINKS_MAX = 12
const VMA_EVIDENCE_MIN = 0.5
/** What took less of the time in the way than this isn't the reason for it. */
const TELLING_PART = 0.2
/** A waiter that could have run for so much of its wait waited for a CPU, not for the lock. */
const OWN_DELAY_PART = 0.6
/** Of the time a task could have run, so much must have gone to one other for it to be named as the reason. */
const PREEMPTED_PART = 0.5

export function explain(wait: Wait, past: Past): Explained {
  return new Explainer(past, wait).explain()
}

class Explainer {
  private readonly past: Past
  private readonly wait: Wait
  private readonly chain: Link[] = []
  private since: number

  constructor(past: Past, wait: Wait) {
    this.past = past
    this.wait = wait
    this.since = wait.start
  }

  explain(): Explained {
    const wait = this.wait
    const slept = longest(this.past.sleeps(wait.tid, wait.start, wait.end), wait)
    this.chain.push({
      role: 'waiter',
      ...this.past.nameOf(wait.tid),
      holds: null,
      waitsFor: lockName('mmap_lock', wait.write),
      at: slept === null ? null : atOf(slept),
      ms: ms(wait.end - wait.start),
      certainty: wait.begun ? 'certain' : 'inferred',
      why: wait.begun ? EVENTS : 'it slept when the trace began, and had the lock when it woke',
    })
    const cause = this.ownDelay(wait) ?? this.followLock(wait, wait)
    return { chain: this.chain, cause, evidence: { start: this.since, end: wait.end } }
  }

  /** A waiter that was woken, and waited to run for most of the time: nobody but a CPU was in its way. */
  private ownDelay({ tid, start, end }: Wait): Cause | null {
    let ns = 0
    for (const each of this.past.runnables(tid, start, end)) ns += overlap(each, start, end)
    if (ns < (end - start) * OWN_DELAY_PART) return null
    return {
      ...unknown(`it was woken, and waited to run for ${ms(ns).toFixed(1)} ms of it`),
      kind: 'cpu',
      runnableMs: ms(ns),
      certainty: 'inferred',
    }
  }

  private followLock(wait: Wait, window: Window): Cause {
    const blocker = this.isFull ? null : this.blockerOf(wait, window)
    if (blocker === null) return unknown('no event shows who held the lock')
    if (blocker.queued === null) return this.followTask(blocker)
    const slept = longest(this.past.sleeps(blocker.tid, blocker.start, blocker.end), blocker)
    this.push(blocker, lockName('mmap_lock', true), slept === null ? null : atOf(slept))
    return this.followLock(blocker.queued, blocker)
  }

  /** What the blocker did in its window. */
  private followTask(blocker: Blocker): Cause {
    const spent = this.spent(blocker)
    const { inner, innerMs, sleep, asleepMs, runnableMs, runnable } = spent
    const least = blocker.ms * TELLING_PART
    if (inner !== null && innerMs > 0 && innerMs >= least && innerMs >= asleepMs && innerMs >= runnableMs) {
      this.since = Math.min(this.since, inner.start)
      this.push(blocker, lockName('mmap_lock', inner.write), sleep === null ? null : atOf(sleep))
      return this.followLock(inner, intersect(inner, blocker))
    }
    if (sleep !== null && asleepMs >= least && asleepMs >= runnableMs) return this.followSleep(blocker, sleep)
    return this.cpu(blocker, spent, runnable)
  }

  private followSleep(blocker: Blocker, sleep: Sleep): Cause {
    const place = placeOf(sleep.frames)
    const at = atOf(sleep)
    this.since = Math.min(this.since, sleep.start)
    const isLock = place?.kind === 'lock' || place?.kind === 'mmap_lock' || place?.kind === 'vma lock'
    const asked = isLock ? undefined : this.past.requestOf(sleep)
    if (asked !== undefined) {
      const shown = answering(asked, intersect(sleep, blocker), this.past)
      const { goal, links, cause } = worded(shown, asked, this.past.told(asked))
      this.push(blocker, goal, at)
      this.chain.push(
        ...links.filter(link => !this.isFull && !this.chain.some(each => each.tid === link.tid)),
      )
      return cause
    }
    if (place === null || place.kind === 'vma lock') {
      const reader = this.isFull ? null : this.vmaReader(sleep, blocker, place)
      if (reader !== null) {
        this.push(blocker, 'VMA lock', at)
        return this.followTask(reader)
      }
    }
    if (place === null || !isLock) {
      const cause = causeOf(sleep, place, this.past)
      this.push(blocker, cause.device === null ? cause.kind : `${cause.kind} on ${cause.device}`, at)
      return cause
    }
    const name = place.kind === 'lock' ? lockType(place.function) : place.kind.replace('vma', 'VMA')
    this.push(blocker, name, at)
    const holder = place.kind === 'vma lock' || this.isFull ? null : this.releaser(sleep, blocker, name)
    if (holder !== null) return this.followTask(holder)
    return {
      ...unknown(
        place.kind === 'lock'
          ? 'it slept for a lock whose holder was not seen: no wake-up names it'
          : `holder not seen: ${place.kind === 'vma lock' ? 'VMA locks have no events, and no task of this mm fits' : 'no event shows who held the lock'}`,
      ),
      kind: place.kind,
      function: place.function,
    }
  }

  /** It neither slept nor waited for most of the time: then it ran, or waited for a CPU, if that can be known. */
  private cpu(blocker: Blocker, spent: Spent, runnable: Runnable | null): Cause {
    const { departures } = this.past
    const { runnableMs, offMs } = spent
    const place = runnable === null || runnable.frames.length === 0 ? null : whereOf(runnable.frames)
    const top = runnableMs >= blocker.ms * TELLING_PART ? this.preemptor(blocker) : null
    const isPreempted = runnableMs >= blocker.ms * PREEMPTED_PART
    const knowsAll = departures.uninterruptible && departures.other && departures.runnable
    const ranMs = knowsAll ? Math.max(0, ms((blocker.ms - offMs - runnableMs) * 1e6)) : null
    const figures = { ranMs, runnableMs: departures.runnable ? ms(runnableMs * 1e6) : null }
    if (isPreempted) {
      const isOne = top !== null && top.ms >= runnableMs * PREEMPTED_PART
      this.push(blocker, isOne ? `a CPU, preempted by ${top.comm || 'task'} (${top.tid})` : 'a CPU', place)
      return {
        ...unknown(
          `it could have run and didn't for ${runnableMs.toFixed(1)} ms${top === null ? '' : `; ${top.comm || 'task'} (${top.tid}) had its CPU for ${top.ms.toFixed(1)} ms of that`}`,
        ),
        kind: isOne ? 'preempted' : 'cpu',
        ...figures,
        preemptedBy: top,
        certainty: 'inferred',
      }
    }
    this.push(blocker, null, place)
    if (!departures.uninterruptible && !departures.other)
      return unknown('without sched_switch it is not known what the holder did')
    if (!departures.other)
      return unknown(
        'it was not in uninterruptible sleep for long, and the trace has no other departures from a CPU: whether it ran, slept in state S or waited to run is not known',
      )
    const ran =
      ranMs === null
        ? ''
        : `it ran for ${ranMs.toFixed(1)} ms and waited to run for ${runnableMs.toFixed(1)} ms; `
    return {
      ...unknown(
        departures.runnable
          ? `${ran}it was not asleep for long while it was in the way`
          : 'it was not asleep for long while it was in the way; whether it ran or waited to run the trace does not say',
      ),
      kind: 'cpu',
      ...figures,
      preemptedBy: top,
      certainty: 'inferred',
    }
  }

  private spent(blocker: Blocker): Spent {
    const past = this.past
    const { tid, start, end } = blocker
    let inner: Wait | null = null
    let innerMs = 0
    for (const wait of past.waits(tid, start, end)) {
      if (wait.mm === blocker.mm) continue
      innerMs += ms(overlap(wait, start, end))
      if (inner === null || overlap(wait, start, end) > overlap(inner, start, end)) inner = wait
    }
    const places = new Map<string, { total: number; longest: Sleep }>()
    let offMs = 0
    for (const sleep of past.sleeps(tid, start, end)) {
      const asleep = overlap(sleep, start, end)
      offMs += ms(asleep)
      if (sleep.waitsFor !== '' && sleep.waitsFor !== blocker.mm) continue
      const kind = placeOf(sleep.frames)?.kind ?? ''
      const found = places.get(kind)
      if (found === undefined) places.set(kind, { total: asleep, longest: sleep })
      else {
        found.total += asleep
        if (asleep > overlap(found.longest, start, end)) found.longest = sleep
      }
    }
    const most = [...places.values()].reduce<{ total: number; longest: Sleep } | null>(
      (best, each) => (best === null || each.total > best.total ? each : best),
      null,
    )
    let runnableNs = 0
    for (const each of past.runnables(tid, start, end)) runnableNs += overlap(each, start, end)
    return {
      inner,
      innerMs,
      sleep: most?.longest ?? null,
      asleepMs: most === null ? 0 : ms(most.total),
      offMs,
      runnableMs: ms(runnableNs),
      runnable: longest(past.runnables(tid, start, end), blocker),
    }
  }

  /** Who had the CPU of a task that could have run, the longest. */
  private preemptor({ tid, start, end }: Blocker): Preemptor | null {
    const byTid = new Map<number, number>()
    for (const each of this.past.runnables(tid, start, end)) {
      const part = overlap(each, start, end) / Math.max(1, each.end - each.start)
      for (const [other, ns] of each.others) byTid.set(other, (byTid.get(other) ?? 0) + ns * part)
    }
    let best: Preemptor | null = null
    for (const [other, ns] of byTid)
      if (other !== 0 && (best === null || ms(ns) > best.ms))
        best = { comm: this.past.nameOf(other).comm, tid: other, ms: ms(ns) }
    return best
  }

  /** Who was in the way of a wait: the holder that kept it out longest, or for a reader also the writer queued before it. */
  private blockerOf(wait: Wait, window: Window): Blocker | null {
    const past = this.past
    const isNew = (tid: number) => tid !== wait.tid && !this.chain.some(link => link.tid === tid)
    const holds = [...past.holds(wait.mm, window.start, window.end)].filter(hold => isNew(hold.tid))
    const excluding = holds.filter(hold => wait.write || wroteDuring(hold, window))
    const holder = longestByTask(excluding, window)
    const pending = wait.write
      ? null
      : longestByTask(
          [...past.waitsOn(wait.mm, window.start, window.end)].filter(each => each.write && isNew(each.tid)),
          window,
        )
    if (pending !== null && pending.total > (holder?.total ?? 0) && holds.some(hold => !hold.write)) {
      const queued = pending.longest
      this.since = Math.min(this.since, queued.start)
      return {
        role: 'queued before',
        tid: queued.tid,
        mm: wait.mm,
        holds: 'its place in the queue of mmap_lock (write)',
        ...intersect(queued, window),
        ms: ms(pending.total),
        queued,
        certainty: 'inferred',
        why: 'it queued for write; readers may still pass it, but only until the lock is handed to it, 4 ms after it began to wait',
      }
    }
    if (holder === null) return null
    const hold = holder.longest
    this.since = Math.min(this.since, hold.start)
    return {
      role: 'holder',
      tid: hold.tid,
      mm: wait.mm,
      holds: lockName('mmap_lock', wroteDuring(hold, window)),
      ...intersect(hold, window),
      ms: ms(holder.total),
      queued: null,
      certainty: hold.begun ? 'certain' : 'inferred',
      why: `${
        hold.begun
          ? EVENTS
          : 'its release was seen; that it took the lock before the trace began is not in it'
      }${othersOf(excluding, holder, window)}`,
    }
  }

  /** The task that most likely held the VMA lock while `sleep` waited to write it. */
  private vmaReader(sleep: Sleep, writer: Blocker, place: Place | null): Blocker | null {
    const past = this.past
    const window = intersect(sleep, writer)
    const length = window.end - window.start
    const { wakerTid } = sleep
    const candidates = new Map<number, { total: number; inFault: boolean; slept: boolean }>()
    for (const each of past.sleepsDuring(window.start, window.end)) {
      if (!this.mayRead(each.tid, writer) || each.waitsFor !== '') continue
      const inFault = each.frames.length === 0 ? each.inFault : isInFault(each.frames)
      const isWaker = each.tid === wakerTid
      if (each.frames.length > 0 && (!inFault || isRemoteFault(each.frames))) continue
      if (droppedItsLock(each.frames) && !isWaker) continue
      if (!inFault && (each.state !== 'D' || past.task(each.tid)!.mm === '')) continue
      const found = candidates.get(each.tid) ?? { total: 0, inFault: false, slept: true }
      found.total += overlap(each, window.start, window.end)
      found.inFault ||= inFault
      candidates.set(each.tid, found)
    }
    for (const [tid, { total }] of candidates)
      if (total < length * VMA_EVIDENCE_MIN && tid !== wakerTid) candidates.delete(tid)
    const isReader = place !== null || candidates.has(wakerTid)
    if (wakerTid !== 0 && isReader && this.mayRead(wakerTid, writer)) {
      const { inFault, slept, total } = candidates.get(wakerTid) ?? {
        inFault: false,
        slept: false,
        total: length,
      }
      return this.reader(wakerTid, writer, {
        window,
        // Who read the VMA last had it all along: a writer that waits lets no new reader in.
        ms: place === null ? ms(total) : ms(length),
        certainty: place !== null || inFault ? 'inferred' : 'guessed',
        reasons: [
          ...(inFault
            ? ['it slept in a fault of the same mm']
            : slept
              ? ['it slept meanwhile, and uses the same mm']
              : []),
          `it woke ${past.nameOf(writer.tid).comm || 'the writer'} afterwards${place === null ? '' : ', as the last reader of a VMA does'}`,
        ],
      })
    }
    let best: number | null = null
    for (const [tid, { total }] of candidates) {
      const score = total / length + (past.task(tid)?.mm === writer.mm ? 0.5 : 0)
      const other = best === null ? null : candidates.get(best)!
      if (other === null || score > other.total / length + (past.task(best!)?.mm === writer.mm ? 0.5 : 0))
        best = tid
    }
    if (best === null) return null
    const { total, inFault } = candidates.get(best)!
    const others = candidates.size - 1
    return this.reader(best, writer, {
      window,
      ms: ms(total),
      certainty: place !== null && inFault && others === 0 ? 'inferred' : 'guessed',
      reasons: [
        inFault ? 'it slept in a fault of the same mm' : 'it slept meanwhile, and uses the same mm',
        ...(others === 0
          ? []
          : [
              `${others === 1 ? 'another task' : `${others} other tasks`} did too, and no wake-up tells which it was`,
            ]),
      ],
    })
  }

  private mayRead(tid: number, writer: Blocker): boolean {
    if (tid === writer.tid || this.chain.some(link => link.tid === tid)) return false
    const task = this.past.task(tid)
    return task !== undefined && (task.mm === '' || task.mm === writer.mm)
  }

  private reader(
    tid: number,
    writer: Blocker,
    found: {
      readonly window: Window
      readonly ms: number
      readonly certainty: Certainty
      readonly reasons: readonly string[]
    },
  ): Blocker {
    return {
      role: 'holder of a VMA lock',
      tid,
      mm: writer.mm,
      holds: 'VMA lock (read)',
      ...found.window,
      ms: found.ms,
      queued: null,
      certainty: found.certainty,
      why: ['VMA locks have no events', ...found.reasons].join('; '),
    }
  }

  /** Who released the lock that `sleep` waited for: its waker. */
  private releaser(sleep: Sleep, waiter: Blocker, lock: string): Blocker | null {
    const { wakerTid } = sleep
    if (wakerTid === 0 || wakerTid === waiter.tid || this.chain.some(link => link.tid === wakerTid))
      return null
    const window = intersect(sleep, waiter)
    return {
      role: 'holder',
      tid: wakerTid,
      mm: waiter.mm,
      holds: lock,
      ...window,
      ms: ms(window.end - window.start),
      queued: null,
      certainty: 'inferred',
      why: `it woke ${this.past.nameOf(waiter.tid).comm || 'the waiter'}, as whoever releases a lock does`,
    }
  }

  private get isFull(): boolean {
    return this.chain.length >= LINKS_MAX
  }

  private push(blocker: Blocker, waitsFor: string | null, at: string | null): void {
    this.chain.push({
      role: blocker.role,
      ...this.past.nameOf(blocker.tid),
      holds: blocker.holds,
      waitsFor,
      at,
      ms: blocker.ms,
      certainty: blocker.certainty,
      why: blocker.why,
    })
  }
}

const atOf = (sleep: Sleep): string | null => whereOf(sleep.frames) ?? (sleep.syscall || null)

const lockName = (lock: string, write: boolean): string => `${lock} (${write ? 'write' : 'read'})`

const wroteDuring = (hold: Hold, window: Window): boolean =>
  hold.write || (hold.downgraded !== -1 && hold.downgraded > window.start)

function longest<T extends Window>(all: Iterable<T>, window: Window): T | null {
  let best: T | null = null
  for (const each of all)
    if (best === null || overlap(each, window.start, window.end) > overlap(best, window.start, window.end))
      best = each
  return best
}

function longestByTask<T extends Window & { readonly tid: number }>(
  all: readonly T[],
  window: Window,
): { total: number; longest: T } | null {
  const byTask = new Map<number, T[]>()
  for (const each of all) byTask.set(each.tid, [...(byTask.get(each.tid) ?? []), each])
  let best: { total: number; longest: T } | null = null
  for (const each of byTask.values()) {
    const total = each.reduce((sum, one) => sum + overlap(one, window.start, window.end), 0)
    if (best === null || total > best.total) best = { total, longest: longest(each, window)! }
  }
  return best
}

/** A holder in the way for less than half of a wait isn't the only one: what is known of the others. */
function othersOf(
  holds: readonly Hold[],
  { total, longest: { tid } }: { readonly total: number; readonly longest: Hold },
  window: Window,
): string {
  const others = holds.filter(hold => hold.tid !== tid)
  if (others.length === 0 || total >= (window.end - window.start) / 2) return ''
  const ns = others.reduce((sum, hold) => sum + overlap(hold, window.start, window.end), 0)
  const tasks = new Set(others.map(hold => hold.tid)).size
  return `; ${tasks === 1 ? 'another task' : `${tasks} other tasks`} held it for ${ms(ns).toFixed(1)} ms meanwhile`
}

const intersect = (a: Window, b: Window): Window => ({
  start: Math.max(a.start, b.start),
  end: Math.min(a.end, b.end),
})
