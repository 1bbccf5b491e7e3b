/**
 * fork as it takes time: the entries of the parent are copied with its mmap lock held for writing and every VMA
 * write-locked, which the engine does in no time at all.
 *
 * What it takes is for the caller to say; about 13 ms for each GiB that is resident has been published for Redis
 * (its documentation, "Fork time in different systems": 6.1 GB in 80 ms on hardware).
 */
import { VPN_END } from '../mmu/index.ts'
import { type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import { type Fork, type ForkArgs, lockRange } from '../space/index.ts'

export interface SlowForkArgs extends ForkArgs {
  /** Begins the copying, which is over when the ticket is complete; undefined: it takes no time. */
  readonly copying: (() => Ticket) | undefined
  stage: 'locking' | 'copying'
}

export class SlowFork implements Verb<SlowForkArgs> {
  readonly name = 'fork'
  private readonly fork: Fork

  constructor(fork: Fork) {
    this.fork = fork
  }

  attempt(task: Task<SlowForkArgs>): Outcome {
    const { args } = task
    if (args.stage === 'locking' && args.copying !== undefined) {
      const queued = lockRange(task, args.space, 0, VPN_END)
      if (queued !== undefined) return queued
      args.stage = 'copying'
      return wait(args.copying(), 'timer')
    }
    return this.fork.attempt(task)
  }
}
