/**
 * So many processors and their run queue. A computation has one as long as nobody of a higher priority wants it; equals take
 * turns. Who computes while it holds a lock may be preempted in the middle, and everybody who waits for the lock waits on.
 *
 *     compute -> queued <-> running -> its ticket completes
 *                       '- a higher priority came, or its turn was over (SLICE)
 *
 * Only what is told to `compute` takes a processor: an attempt of the engine takes no time.
 *
 * Invariants
 *   PQ1 At each moment the computations that run are the first of those that are left, by priority and then by turn, and
 *       as many as there are processors.
 *   PQ2 A ticket completes when its computation has had all the time that it needs, and at no other moment.
 */
import { assert, MS, type Ns, ROOT } from '../base/index.ts'
import { type Outcome, type Scheduler, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'

/** The base slice of Linux's fair scheduler (sysctl_sched_base_slice, 6.12), for equals. */
const SLICE: Ns = 3 * MS

/** A higher one preempts. SCHED_IDLE, SCHED_OTHER and SCHED_FIFO, or groups with weights far from each other. */
export type Priority = 'idle' | 'normal' | 'real time'

const ORDER: { readonly [Each in Priority]: number } = { idle: 0, normal: 1, 'real time': 2 }

interface Computation {
  readonly priority: Priority
  readonly ticket: Ticket
  /** What it still needs, when it was last looked at. */
  left: Ns
  /** What it has had of its turn. */
  had: Ns
}

interface QueueArgs {
  /** The moment at which the next thing happens, or when somebody comes. */
  next: Ticket
}

export class Processors implements Verb<QueueArgs> {
  readonly name = 'run queue'
  private readonly scheduler: Scheduler
  private readonly count: number
  /** By turn, first come first. */
  private readonly left: Computation[] = []
  private running: readonly Computation[] = []
  private since: Ns = 0
  private readonly args: QueueArgs

  constructor(scheduler: Scheduler, count: number) {
    assert(count > 0, 'PQ1: a machine has a processor')
    this.scheduler = scheduler
    this.count = count
    this.args = { next: scheduler.ticket('a computation') }
    scheduler.spawn(this, this.args, { name: this.name, group: ROOT })
  }

  /** Takes a processor for so long, with interruptions. */
  compute(need: Ns, priority: Priority, what: string): Ticket {
    const ticket = this.scheduler.ticket(what)
    this.left.push({ priority, ticket, left: need, had: 0 })
    if (!this.args.next.complete) this.scheduler.complete(this.args.next)
    return ticket
  }

  attempt({ args }: Task<QueueArgs>): Outcome {
    this.account()
    const queue = [...this.left].sort((a, b) => ORDER[b.priority] - ORDER[a.priority])
    this.running = queue.slice(0, this.count)
    args.next = this.scheduler.ticket('a processor')
    const ends = this.running.map(({ left, had }) => Math.min(left, SLICE - had))
    if (ends.length > 0) this.scheduler.timers.set(this.since + Math.min(...ends), args.next)
    return wait(args.next, 'timer')
  }

  /** What those that run have had since they were last looked at. */
  private account(): void {
    const now = this.scheduler.now()
    for (const one of this.running) {
      one.left -= now - this.since
      one.had += now - this.since
      if (one.left > 0 && one.had < SLICE) continue
      this.left.splice(this.left.indexOf(one), 1)
      if (one.left <= 0) this.scheduler.complete(one.ticket)
      else this.left.push(one)
      one.had = 0
    }
    this.since = now
  }
}
