/**
 * The block devices of a trace: when each had a request in flight, and which completed just before a sleeper woke.
 *
 * A task that waits for I/O doesn't say for which device. The completion just before its wake-up does: it is
 * what woke it, directly or through a worker. And when the device had nothing in flight for most of the sleep, the
 * I/O was held back before it reached the queue: a throttle.
 *
 * Invariants
 *   DS1  In-flight requests are keyed by their first sector; at most IN_FLIGHT_MAX a device are followed.
 *   DS2  A device is busy while it has a request in flight.
 */
import { Kind, type TraceRecord } from '../trace/index.ts'
import { History, type Interval, overlap } from './history.ts'
import type { CompletedNear } from './tasks.ts'

const IN_FLIGHT_MAX = 4096
/** A completion longer before the wake-up than this isn't what woke the sleeper. */
const NEAR_NS = 50e6

interface Busy extends Interval {
  readonly device: string
}

interface Device {
  readonly name: string
  readonly inFlight: Map<number, number>
  busySince: number
  lastRead: number
  lastWrite: number
}

export class Devices {
  private readonly devices = new Map<string, Device>()
  private readonly busy = new History<Busy>()

  event(record: TraceRecord, oldestAsked: () => number): void {
    let device = this.devices.get(record.device)
    if (device === undefined) {
      device = {
        name: record.device,
        inFlight: new Map(),
        busySince: -1,
        lastRead: -Infinity,
        lastWrite: -Infinity,
      }
      this.devices.set(record.device, device)
    }
    // A flush carries no data; it is issued and completed under different sectors, so it can't be followed.
    if (record.sectors === 0) return
    if (record.kind === Kind.issued) {
      if (device.inFlight.size === 0) device.busySince = record.time
      if (device.inFlight.size < IN_FLIGHT_MAX) device.inFlight.set(record.sector, record.time)
      return
    }
    if (record.kind === Kind.bioQueued) return
    device.inFlight.delete(record.sector)
    if (record.kind === Kind.completed) {
      if (isWrite(record.rwbs)) device.lastWrite = record.time
      else device.lastRead = record.time
    }
    if (device.inFlight.size === 0 && device.busySince !== -1) {
      this.busy.add({ device: device.name, start: device.busySince, end: record.time }, oldestAsked)
      device.busySince = -1
    }
  }

  completedBefore(time: number): CompletedNear[] {
    const near: CompletedNear[] = []
    for (const device of this.devices.values()) {
      if (time - device.lastWrite < NEAR_NS)
        near.push({ device: device.name, isWrite: true, beforeNs: time - device.lastWrite })
      if (time - device.lastRead < NEAR_NS)
        near.push({ device: device.name, isWrite: false, beforeNs: time - device.lastRead })
    }
    return near.sort((a, b) => a.beforeNs - b.beforeNs)
  }

  /** The device with requests in flight at `now` since longest ago, for a sleep that hasn't ended. */
  oldestInFlight(now: number, since: number): string | null {
    let oldest: string | null = null
    let at = now
    for (const device of this.devices.values())
      for (const issued of device.inFlight.values())
        if (issued < at && now - issued > (now - since) / 2) {
          at = issued
          oldest = device.name
        }
    return oldest
  }

  busyNs(device: string, start: number, end: number): number {
    let total = 0
    for (const busy of this.busy.overlapping(start, end))
      if (busy.device === device) total += overlap(busy, start, end)
    const since = this.devices.get(device)?.busySince ?? -1
    return since !== -1 && since < end ? total + end - Math.max(since, start) : total
  }
}

const isWrite = (rwbs: string): boolean => rwbs.includes('W') || rwbs.startsWith('F')
