/**
 * The timed driver: a simulated clock that jumps from one moment at which something happens to the next.
 *
 * Nothing runs while time passes, and no time passes while something runs, so one seed gives one history. Devices under
 * this driver are tickets of `Scheduler.after`.
 */
import type { Ns } from '../base/index.ts'
import type { Driver, Scheduler } from './scheduler.ts'

export class TimedDriver implements Driver {
  private time: Ns = 0

  now(): Ns {
    return this.time
  }

  wake(): void {}

  /** Runs until nothing more will happen before `end`, and leaves the clock there. */
  runUntil(scheduler: Scheduler, end: Ns): void {
    for (;;) {
      scheduler.run(Infinity)
      const next = scheduler.timers.next
      if (next > end) break
      this.time = next
    }
    if (end !== Infinity) this.time = end
  }

  /** Runs until `over()`, or until nothing more can happen. Returns whether it is over. */
  runWhile(scheduler: Scheduler, over: () => boolean): boolean {
    for (;;) {
      scheduler.run(Infinity)
      if (over()) return true
      if (scheduler.timers.next === Infinity) return false
      this.time = scheduler.timers.next
    }
  }
}
