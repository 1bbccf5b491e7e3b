/**
 * Makes every page of a range present before it is touched: MADV_POPULATE_READ and _WRITE, MAP_POPULATE, mlock.
 *
 * It is the fault path, page by page, by the same attempts; so it waits and restarts as a fault does. Pages that are
 * there already cost a look at their entry. Others get a turn every BATCH pages. What is absent of a file is read some
 * way ahead, whatever the advice: that is about touches, and here a range is asked for.
 *
 * Invariants
 *   PO1 Each page is faulted until it is present or can't be; a restart never begins the range again.
 */
import type { Bytes, GroupId, Vpn } from '../base/index.ts'
import { newVmFault } from '../memmap/index.ts'
import {
  allows,
  type Fault,
  type FaultArgs,
  faultArgs,
  type Mm,
  PROT_WRITE,
  type Prot,
  renewFault,
  type Space,
} from '../mm/index.ts'
import { LOAD, STORE } from '../mmu/index.ts'
import { again, done, type Outcome, type Task, type Verb } from '../sched/index.ts'
import { readAhead } from './advise.ts'

const BATCH = 64
/** Pages that are looked at in one attempt. */
const LOOKS = 4096
/** How far ahead it reads: as much as keeps a device busy, and little of a memory. */
const AHEAD_BYTES: Bytes = 2 * 1024 * 1024
const AHEAD_SHARE = 8

export interface PopulateArgs {
  readonly space: Space
  readonly end: Vpn
  readonly access: 'load' | 'store'
  /** The page at hand. */
  vpn: Vpn
  fault: FaultArgs | undefined
  /** Before here reads have been begun. */
  ahead: Vpn
}

export function populateArgs(space: Space, start: Vpn, end: Vpn, access: 'load' | 'store'): PopulateArgs {
  return { space, end, access, vpn: start, fault: undefined, ahead: start }
}

/** A part of a range, and what is done to bring it. */
export interface Bringing {
  readonly start: Vpn
  readonly end: Vpn
  readonly access: 'load' | 'store'
}

/**
 * How a locked range is brought: what may be stored to and is private gets its own pages at once, so that no store waits
 * for them later (Linux 6.18 mm/gup.c, populate_vma_page_range).
 */
export function bringing(space: Space, start: Vpn, end: Vpn): Bringing[] {
  return space.overlapping(start, end).map(vma => ({
    start: Math.max(start, vma.start),
    end: Math.min(end, vma.end),
    access: vma.share === 'private' && (vma.prot & PROT_WRITE) !== 0 ? 'store' : 'load',
  }))
}

/** Locked private pages that may be stored to from now on: their copies are made at once (mprotect_fixup). */
export function bringingAsWritable(space: Space, start: Vpn, end: Vpn, prot: Prot): Bringing[] {
  if ((prot & PROT_WRITE) === 0) return []
  return space
    .overlapping(start, end)
    .filter(vma => vma.locked && vma.share === 'private' && (vma.prot & PROT_WRITE) === 0)
    .map(vma => ({ start: Math.max(start, vma.start), end: Math.min(end, vma.end), access: 'store' }))
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
    let over: FaultArgs | undefined
    for (let faults = 0, looks = 0; args.vpn < args.end; args.vpn++) {
      if (++looks > LOOKS) return again
      if (args.fault === undefined && (table.get(args.vpn) & allowed) !== 0) continue
      if (args.fault === undefined) this.readAhead(args, task.group)
      args.fault ??= this.faultAt(args, task.group, over)
      const outcome = this.fault.step(task, args.fault)
      if (outcome.kind !== 'done') return outcome
      over = args.fault
      args.fault = undefined
      if (++faults === BATCH) {
        args.vpn++
        return again
      }
    }
    return done
  }

  /** `over`: the record of the page before in this attempt. */
  private faultAt(
    { space, vpn, access }: PopulateArgs,
    group: GroupId,
    over: FaultArgs | undefined,
  ): FaultArgs {
    const now = this.mm.scheduler.now()
    return over === undefined
      ? faultArgs(space, newVmFault(vpn, access, group, now), 'go on')
      : renewFault(over, vpn, now)
  }

  /** Begins to read the next part of the range, when half of the last one is used. No lock: what is mapped isn't changed. */
  private readAhead(args: PopulateArgs, group: GroupId): void {
    const { cache, memory } = this.mm
    const most = Math.max(1, Math.floor(AHEAD_BYTES / memory.frames.pageSize))
    const part = Math.min(most, Math.floor(memory.total / AHEAD_SHARE))
    if (args.vpn + part / 2 < args.ahead) return
    const start = Math.max(args.vpn, args.ahead)
    const vma = args.space.firstFrom(start)
    if (vma === undefined || vma.start >= args.end) return
    const from = Math.max(start, vma.start)
    args.ahead = Math.min(vma.end, args.end, from + part)
    if (vma.open === undefined || !allows(vma, args.access) || cache.congested(group)) return
    cache.makeRoom(args.ahead - from, 0, group)
    readAhead(this.mm, vma, from, args.ahead, group)
  }
}
