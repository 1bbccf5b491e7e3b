/**
 * What a run is played on: an engine, the device below it, and a driver. The exerciser does the same on all of them; on
 * a simulated clock nothing here is a promise.
 */

import type { Bytes, Errno, Ns } from '../base/index.ts'
import { MS, Prng, SECOND, US } from '../base/index.ts'
import {
  BrokenDevice,
  DeferredDevice,
  type Device,
  MemoryDevice,
  type ServiceTime,
  SlowDevice,
} from '../device/index.ts'
import type { Engine } from '../engine/index.ts'
import { LinearFile } from '../fs/index.ts'
import { disciplineNamed, RESTART } from '../mm/index.ts'
import { rigEngine } from '../rig/index.ts'
import { type Scheduler, TimedDriver, type Watcher } from '../sched/index.ts'
import type { Volume } from '../volume/index.ts'
import { FullDevice } from './full-device.ts'
import type { Plan } from './operations.ts'
import { CachedSubject, type Subject } from './subject.ts'

export interface Backend {
  readonly engine: Engine
  /** The volume that its files are of, if they are of one. */
  readonly volume: Volume | undefined
  /** Its files, open. Asked for once, and again after a crash. */
  subjects(): readonly Subject[]
  /** The machine is gone with what it hasn't made durable, and another one is there. Chance decides what was on its way. */
  crash(seed: number): void
  /** Lets time pass. */
  pause(ns: Ns): void | Promise<void>
  /** Runs until `over()`; says whether that came. */
  until(over: () => boolean): boolean | Promise<boolean>
  /** What is on the device of the one file; undefined: a crash has to tell. */
  durable(): { readonly length: Bytes; read(buffer: Uint8Array): void } | undefined
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

/** Counts what happens in a round, and ends one that turns in a circle. */
export class Steps implements Watcher {
  private readonly check: () => void
  private steps = 0

  /** `check` is called between any two steps. */
  constructor(check: () => void = () => {}) {
    this.check = check
  }

  begin(): void {
    this.steps = 0
  }

  began(): void {
    if (++this.steps > STEPS_MAX) throw new Circling(`a round takes more than ${STEPS_MAX} steps`)
  }

  waits(): void {
    this.began()
    this.check()
  }

  resumes(): void {}

  ended(): void {
    this.check()
  }
}

/** Runs until `over()`, and says whether that came in time. */
export function settles(driver: TimedDriver, scheduler: Scheduler, over: () => boolean): boolean {
  const end = driver.now() + ROUND_MAX
  let late = false
  const settled = driver.runWhile(scheduler, () => {
    late = driver.now() > end
    return late || over()
  })
  return settled && !late
}

export class MemoryBackend implements Backend {
  readonly engine: Engine
  readonly volume = undefined
  private readonly device: Device
  private readonly plan: Plan
  private readonly driver = new TimedDriver()
  private readonly memory: MemoryDevice
  private readonly broken: BrokenDevice[] = []
  private readonly steps = new Steps()

  constructor(plan: Plan, content: Uint8Array) {
    const { pageSize, frames, windowPages, blocks } = plan
    const driver = this.driver
    this.plan = plan
    // The devices need the scheduler, which the engine makes, and swap must be known when the engine is made.
    const deferred = new DeferredDevice()
    this.engine = rigEngine({
      driver,
      frames,
      pageSize,
      discipline: disciplineNamed(plan.discipline) ?? RESTART,
      writeback: WRITEBACK,
      watcher: this.steps,
      ...(plan.swap ? { swap: { device: deferred, bytes: 8 * windowPages * pageSize } } : {}),
    })
    const { scheduler } = this.engine
    const prng = new Prng(plan.seed)
    const slow = (device: Device) => {
      const broken = new BrokenDevice(scheduler, device)
      this.broken.push(broken)
      return new SlowDevice(scheduler, broken, serviceTime(prng))
    }
    this.memory = new MemoryDevice(scheduler, { name: 'file', length: content.length })
    this.memory.poke(0, content)
    const stored =
      blocks === null ? this.memory : new FullDevice(scheduler, this.memory, content.length, blocks)
    this.device = slow(stored)
    deferred.stands(slow(new MemoryDevice(scheduler, { name: 'swap', disk: '1:1' })))
  }

  subjects(): readonly Subject[] {
    return [linearSubject(this.engine, this.device, this.plan)]
  }

  crash(): void {
    // A file by itself promises nothing that a crash could break.
  }

  pause(ns: Ns): void {
    this.driver.runUntil(this.engine.scheduler, this.driver.now() + ns)
  }

  until(over: () => boolean): boolean {
    this.steps.begin()
    return settles(this.driver, this.engine.scheduler, over)
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
}

/** The one file of a plan without a volume. */
export function linearSubject(engine: Engine, device: Device, plan: Plan): Subject {
  const { cache, io, memory } = engine
  const spaceFor = Math.floor(plan.size / plan.pageSize)
  const backing = new LinearFile(device, io, memory, { stablePages: true, spaceFor })
  return new CachedSubject(engine, cache.add('file', plan.size, backing))
}

/** A fast disk whose requests overtake one another. */
export function serviceTime(prng: Prng): ServiceTime {
  return { latency: 80 * US, nsPerByte: 0.2, slots: 8, jitter: { fraction: 0.95, prng } }
}
