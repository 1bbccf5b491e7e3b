/**
 * A device that fails where it is told to: a wrapper for tests of what the rooms above do then.
 *
 * Invariants
 *   D1 to D3 (device.ts)
 *   BD1  A request that is to fail never reaches the inner device: nothing of it happened.
 *   BD2  Requests are numbered from 1 as they start, those that fail too.
 */
import { type Errno, errno, type Ns } from '../base/index.ts'
import { Alarm, type Chore, type Scheduler } from '../sched/index.ts'
import type { Device, Operation, Request } from './device.ts'

export interface Fault {
  /** The first request of its kind that fails, counted from 1 after `breaks`. */
  readonly nth: number
  /** How many fail from there on; Infinity: for ever. */
  readonly times: number
  readonly errno: Errno
  /** Which requests are counted and fail. */
  readonly operations: readonly Operation[]
}

const DEFAULTS: Fault = {
  nth: 1,
  times: 1,
  errno: errno.EIO,
  operations: ['read', 'write', 'flush', 'resize', 'zero'],
}

export class BrokenDevice implements Device, Chore {
  readonly name: string
  readonly disk: string
  readonly readOnly: boolean
  onEnd: (request: Request, error: Errno) => void = () => {}
  private readonly inner: Device
  private readonly scheduler: Scheduler
  private readonly alarm: Alarm
  private fault: Fault = { ...DEFAULTS, times: 0 }
  private seen = 0
  private failing: { readonly request: Request; readonly errno: Errno }[] = []

  constructor(scheduler: Scheduler, inner: Device) {
    this.name = inner.name
    this.disk = inner.disk
    this.readOnly = inner.readOnly
    this.inner = inner
    this.scheduler = scheduler
    this.alarm = new Alarm(scheduler, this)
    inner.onEnd = (request, error) => this.onEnd(request, error)
  }

  /** From now on it fails as `fault` says, and no other way. */
  breaks(fault: Partial<Fault>): void {
    this.fault = { ...DEFAULTS, ...fault }
    this.seen = 0
  }

  heals(): void {
    this.breaks({ times: 0 })
  }

  start(request: Request): void {
    if (!this.isToFail(request)) {
      this.inner.start(request)
      return
    }
    this.failing.push({ request, errno: this.fault.errno })
    this.alarm.by(this.scheduler.now())
  }

  run(): Ns {
    const ending = this.failing
    this.failing = []
    for (const { request, errno } of ending) this.onEnd(request, errno)
    return Infinity
  }

  private isToFail(request: Request): boolean {
    const { nth, times, operations } = this.fault
    if (!operations.includes(request.operation)) return false
    this.seen++
    return this.seen >= nth && this.seen < nth + times
  }
}
