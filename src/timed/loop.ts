/**
 * An actor that calls the machine, waits for the end of the call, pauses, and calls again: a monitor, a mapper, a
 * forker, somebody who syncs. Plain data and an attempt, like everything that runs on a scheduler.
 *
 *     first pause -> call -> its task ends -> ... the pass is over: note how long it took -> pause -> call
 *
 * Invariants
 *   LO1 A pass begins before `until` and is seen to its end; a killed one counts with the time it has taken so far.
 *   LO2 Time passes between two passes, so a simulated clock gets on.
 */
import { assert, type Ns } from '../base/index.ts'
import { done, type Outcome, type Scheduler, type Spawn, type Task, type Verb, wait } from '../sched/index.ts'

/** Begins a call of a pass; undefined: there is nothing to call for this time. */
export type Call = (who: Spawn) => Task | undefined

export interface LoopPlan {
  /** The first pass begins so long after the beginning. */
  readonly first: Ns
  readonly pause: Ns
  /** One after another; the pass takes as long as all of them. */
  readonly calls: readonly Call[]
}

export interface LoopArgs {
  readonly plan: LoopPlan
  readonly until: Ns
  /** How long each pass took. */
  readonly latencies: Ns[]
  /** The call at hand, by its place in the plan; -1: before the first pause. */
  at: number
  since: Ns
  call: Task | undefined
}

export function loopArgs(plan: LoopPlan, until: Ns): LoopArgs {
  assert(plan.pause > 0, 'LO2: a loop pauses')
  return { plan, until, latencies: [], at: -1, since: 0, call: undefined }
}

export class Loop implements Verb<LoopArgs> {
  readonly name = 'loop'
  private readonly scheduler: Scheduler

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler
  }

  attempt(task: Task<LoopArgs>): Outcome {
    const { args } = task
    const { calls, first, pause } = args.plan
    if (args.at === -1) {
      args.at = 0
      return wait(this.scheduler.after(first, task.name), 'timer')
    }
    for (;;) {
      if (args.call !== undefined && !args.call.end.complete) return this.scheduler.join(args.call)
      if (args.at === calls.length) return this.endPass(task, pause)
      if (args.at === 0) {
        args.since = this.scheduler.now()
        if (args.since >= args.until) return done
      }
      args.call = calls[args.at++]!({ name: task.name, group: task.group })
    }
  }

  abandon({ args }: Task<LoopArgs>): void {
    if (args.call === undefined || args.call.end.complete) return
    args.latencies.push(this.scheduler.now() - args.since)
    this.scheduler.kill(args.call)
  }

  private endPass({ args, name }: Task<LoopArgs>, pause: Ns): Outcome {
    args.latencies.push(this.scheduler.now() - args.since)
    args.at = 0
    args.call = undefined
    return wait(this.scheduler.after(pause, name), 'timer')
  }
}
