/**
 * What happens at the doors, for whoever watches the program: tracing channels of node:diagnostics_channel, in the thread that
 * made the call.
 *
 *     faultline.open    { name, mmu }             machine.open: start, end, asyncStart, asyncEnd, error
 *     faultline.close   { name, mmu }             file.close
 *     faultline.sync    { name, mmu }             file.sync, mapping.sync
 *     faultline.fault   { name, space, offset, access, mmu }    a section waits for a page
 *
 * A hardware fault, the touch of an array, stops its thread and is in no channel; `machine.metrics` counts it. Where nobody
 * subscribes an event costs a comparison.
 */

import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel'
import type { CallEvent, FaultEvent } from '../api/index.ts'

type Events = TracingChannel<unknown, object>

const CHANNELS = {
  open: tracingChannel('faultline.open') as Events,
  close: tracingChannel('faultline.close') as Events,
  sync: tracingChannel('faultline.sync') as Events,
  fault: tracingChannel('faultline.fault') as Events,
}

/** Whether somebody is to be told. */
export function isWatched(what: keyof typeof CHANNELS): boolean {
  return CHANNELS[what].hasSubscribers
}

/** Makes a call, and tells of its start, its end and its error. */
export function told<T>(what: 'open' | 'close' | 'sync', event: CallEvent, call: () => Promise<T>): Promise<T>
export function told<T>(what: 'fault', event: FaultEvent, call: () => Promise<T>): Promise<T>
export function told<T>(what: keyof typeof CHANNELS, event: CallEvent, call: () => Promise<T>): Promise<T> {
  const channel = CHANNELS[what]
  return channel.hasSubscribers ? channel.tracePromise(call, { ...event }) : call()
}
