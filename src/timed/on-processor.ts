/**
 * Calls that take a processor: one that is woken runs when its turn comes, and not at once. In that time a lock that it was
 * woken for may be taken by somebody who runs already (rwsem's stealing, until the hand-off after 4 ms: lock/rw-lock.ts).
 *
 *     attempt of another verb -> wait -> woken -> a processor, for a switch -> the next attempt
 */
import { type Ns, US } from '../base/index.ts'
import type { Space } from '../mm/index.ts'
import { done, type Outcome, releaseAll, type Task, type Verb, wait } from '../sched/index.ts'
import { lockForReading } from '../space/index.ts'
import type { Priority, Processors } from './processors.ts'

/** A switch between two tasks, with what it costs the caches: lmbench's figure of some microseconds. */
const SWITCH: Ns = 3 * US

/** Another verb, which takes locks of `space`; each of its attempts waits for a processor. */
export class OnProcessor<Args> implements Verb<Args> {
  readonly name: string
  private readonly inner: Verb<Args>
  private readonly space: Space
  private readonly processors: Processors
  private readonly priority: Priority
  /** Whose turn has come. */
  private readonly present = new Set<Task<Args>>()

  constructor(inner: Verb<Args>, space: Space, processors: Processors, priority: Priority) {
    this.name = inner.name
    this.inner = inner
    this.space = space
    this.processors = processors
    this.priority = priority
  }

  attempt(task: Task<Args>): Outcome {
    if (!this.present.delete(task)) {
      this.present.add(task)
      return wait(this.processors.compute(SWITCH, this.priority, task.name), 'timer')
    }
    return this.inner.attempt(task)
  }

  abandon(task: Task<Args>): void {
    this.present.delete(task)
    // It may have been woken for a lock, and not have come to take it.
    this.space.locks.mmap.cancel(task)
    this.inner.abandon?.(task)
  }
}

export interface WalkArgs {
  readonly space: Space
  readonly takes: Ns
  stage: 'locking' | 'walking'
}

/** A reader that computes while it holds the mmap lock for reading, as a read of smaps of a large space. */
export class Walk implements Verb<WalkArgs> {
  readonly name = 'walk'
  private readonly processors: Processors
  private readonly priority: Priority

  constructor(processors: Processors, priority: Priority) {
    this.processors = processors
    this.priority = priority
  }

  attempt(task: Task<WalkArgs>): Outcome {
    const { args } = task
    if (args.stage === 'locking') {
      const queued = lockForReading(task, args.space)
      if (queued !== undefined) return queued
      args.stage = 'walking'
      return wait(this.processors.compute(args.takes, this.priority, task.name), 'timer')
    }
    releaseAll(task)
    return done
  }
}
