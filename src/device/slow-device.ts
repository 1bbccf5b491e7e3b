/**
 * A device with a service time: a wrapper that makes another device as slow as a model of a real one.
 *
 *     start -> waits for a slot -> latency (slots work in parallel) -> transfer (one at a time) -> the inner device
 *
 * With one request in flight it takes latency + length * nsPerByte; with many it gives slots / latency requests a
 * second until 1 / nsPerByte bytes a second are reached. When a request will end is known when it starts.
 *
 * Invariants
 *   D1 to D3 (device.ts)
 *   SD1  No more than `slots` requests are served at once.
 *   SD2  Requests reach the inner device in the order of their due times.
 */
import { assert, type Bytes, type Errno, type Ns, type Prng } from '../base/index.ts'
import { Alarm, type Chore, type Scheduler } from '../sched/index.ts'
import type { Device, Request } from './device.ts'

export interface ServiceTime {
  /** What each request takes, however short. */
  readonly latency: Ns
  /** What each byte takes on the way that all slots share. */
  readonly nsPerByte: number
  readonly slots: number
  /** Latency varies uniformly by up to this fraction of itself, both ways, drawn from `prng`. */
  readonly jitter?: { readonly fraction: number; readonly prng: Prng }
}

interface Due {
  readonly at: Ns
  readonly request: Request
}

export class SlowDevice implements Device, Chore {
  readonly name: string
  readonly disk: string
  readonly readOnly: boolean
  onEnd: (request: Request, error: Errno) => void = () => {}
  /** May be changed at any time; requests that are on their way keep their due times. */
  service: ServiceTime
  private readonly inner: Device
  private readonly scheduler: Scheduler
  private readonly alarm: Alarm
  /** When each slot is free again. */
  private slots: Ns[] = []
  private busFree: Ns = 0
  /** In order of time. */
  private readonly due: Due[] = []

  constructor(scheduler: Scheduler, inner: Device, service: ServiceTime) {
    assert(service.slots >= 1, 'a device serves one request at a time at least')
    this.name = inner.name
    this.disk = inner.disk
    this.readOnly = inner.readOnly
    this.inner = inner
    this.service = service
    this.scheduler = scheduler
    this.alarm = new Alarm(scheduler, this)
    inner.onEnd = (request, error) => this.onEnd(request, error)
  }

  start(request: Request): void {
    const at = this.dueTime(request)
    let place = this.due.length
    while (place > 0 && this.due[place - 1]!.at > at) place--
    this.due.splice(place, 0, { at, request })
    this.alarm.by(at)
  }

  run(now: Ns): Ns {
    while (this.due.length > 0 && this.due[0]!.at <= now) this.inner.start(this.due.shift()!.request)
    return this.due[0]?.at ?? Infinity
  }

  private dueTime({ operation, length }: Request): Ns {
    const { latency, nsPerByte, slots } = this.service
    const slot = this.soonestSlot(slots)
    const moved: Bytes = operation === 'read' || operation === 'write' ? length : 0
    const arrived = Math.max(this.scheduler.now(), this.slots[slot]!) + latency * this.variation()
    const at = Math.round(moved === 0 ? arrived : Math.max(arrived, this.busFree) + moved * nsPerByte)
    if (moved > 0) this.busFree = at
    this.slots[slot] = at
    return at
  }

  private soonestSlot(slots: number): number {
    while (this.slots.length < slots) this.slots.push(0)
    let soonest = 0
    for (let slot = 1; slot < slots; slot++) if (this.slots[slot]! < this.slots[soonest]!) soonest = slot
    return soonest
  }

  private variation(): number {
    const jitter = this.service.jitter
    return jitter === undefined ? 1 : 1 + jitter.fraction * (2 * jitter.prng.fraction() - 1)
  }
}
