/**
 * Chains from sleeps alone, for traces that have no mmap_lock events, such as Android's: where a task slept, by its stack or by the
 * `caller=` of sched_blocked_reason, and who woke it.
 *
 *     slept where mmap_lock is asked for  <-woken by-  the task that let go of it, and where that had slept meanwhile  <- ...
 *
 * A release wakes who waits, so the waker held the lock. Nothing here is more than inferred.
 *
 * Invariants
 *   BS1  Memory is SLEEPS_MAX sleeps of TASKS_MAX tasks, whatever the length of the trace.
 *   BS2  A chain names each task once.
 */

import { asksForMmapLock, lockType, placeOf, whereOf } from './causes.ts'
import { overlap } from './history.ts'
import type { Inversion } from './inversion.ts'
import { type Cause, type Link, unknown } from './link.ts'
import type { Sleep } from './tasks.ts'

const TASKS_MAX = 4096
const SLEEPS_MAX = 8
const PENDING_MAX = 4096
const LINKS_MAX = 12
/** A holder's sleep shorter than this part of the wait isn't the reason for it. */
const TELLING_PART = 0.2
const SLEEP_MIN_NS = 1e6

type NameOf = (tid: number) => { readonly comm: string; readonly tid: number; readonly group: string | null }

export class Blocked {
  private readonly thresholdMs: number
  private readonly nameOf: NameOf
  /** The last long sleeps of each task, the latest last. */
  private readonly byTid = new Map<number, Sleep[]>()
  /** Ended, and not judged yet: why a task slept is told behind its wake-up. */
  private pending: Sleep[] = []

  constructor(thresholdMs: number, nameOf: NameOf) {
    this.thresholdMs = thresholdMs
    this.nameOf = nameOf
  }

  slept(sleep: Sleep): void {
    if (sleep.state !== 'D' || sleep.end - sleep.start < SLEEP_MIN_NS) return
    const known = this.byTid.get(sleep.tid) ?? []
    // The task that slept last stands last, so that the first is the one to forget.
    this.byTid.delete(sleep.tid)
    known.push(sleep)
    if (known.length > SLEEPS_MAX) known.shift()
    this.byTid.set(sleep.tid, known)
    if (this.byTid.size > TASKS_MAX) this.byTid.delete(this.byTid.keys().next().value!)
    if (sleep.end - sleep.start >= this.thresholdMs * 1e6 && this.pending.length < PENDING_MAX)
      this.pending.push(sleep)
  }

  /** Where a task slept, told when or just after it was woken. */
  told(tid: number, frames: readonly string[]): void {
    const sleep = this.byTid.get(tid)?.at(-1)
    if (sleep !== undefined && sleep.frames.length === 0) sleep.frames = frames
  }

  /** The waits that ended before `time` and were for an mmap_lock, as their sleeps say. */
  settle(time: number): Inversion[] {
    const ended = this.pending.filter(sleep => sleep.end < time)
    if (ended.length === 0) return []
    this.pending = this.pending.filter(sleep => sleep.end >= time)
    return ended.filter(isForMmapLock).map(sleep => this.inversion(sleep))
  }

  private inversion(sleep: Sleep): Inversion {
    const { comm, tid, group } = this.nameOf(sleep.tid)
    const { chain, cause } = this.follow(sleep)
    return {
      waiter: { comm, tid, mm: '', group },
      from: 'events',
      startSec: sleep.start / 1e9,
      endSec: sleep.end / 1e9,
      waitMs: (sleep.end - sleep.start) / 1e6,
      chain,
      cause,
    }
  }

  private follow(first: Sleep): { readonly chain: readonly Link[]; readonly cause: Cause } {
    const chain: Link[] = []
    let holds: string | null = null
    for (let sleep = first; ; ) {
      const isFirst = chain.length === 0
      const { waitsFor, isLock } = waitOf(sleep)
      chain.push({
        role: isFirst ? 'waiter' : 'holder',
        ...this.nameOf(sleep.tid),
        holds,
        waitsFor,
        at: whereOf(sleep.frames),
        ms: overlap(sleep, first.start, first.end) / 1e6,
        certainty: 'inferred',
        why: isFirst
          ? 'where it slept asks for mmap_lock; the trace has no mmap_lock events'
          : `it woke ${chain.at(-1)!.comm || 'the waiter'}, as whoever releases a lock does`,
      })
      if (!isLock) return { chain, cause: causeOf(sleep) }
      const next = this.releaserOf(sleep, chain)
      if (next === undefined) return { chain, cause: unknown('no wake-up names who held the lock') }
      holds = waitsFor
      if (next.sleep === undefined) {
        chain.push({
          role: 'holder',
          ...this.nameOf(next.tid),
          holds,
          waitsFor: null,
          at: null,
          ms: (sleep.end - sleep.start) / 1e6,
          certainty: 'inferred',
          why: `it woke ${chain.at(-1)!.comm || 'the waiter'}, as whoever releases a lock does`,
        })
        return { chain, cause: unknown('it did not sleep uninterruptibly for long meanwhile') }
      }
      sleep = next.sleep
    }
  }

  private releaserOf(
    sleep: Sleep,
    chain: readonly Link[],
  ): { readonly tid: number; readonly sleep: Sleep | undefined } | undefined {
    const tid = sleep.wakerTid
    if (tid === 0 || chain.length >= LINKS_MAX || chain.some(link => link.tid === tid)) return undefined
    let longest: Sleep | undefined
    for (const each of this.byTid.get(tid) ?? []) {
      const ns = overlap(each, sleep.start, sleep.end)
      if (ns < (sleep.end - sleep.start) * TELLING_PART) continue
      if (longest === undefined || ns > overlap(longest, sleep.start, sleep.end)) longest = each
    }
    return { tid, sleep: longest }
  }
}

const isForMmapLock = ({ frames }: Sleep): boolean =>
  frames.length === 1 ? asksForMmapLock(frames) : placeOf(frames)?.kind === 'mmap_lock'

function waitOf(sleep: Sleep): { readonly waitsFor: string | null; readonly isLock: boolean } {
  if (isForMmapLock(sleep)) return { waitsFor: 'mmap_lock', isLock: true }
  const place = placeOf(sleep.frames)
  if (place === null) return { waitsFor: null, isLock: false }
  if (place.kind === 'vma lock') return { waitsFor: 'VMA lock', isLock: true }
  if (place.kind === 'lock') return { waitsFor: lockType(place.function), isLock: true }
  return { waitsFor: place.kind, isLock: false }
}

function causeOf(sleep: Sleep): Cause {
  const place = placeOf(sleep.frames)
  if (place === null) return unknown(`it slept in state ${sleep.state}; the trace does not say where`)
  const near = sleep.devices[0]
  return {
    ...unknown(sleep.frames.length === 1 ? 'the function in which it slept' : 'kernel stack'),
    kind: place.kind,
    function: place.function,
    device: near?.device ?? null,
    certainty: 'inferred',
  }
}
