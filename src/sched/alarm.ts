/**
 * An alarm: a room's chore that is done at a time. It is a task that exists only while there is a time to wait for, so
 * a quiet machine has no tasks.
 *
 *     by(at) -> [task: ready or asleep until `at`] -> chore.run(now) -> the time of the next run, or Infinity: it ends
 *
 * Invariants
 *   AL1  The chore runs at the earliest time asked for since it last ran, or as soon after as the driver allows.
 *   AL2  It never runs inside `by`: whoever asks isn't called back.
 */
import { type Ns, ROOT } from '../base/index.ts'
import { again, done, type Outcome, wait } from './outcome.ts'
import type { Scheduler } from './scheduler.ts'
import type { Task, Verb } from './task.ts'
import type { Ticket } from './ticket.ts'

export interface Chore {
  readonly name: string
  /** Does what is due at `now` and returns when to be run again; Infinity: not until somebody asks. */
  run(now: Ns): Ns
}

export class Alarm implements Verb<Chore> {
  readonly name: string
  private readonly scheduler: Scheduler
  private readonly chore: Chore
  private task: Task<Chore> | undefined
  private at: Ns = Infinity
  private timer: Ticket | undefined

  constructor(scheduler: Scheduler, chore: Chore) {
    this.scheduler = scheduler
    this.chore = chore
    this.name = chore.name
  }

  /** Sees that the chore runs at `at` or before. */
  by(at: Ns): void {
    if (at >= this.at) return
    this.at = at
    if (this.task === undefined)
      this.task = this.scheduler.spawn(this, this.chore, { name: this.name, group: ROOT })
    else if (this.timer?.complete === false) this.scheduler.complete(this.timer)
  }

  attempt(): Outcome {
    const now = this.scheduler.now()
    if (this.at <= now) {
      this.at = Infinity
      this.by(this.chore.run(now))
    }
    if (this.at <= now) return again
    if (this.at !== Infinity) {
      this.timer = this.scheduler.after(this.at - now, this.name)
      return wait(this.timer, 'timer')
    }
    this.forget()
    return done
  }

  abandon(): void {
    this.forget()
    this.at = Infinity
  }

  private forget(): void {
    this.task = undefined
    this.timer = undefined
  }
}
