/**
 * A device with a service time: a wrapper that makes another device as slow as a model of a real one.
 *
 *     start -> waits for a slot -> latency (slots work in parallel) -> transfer (one at a time) -> the inner device
 *
 * With one request in flight it takes latency + length * nsPerByte; with many it gives slots / latency requests a
 * second until 1 / nsPerByte bytes a second are reached. Whose latency is over first has the transfer first, whenever it
 * was started; a slot is taken until the transfer is over.
 *
 * Invariants
 *   D1 to D3 (device.ts)
 *   SD1  No more than `slots` requests are served at once.
 *   SD2  Requests reach the inner device in the order of their ends.
 *   SD3  The transfer is idle only while no request is ready for it.
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

/** Something that will happen to a request: its latency is over, or its transfer. */
interface Event {
  readonly at: Ns
  readonly what: 'ready' | 'over'
  readonly request: Request
}

export class SlowDevice implements Device, Chore {
  readonly name: string
  readonly disk: string
  readonly readOnly: boolean
  onEnd: (request: Request, error: Errno) => void = () => {}
  /** May be changed at any time; what has begun keeps its times. */
  service: ServiceTime
  private readonly inner: Device
  private readonly scheduler: Scheduler
  private readonly alarm: Alarm
  private readonly waiting: Request[] = []
  private serving = 0
  private busFree: Ns = 0
  /** In order of time. */
  private readonly events: Event[] = []

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
    this.waiting.push(request)
    this.serve(this.scheduler.now())
  }

  run(now: Ns): Ns {
    for (let event = this.events[0]; event !== undefined && event.at <= now; event = this.events[0]) {
      this.events.shift()
      const { request, at, what } = event
      const moved = bytesOf(request)
      if (what === 'ready' && moved > 0) {
        this.busFree = Math.round(Math.max(at, this.busFree) + moved * this.service.nsPerByte)
        this.plan({ at: this.busFree, what: 'over', request })
      } else {
        this.serving--
        this.serve(at)
        this.inner.start(request)
      }
    }
    return this.events[0]?.at ?? Infinity
  }

  /** Gives free slots to those who have waited longest, from `at` on. */
  private serve(at: Ns): void {
    while (this.serving < this.service.slots && this.waiting.length > 0) {
      this.serving++
      const ready = Math.round(at + this.service.latency * this.variation())
      this.plan({ at: ready, what: 'ready', request: this.waiting.shift()! })
    }
  }

  private plan(event: Event): void {
    let place = this.events.length
    while (place > 0 && this.events[place - 1]!.at > event.at) place--
    this.events.splice(place, 0, event)
    this.alarm.by(event.at)
  }

  private variation(): number {
    const jitter = this.service.jitter
    return jitter === undefined ? 1 : 1 + jitter.fraction * (2 * jitter.prng.fraction() - 1)
  }
}

function bytesOf({ operation, length }: Request): Bytes {
  return operation === 'read' || operation === 'write' ? length : 0
}
