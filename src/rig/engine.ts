/**
 * An engine to be driven by hand: its memory is a buffer of its own, and its clock stands still unless it is moved.
 */
import type { Bytes, Ns } from '../base/index.ts'
import { Engine, type EngineOptions } from '../engine/index.ts'
import type { Driver } from '../sched/index.ts'

const PAGE: Bytes = 4096

/** A clock that somebody moves, or nobody. */
export class StillClock implements Driver {
  time: Ns = 0

  now(): Ns {
    return this.time
  }

  wake(): void {
    // Who moves the clock looks for what is due.
  }
}

export type RigOptions = Omit<EngineOptions, 'buffer' | 'driver' | 'frames' | 'pageSize'> & {
  /** With the zero page. */
  readonly frames: number
  readonly pageSize?: Bytes
  readonly driver?: Driver
  /** Zeros; by default memory of its own. */
  readonly buffer?: ArrayBuffer
}

export function rigEngine({
  frames,
  pageSize = PAGE,
  driver = new StillClock(),
  buffer = new ArrayBuffer(frames * pageSize),
  ...options
}: RigOptions): Engine {
  return new Engine({ ...options, driver, buffer, frames, pageSize })
}
