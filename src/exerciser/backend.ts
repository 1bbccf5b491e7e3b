/**
 * What a run is played on: an engine, the device below it, and a driver. The exerciser does the same on all of them; on
 * a simulated clock nothing here is a promise.
 */
import type { Bytes, Errno, Ns } from '../base/index.ts'
import { MS, Prng, SECOND, US } from '../base/index.ts'
import { BrokenDevice, type Device, MemoryDevice, SlowDevice } from '../device/index.ts'
import { Engine } from '../machine/index.ts'
import { disciplineNamed, RESTART } from '../mm/index.ts'
import { type Task, TimedDriver, type Watcher } from '../sched/index.ts'
import { FullDevice } from './full-device.ts'
import type { Plan } from './operations.ts'

export interface Backend {
  readonly engine: Engine
  readonly device: Device
  /** Lets time pass. */
  pause(ns: Ns): void | Promise<void>
  /** Runs until `over()`; says whether that came. */
  until(over: () => boolean): boolean | Promise<boolean>
  /** What is on the device, for as long as it is. */
  durable(): { readonly length: Bytes; read(buffer: Uint8Array): void }
  breaks(nth: number, times: number, error: Errno): void
  heals(): void
  close(): void | Promise<void>
}

/** Dirty pages go out often, so that a short run meets writeback as often as a long one would. */
export const WRITEBACK = { backgroundRatio: 0.25, ratio: 0.6, interval: 2 * MS, expire: 8 * MS }

/** Steps of tasks in which one round is to be over; more means that something turns in a circle. */
const STEPS_MAX = 100_000
/** Simulated time in which it is to be over. */
const ROUND_MAX: Ns = 600 * SECOND

export class Circling extends Error {
  override readonly name = 'Circling'
}

export class MemoryBackend implements Backend {
  readonly engine: Engine
  readonly device: Device
  private readonly driver = new TimedDriver()
  private readonly memory: MemoryDevice
  private readonly broken: BrokenDevice[] = []
  private steps = 0

  constructor(plan: Plan, content: Uint8Array) {
    const { pageSize, frames, windowPages, blocks } = plan
    const driver = this.driver
    // The devices need the scheduler, which the engine makes, and swap must be known when the engine is made.
    const deferred = new DeferredDevice()
    this.engine = new Engine({
      driver,
      buffer: new ArrayBuffer(frames * pageSize),
      pageSize,
      discipline: disciplineNamed(plan.discipline) ?? RESTART,
      writeback: WRITEBACK,
      watcher: this.watcher(),
      ...(plan.swap ? { swap: { device: deferred, bytes: 8 * windowPages * pageSize } } : {}),
    })
    const { scheduler } = this.engine
    const prng = new Prng(plan.seed)
    const slow = (device: Device) => {
      const broken = new BrokenDevice(scheduler, device)
      this.broken.push(broken)
      const service = { latency: 80 * US, nsPerByte: 0.2, slots: 8, jitter: { fraction: 0.95, prng } }
      return new SlowDevice(scheduler, broken, service)
    }
    this.memory = new MemoryDevice(scheduler, { name: 'file', length: content.length })
    this.memory.poke(0, content)
    const stored =
      blocks === null ? this.memory : new FullDevice(scheduler, this.memory, content.length, blocks)
    this.device = slow(stored)
    deferred.stands(slow(new MemoryDevice(scheduler, { name: 'swap', disk: '1:1' })))
  }

  pause(ns: Ns): void {
    this.driver.runUntil(this.engine.scheduler, this.driver.now() + ns)
  }

  until(over: () => boolean): boolean {
    this.steps = 0
    const end = this.driver.now() + ROUND_MAX
    let late = false
    const settled = this.driver.runWhile(this.engine.scheduler, () => {
      late = this.driver.now() > end
      return late || over()
    })
    return settled && !late
  }

  durable(): { readonly length: Bytes; read(buffer: Uint8Array): void } {
    return { length: this.memory.length, read: buffer => this.memory.peek(0, buffer) }
  }

  breaks(nth: number, times: number, error: Errno): void {
    for (const device of this.broken) device.breaks({ nth, times, errno: error })
  }

  heals(): void {
    for (const device of this.broken) device.heals()
  }

  close(): void {}

  private watcher(): Watcher {
    const step = () => {
      if (++this.steps > STEPS_MAX) throw new Circling(`a round takes more than ${STEPS_MAX} steps`)
    }
    return {
      began: step,
      waits: (_task: Task) => step(),
      resumes() {},
      ended() {},
    }
  }
}

/** Stands in for a device that can't be made yet. */
export class DeferredDevice implements Device {
  readonly name = 'swap'
  readonly disk = '1:1'
  readonly readOnly = false
  onEnd: Device['onEnd'] = () => {}
  private inner: Device | undefined

  stands(inner: Device): void {
    this.inner = inner
    inner.onEnd = (request, error) => this.onEnd(request, error)
  }

  start(request: Parameters<Device['start']>[0]): void {
    this.inner!.start(request)
  }
}
