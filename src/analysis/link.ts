/**
 * What chains are made of: a link is a task in the way of the one before it, the cause is what the last one did.
 */
import { type Place, WAITS_FOR_DEVICE } from './causes.ts'
import type { Past } from './past.ts'
import type { Sleep } from './tasks.ts'

export type Certainty = 'certain' | 'inferred' | 'guessed'

/** What a task is in a chain. */
export type LinkRole = 'waiter' | 'queued before' | 'holder' | 'holder of a VMA lock' | 'daemon'

export interface Link {
  readonly role: LinkRole
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

/** Another task that had the CPU. */
export interface Preemptor {
  readonly comm: string
  readonly tid: number
  readonly ms: number
}

export interface Cause {
  readonly kind: string
  readonly function: string | null
  readonly device: string | null
  /** For how long of the sleep the device had nothing in flight; null if that can't be known. */
  readonly deviceIdleMs: number | null
  /** For how long of the time in the way the last link ran, and could have run and didn't; null if that can't be known. */
  readonly ranMs: number | null
  readonly runnableMs: number | null
  /** Who had its CPU longest meanwhile. */
  readonly preemptedBy: Preemptor | null
  readonly certainty: Certainty
  readonly why: string
}

/** Places that are told by what is known of a stack's frames, when the innermost aren't. */
const VAGUE: ReadonlySet<string> = new Set(['sleep', 'disk'])

/** Why a task slept, where no task is in its way. */
export function causeOf(sleep: Sleep, place: Place | null, past: Past): Cause {
  const kind = place?.kind ?? 'sleep'
  const why =
    place === null
      ? `it slept in state ${sleep.state}; the trace has no stack that says where`
      : 'kernel stack'
  const base = {
    ...unknown(why),
    kind,
    function: place?.function ?? null,
    certainty:
      place === null ? ('guessed' as const) : VAGUE.has(kind) ? ('inferred' as const) : ('certain' as const),
  }
  if (place !== null && !WAITS_FOR_DEVICE.has(place.kind)) return base
  const writes = kind === 'writeback' || kind === 'journal' || kind === 'dirty throttle'
  const near = sleep.devices.find(each => kind === 'sleep' || each.isWrite === writes) ?? sleep.devices[0]
  const device = near?.device ?? past.stillInFlight(sleep)
  if (device === null) return base
  const idle = ms(sleep.end - sleep.start - past.busyNs(device, sleep.start, sleep.end))
  const seen =
    near === undefined
      ? 'its request is still in flight'
      : `a request of ${device} completed ${ms(near.beforeNs)} ms before the end`
  return { ...base, device, deviceIdleMs: idle, why: `${why}; ${seen}` }
}

/** A cause of which nothing is known but why. */
export const unknown = (why: string): Cause => ({
  kind: 'unknown',
  function: null,
  device: null,
  deviceIdleMs: null,
  ranMs: null,
  runnableMs: null,
  preemptedBy: null,
  certainty: 'guessed',
  why,
})

/** Milliseconds, to the microsecond. */
export const ms = (ns: number): number => Math.round(ns / 1e3) / 1e3
