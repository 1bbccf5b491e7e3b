/**
 * A thread that touches pages of a mapping, one after another: a hit costs a little time, a miss is a page fault, by the
 * attempts of the fault path itself.
 *
 *     next page -> entry allows it: HIT -> ... time owed is slept off in pieces of QUANTUM
 *                  else: fault, attempt by attempt, on this very task -> FAULT -> ...
 *
 * Processor time is nothing but a delay of the thread that owes it: there are as many processors as threads, and an
 * attempt takes no time while it holds a lock.
 *
 * Invariants
 *   TO1 Each touch is a hit or one fault; `latencies` has every fault.
 *   TO2 What a touch owes is slept with no lock held.
 */
import { MS, type Ns, US, type Vpn } from '../base/index.ts'
import { newVmFault } from '../memmap/index.ts'
import { type Fault, type FaultArgs, faultArgs, type Space } from '../mm/index.ts'
import { LOAD, STORE } from '../mmu/index.ts'
import { done, type Outcome, type Scheduler, type Task, type Verb, wait } from '../sched/index.ts'

/** A load or store that finds its entry but neither TLB nor cache line. */
const HIT: Ns = 100
/** The kernel's part of a fault that need not wait. */
const FAULT: Ns = 1 * US
const QUANTUM: Ns = 50 * US
/** After a fault that failed, so that a thread without memory doesn't spin. */
const AFTER_FAILURE: Ns = 1 * MS

export interface TouchPlan {
  readonly space: Space
  readonly access: 'load' | 'store'
  readonly next: () => Vpn
  /** What the thread does with the page, before it touches the next. */
  readonly think: Ns
}

export interface TouchArgs {
  readonly plan: TouchPlan
  readonly until: Ns
  /** How long each fault took. */
  readonly latencies: Ns[]
  hits: number
  failed: number
  owed: Ns
  fault: FaultArgs | undefined
}

export function touchArgs(plan: TouchPlan, until: Ns): TouchArgs {
  return { plan, until, latencies: [], hits: 0, failed: 0, owed: 0, fault: undefined }
}

export class Touch implements Verb<TouchArgs> {
  readonly name = 'touch'
  private readonly scheduler: Scheduler
  private readonly fault: Fault

  constructor(scheduler: Scheduler, fault: Fault) {
    this.scheduler = scheduler
    this.fault = fault
  }

  attempt(task: Task<TouchArgs>): Outcome {
    const { args } = task
    const { space, access, next, think } = args.plan
    const bit = access === 'store' ? STORE : LOAD
    const now = this.scheduler.now()
    for (;;) {
      if (args.fault !== undefined) {
        const outcome = this.fault.step(task, args.fault)
        if (outcome.kind === 'wait') return outcome
        this.note(args, args.fault, now)
        if (outcome.kind === 'fail') {
          args.failed++
          args.owed += AFTER_FAILURE
        }
        args.fault = undefined
        args.owed += FAULT + think
      }
      if (args.owed >= QUANTUM) return this.sleepOff(task)
      if (now >= args.until) return done
      const vpn = next()
      if ((space.table.get(vpn) & bit) !== 0) {
        args.hits++
        args.owed += HIT + think
      } else args.fault = faultArgs(space, newVmFault(vpn, access, task.group, now), 'go on')
    }
  }

  abandon({ args }: Task<TouchArgs>): void {
    if (args.fault !== undefined) this.note(args, args.fault, this.scheduler.now())
  }

  private note({ latencies }: TouchArgs, { fault }: FaultArgs, now: Ns): void {
    latencies.push(now - fault.began)
  }

  private sleepOff({ args, name }: Task<TouchArgs>): Outcome {
    const { owed } = args
    args.owed = 0
    return wait(this.scheduler.after(owed, name), 'timer')
  }
}

/** Page after page of [start, start + pages), and again from the first. */
export function roundAndRound(start: Vpn, pages: number): () => Vpn {
  let at = -1
  return () => {
    at = at + 1 === pages ? 0 : at + 1
    return start + at
  }
}
