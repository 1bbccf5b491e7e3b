/** A small machine for tests of this room: a simulated clock, a memory device that can be held or slowed, and frames. */
import { type Bytes, type GroupId, GroupTree, type Ns, type Pfn, ROOT } from '../base/index.ts'
import { HeldDevice, MemoryDevice, type ServiceTime, SlowDevice } from '../device/index.ts'
import { Scheduler, TimedDriver } from '../sched/index.ts'
import type { BioPlan } from './bio.ts'
import { type FrameBytes, Io } from './io.ts'

const PAGE: Bytes = 4096

export interface IoWorldOptions {
  readonly held?: boolean
  readonly service?: ServiceTime
}

export function ioWorld(options: IoWorldOptions = {}) {
  const driver = new TimedDriver()
  const scheduler = new Scheduler(driver)
  const tree = new GroupTree()
  const ram = new Uint8Array(64 * PAGE)
  const frames: FrameBytes = {
    bytes: (frame: Pfn) => ram.subarray(frame * PAGE, (frame + 1) * PAGE),
    follows: (frame, next) => next === frame + 1,
  }
  const io = new Io(scheduler, frames, tree)
  const memory = new MemoryDevice(scheduler, { length: 1024 * PAGE })
  const slow = options.service === undefined ? memory : new SlowDevice(scheduler, memory, options.service)
  const device = new HeldDevice(slow)
  device.holding = options.held === true
  return {
    driver,
    scheduler,
    tree,
    frames,
    io,
    memory,
    device,
    group: (parent: GroupId = ROOT): GroupId => tree.create(parent),
    plan: (plan: Partial<BioPlan>): BioPlan => ({
      device,
      operation: 'read',
      position: 0,
      length: (plan.frames ?? [1]).length * PAGE,
      frames: [1],
      group: ROOT,
      purpose: 'fill',
      file: 1,
      index: 0,
      what: 'read of a test',
      ...plan,
    }),
    /** Runs what is ready and what is due now; no time passes. */
    settle: (): void => driver.runUntil(scheduler, driver.now()),
    until: (end: Ns): void => driver.runUntil(scheduler, end),
  }
}
