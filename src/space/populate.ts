/**
 * Makes every page of a range present before it is touched: MADV_POPULATE_READ and _WRITE, MAP_POPULATE, mlock.
 *
 * It is the fault path, page by page, by the same attempts; so it waits and restarts as a fault does. Pages that are
 * there already cost a look at their entry. Others get a turn every BATCH pages.
 *
 * Invariants
 *   PO1 Each page is faulted until it is present or can't be; a restart never begins the range again.
 */
import type { Vpn } from '../base/index.ts'
import { newVmFault } from '../memmap/index.ts'
import { type Fault, type FaultArgs, faultArgs, type Mm, type Space } from '../mm/index.ts'
import { LOAD, STORE } from '../mmu/index.ts'
import { again, done, type Outcome, type Task, type Verb } from '../sched/index.ts'

const BATCH = 64

export interface PopulateArgs {
  readonly space: Space
  readonly end: Vpn
  readonly access: 'load' | 'store'
  /** The page at hand. */
  vpn: Vpn
  fault: FaultArgs | undefined
}

export function populateArgs(space: Space, start: Vpn, end: Vpn, access: 'load' | 'store'): PopulateArgs {
  return { space, end, access, vpn: start, fault: undefined }
}

export class Populate implements Verb<PopulateArgs> {
  readonly name = 'populate'
  private readonly mm: Mm
  private readonly fault: Fault

  constructor(mm: Mm, fault: Fault) {
    this.mm = mm
    this.fault = fault
  }

  attempt(task: Task<PopulateArgs>): Outcome {
    const { args } = task
    const { table } = args.space
    const allowed = args.access === 'store' ? STORE : LOAD
    for (let faults = 0; args.vpn < args.end; args.vpn++) {
      if (args.fault === undefined && (table.get(args.vpn) & allowed) !== 0) continue
      args.fault ??= faultArgs(
        args.space,
        newVmFault(args.vpn, args.access, task.group, this.mm.scheduler.now()),
        'go on',
      )
      const outcome = this.fault.step(task, args.fault)
      if (outcome.kind !== 'done') return outcome
      args.fault = undefined
      if (++faults === BATCH) {
        args.vpn++
        return again
      }
    }
    return done
  }
}
