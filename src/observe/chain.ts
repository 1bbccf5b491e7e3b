/**
 * From a wait to the chain behind it: who held the lock, what that task slept for, and so on to the last sleeper.
 *
 *     waiter --mmap_lock--> holder --VMA lock--> fault --writeback--> device
 *            '--queued behind--> pending writer --mmap_lock--> reader that holds it --...
 *
 * Each step looks at one task in one window of time, the part of the wait for which the task was in the way, and asks what it
 * did there: wait for another mm's lock, sleep, or run. Of several tasks in the way the one longest in it is followed.
 *
 * The VMA lock has no events. Its holder is the task of the same mm that slept in a fault meanwhile; that it then woke the
 * writer is the best evidence, for the last reader of a VMA wakes whoever waits to write it.
 *
 * Invariants
 *   C1  A chain names each task once, and has at most LINKS_MAX links.
 *   C2  Only what events say is `certain`. A link from stacks or wake-ups is `inferred`, one from coincidence `guessed`;
 *       each carries its reason.
 */
import { isInFault, type Place, placeOf, WAITS_FOR_DEVICE, whereOf } from './causes.ts'
import { overlap } from './history.ts'
import type { Hold, Wait } from './locks.ts'
import type { Past } from './past.ts'
import type { Sleep } from './tasks.ts'

export type Certainty = 'certain' | 'inferred' | 'guessed'

export interface Link {
  readonly comm: string
  readonly tid: number
  readonly group: string | null
  /** What it holds that the link before waits for; null for the waiter. */
  readonly holds: string | null
  readonly waitsFor: string | null
  /** The function, or the syscall, in which it waits. */
  readonly at: string | null
  /** For how long of the wait it was in the way. */
  readonly ms: number
  readonly certainty: Certainty
  readonly why: string
}

export interface Cause {
  readonly kind: string
  readonly function: string | null
  readonly device: string | null
  /** For how long of the sleep the device had nothing in flight; null if that can't be known. */
  readonly deviceIdleMs: number | null
  readonly certainty: Certainty
  readonly why: string
}

export interface Explained {
  readonly chain: readonly Link[]
  readonly cause: Cause
}

interface Window {
  readonly start: number
  readonly end: number
}

/** A task in the way, and for how long. */
interface Blocker extends Window {
  readonly tid: number
  readonly holds: string
  readonly ms: number
  readonly mm: string
  /** Set when it only queues: what it waits for itself. */
  readonly queued: Wait | null
  readonly certainty: Certainty
  readonly why: string
}

const LINKS_MAX = 12
const VMA_EVIDENCE_MIN = 0.5

export function explain(wait: Wait, past: Past): Explained {
  const chain: Link[] = []
  const slept = longestSleep(past, wait.tid, wait)
  chain.push({
    ...nameOf(past, wait.tid),
    holds: null,
    waitsFor: lockName('mmap_lock', wait.write),
    at: slept === null ? null : (whereOf(slept.frames) ?? (slept.syscall || null)),
    ms: ms(wait.end - wait.start),
    certainty: 'certain',
    why: 'mmap_lock events',
  })
  const cause = followLock(wait, wait, past, chain)
  return { chain, cause }
}

function followLock(wait: Wait, window: Window, past: Past, chain: Link[]): Cause {
  const blocker = chain.length < LINKS_MAX ? blockerOf(wait, window, past, chain) : null
  if (blocker === null) return unknown('no event shows who held the lock')
  if (blocker.queued !== null) {
    pushLink(past, chain, blocker, lockName('mmap_lock', true), longestSleep(past, blocker.tid, blocker))
    return followLock(blocker.queued, blocker, past, chain)
  }
  return followTask(blocker, past, chain)
}

/** What the blocker did in its window. */
function followTask(blocker: Blocker, past: Past, chain: Link[]): Cause {
  const inner = longest(past.waits(blocker.tid, blocker.start, blocker.end), blocker)
  const sleep = longestSleep(past, blocker.tid, blocker)
  const asleepMs = sleep === null ? 0 : ms(overlap(sleep, blocker.start, blocker.end))
  if (
    inner !== null &&
    inner.mm !== blocker.mm &&
    ms(overlap(inner, blocker.start, blocker.end)) >= asleepMs * 0.9
  ) {
    pushLink(past, chain, blocker, lockName('mmap_lock', inner.write), sleep)
    return followLock(inner, intersect(inner, blocker), past, chain)
  }
  if (sleep === null || asleepMs < blocker.ms * 0.2) {
    pushLink(past, chain, blocker, null, sleep)
    return past.knowsSleeps
      ? { ...unknown('it was not asleep while it held the lock'), kind: 'cpu', certainty: 'inferred' }
      : unknown('without sched_switch it is not known what the holder did')
  }
  const place = placeOf(sleep.frames)
  if (place === null || place.kind === 'vma lock') {
    const reader = chain.length < LINKS_MAX ? vmaReader(sleep, blocker, place, past, chain) : null
    if (reader !== null) {
      pushLink(past, chain, blocker, 'VMA lock', sleep)
      return followTask(reader, past, chain)
    }
  }
  const cause = causeOf(sleep, place, past)
  pushLink(
    past,
    chain,
    blocker,
    cause.device === null ? cause.kind : `${cause.kind} on ${cause.device}`,
    sleep,
  )
  return cause
}

/** Who was in the way of a wait: the holder that kept it out longest, or for a reader also the writer queued before it. */
function blockerOf(wait: Wait, window: Window, past: Past, chain: readonly Link[]): Blocker | null {
  const isNew = (tid: number) => tid !== wait.tid && !chain.some(link => link.tid === tid)
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
    return {
      tid: queued.tid,
      mm: wait.mm,
      holds: 'its place in the queue of mmap_lock (write)',
      ...intersect(queued, window),
      ms: ms(pending.total),
      queued,
      certainty: 'inferred',
      why: 'it queued for write, and a fair lock lets no new reader pass a writer that waits',
    }
  }
  if (holder === null) return null
  const hold = holder.longest
  return {
    tid: hold.tid,
    mm: wait.mm,
    holds: lockName('mmap_lock', wroteDuring(hold, window)),
    ...intersect(hold, window),
    ms: ms(holder.total),
    queued: null,
    certainty: past.lostDuring(hold.start, window.end) ? 'inferred' : 'certain',
    why: past.lostDuring(hold.start, window.end)
      ? 'mmap_lock events, though some were lost meanwhile'
      : 'mmap_lock events',
  }
}

/** The task that most likely held the VMA lock while `sleep` waited to write it. */
function vmaReader(
  sleep: Sleep,
  writer: Blocker,
  place: Place | null,
  past: Past,
  chain: readonly Link[],
): Blocker | null {
  const window = intersect(sleep, writer)
  const length = window.end - window.start
  const candidates = new Map<number, { total: number; score: number; inFault: boolean }>()
  for (const each of past.sleepsDuring(window.start, window.end)) {
    if (each.tid === writer.tid || each.waitsFor !== '' || chain.some(link => link.tid === each.tid)) continue
    const task = past.task(each.tid)
    if (task === undefined || (task.mm !== '' && task.mm !== writer.mm)) continue
    const inFault = each.frames.length === 0 ? each.inFault : isInFault(each.frames)
    if (!inFault && (each.frames.length > 0 || each.state !== 'D' || task.mm === '')) continue
    const found = candidates.get(each.tid) ?? { total: 0, score: 0, inFault: false }
    found.total += overlap(each, window.start, window.end)
    found.inFault ||= inFault
    candidates.set(each.tid, found)
  }
  let best: number | null = null
  for (const [tid, found] of candidates) {
    found.score =
      found.total / length + (sleep.wakerTid === tid ? 2 : 0) + (past.task(tid)?.mm === writer.mm ? 0.5 : 0)
    if (found.total < length * VMA_EVIDENCE_MIN && sleep.wakerTid !== tid) continue
    if (best === null || found.score > candidates.get(best)!.score) best = tid
  }
  if (best === null) return null
  const { total, inFault } = candidates.get(best)!
  const woke = sleep.wakerTid === best
  const reasons = [
    'VMA locks have no events',
    inFault ? 'it slept in a fault of the same mm' : 'it slept meanwhile, and uses the same mm',
    ...(woke ? [`it woke ${past.nameOf(writer.tid).comm} afterwards`] : []),
  ]
  return {
    tid: best,
    mm: writer.mm,
    holds: 'VMA lock (read)',
    ...window,
    ms: ms(total),
    queued: null,
    certainty:
      place !== null ? (inFault || woke ? 'inferred' : 'guessed') : inFault && woke ? 'inferred' : 'guessed',
    why: reasons.join('; '),
  }
}

function causeOf(sleep: Sleep, place: Place | null, past: Past): Cause {
  const kind = place?.kind ?? 'sleep'
  const why =
    place === null
      ? `it slept in state ${sleep.state}; the trace has no stack that says where`
      : 'kernel stack'
  const base = {
    kind,
    function: place?.function ?? null,
    certainty: place === null ? ('guessed' as const) : ('certain' as const),
  }
  if (place !== null && !WAITS_FOR_DEVICE.has(place.kind))
    return { ...base, device: null, deviceIdleMs: null, why }
  const writes = kind === 'writeback' || kind === 'journal' || kind === 'dirty throttle'
  const near = sleep.devices.find(each => kind === 'sleep' || each.isWrite === writes) ?? sleep.devices[0]
  const device = near?.device ?? past.stillInFlight(sleep)
  if (device === null) return { ...base, device: null, deviceIdleMs: null, why }
  const idle = ms(sleep.end - sleep.start - past.busyNs(device, sleep.start, sleep.end))
  const seen =
    near === undefined
      ? 'its request is still in flight'
      : `a request of ${device} completed ${ms(near.beforeNs)} ms before the end`
  return { ...base, device, deviceIdleMs: idle, why: `${why}; ${seen}` }
}

function pushLink(
  past: Past,
  chain: Link[],
  blocker: Blocker,
  waitsFor: string | null,
  sleep: Sleep | null,
): void {
  chain.push({
    ...nameOf(past, blocker.tid),
    holds: blocker.holds,
    waitsFor,
    at: sleep === null ? null : (whereOf(sleep.frames) ?? (sleep.syscall || null)),
    ms: blocker.ms,
    certainty: blocker.certainty,
    why: blocker.why,
  })
}

const unknown = (why: string): Cause => ({
  kind: 'unknown',
  function: null,
  device: null,
  deviceIdleMs: null,
  certainty: 'guessed',
  why,
})

function nameOf(past: Past, tid: number): { comm: string; tid: number; group: string | null } {
  return past.nameOf(tid)
}

const lockName = (lock: string, write: boolean): string => `${lock} (${write ? 'write' : 'read'})`

const wroteDuring = (hold: Hold, window: Window): boolean =>
  hold.write || (hold.downgraded !== -1 && hold.downgraded > window.start)

const longestSleep = (past: Past, tid: number, window: Window): Sleep | null =>
  longest(past.sleeps(tid, window.start, window.end), window)

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

const intersect = (a: Window, b: Window): Window => ({
  start: Math.max(a.start, b.start),
  end: Math.min(a.end, b.end),
})

const ms = (ns: number): number => Math.round(ns / 1e3) / 1e3
