/**
 * The fault path: makes one page of a space accessible, by attempts, under the lock discipline of the machine.
 *
 *     take the lock -> faultPage -> done ------------> pay on the way out (dirty throttling, io.latency, memory.high)
 *          ^               |------> fail(errno)
 *          |               '------> wait(ticket, why): the discipline keeps the lock or drops it
 *          '-------------------------------------------'
 *
 * After a wait we know nothing: the mapping may be gone, cut, re-protected, or backed by another file. Carried across
 * it: the page number, the access, the flags, what was asked for (numbers and a ticket), and the stash, a pin on the
 * frame that the ticket brings. Under `restart` no lock is ever held across a wait, and the driver asserts it.
 *
 * Invariants
 *   FP1 A fault that waits for what its discipline always drops for holds no lock.
 *   FP2 The stash is pinned until an attempt has looked at it, so reclaim can't starve the loop. Where the discipline
 *       carries it, an attempt that only queues for the lock hands it on.
 *   FP3 Each restart is paid for by a completed ticket.
 *   FP4 lockReleased and retry (vm-fault.ts) say truthfully what became of the lock, whatever the result.
 *   FP5 A frame is pinned for sections as often as `kept` says.
 *   FP6 The record of a fault serves another one only when nothing of the first is left.
 *
 * Locks    mmap read, or the VMA's; none across a wait that the discipline drops for.
 * Waits    wherever faultPage says wait; for the mmap lock; and for the pauses of the way out, without locks.
 * Compare  Linux arch/x86/mm/fault.c do_user_addr_fault and mm/filemap.c maybe_unlock_mmap_for_io, which drop the lock
 *          once and do the rest of the I/O under it; here what a design keeps is a row of disciplines.ts.
 */
import { assert, errno, type Ns, NumberMap, type Pfn, type Vpn } from '../base/index.ts'
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_RETRY_NOWAIT,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_VMA_LOCK,
  mayWaitForMemory,
  renewVmFault,
  VM_FAULT_MAJOR,
  type VmFault,
} from '../memmap/index.ts'
import {
  done,
  fail,
  type Outcome,
  releaseAll,
  type Task,
  type Verb,
  type Wait,
  type Why,
} from '../sched/index.ts'
import { ruleFor } from './disciplines.ts'
import { faultPage } from './fault-page.ts'
import type { Mm } from './mm.ts'
import { resumeUserMode } from './resume-user-mode.ts'
import type { Space } from './space.ts'
import type { Vma } from './vma.ts'

export interface FaultArgs {
  readonly space: Space
  readonly fault: VmFault
  /** What to do with the page once it is there: a section keeps it by a pin, which it gives back itself. */
  readonly then: 'keep the page' | 'go on'
  stage: 'faulting' | 'leaving' | 'paying'
  /** The frame pinned for the section; 0: none. */
  kept: Pfn
}

export function faultArgs(space: Space, fault: VmFault, then: FaultArgs['then']): FaultArgs {
  return { space, fault, then, stage: 'faulting', kept: 0 }
}

/** Makes the record of a fault that is over, in which nothing was kept, that of another page. */
export function renewFault(args: FaultArgs, vpn: Vpn, now: Ns): FaultArgs {
  assert(args.stage === 'paying' && args.kept === 0, `FP6: the fault at page ${args.fault.vpn} is over`)
  renewVmFault(args.fault, vpn, now)
  args.stage = 'faulting'
  return args
}

export class Fault implements Verb<FaultArgs> {
  readonly name = 'fault'
  /** The frames that are pinned for sections, and how often. */
  readonly kept = new NumberMap<number>()
  private readonly mm: Mm

  constructor(mm: Mm) {
    this.mm = mm
  }

  attempt(task: Task<FaultArgs>): Outcome {
    return this.step(task, task.args)
  }

  /** One attempt on behalf of `task`; other verbs that touch pages make theirs of it. */
  step(task: Task, args: FaultArgs): Outcome {
    if (args.stage === 'leaving') return this.leave(task, args)
    if (args.stage === 'paying') return done
    const vma = args.space.find(args.fault.vpn)
    const queued = this.takeLock(task, args, vma)
    if (queued !== undefined) return queued
    const outcome = faultPage(this.mm, vma, args.fault)
    if (outcome.kind === 'wait') return this.stop(task, args, outcome)
    args.fault.retry = false
    this.account(args)
    if (outcome.kind === 'done') return this.settle(task, args)
    releaseAll(task)
    return outcome
  }

  abandon({ args }: Task<FaultArgs>): void {
    if (args.kept !== 0) this.letGo([args.kept])
    args.kept = 0
  }

  /** The section that pages were kept for is over. */
  letGo(frames: readonly Pfn[]): void {
    for (const frame of frames) {
      const times = this.kept.get(frame) ?? 0
      assert(times > 0, `FP5: frame ${frame} was kept for a section`)
      if (times === 1) this.kept.delete(frame)
      else this.kept.set(frame, times - 1)
      this.mm.memory.unpin(frame)
    }
  }

  /** Read-locks the VMA or the space, unless the lock was kept from the attempt before. */
  private takeLock(task: Task, { space, fault }: FaultArgs, vma: Vma | undefined): Wait | undefined {
    if (task.held.length > 0) return undefined
    const { discipline } = this.mm
    fault.flags &= ~FAULT_FLAG_VMA_LOCK
    const takes = fault.retries === 0 ? discipline.takes : discipline.retakes
    if (takes === 'vma' && vma !== undefined && space.locks.tryReadVma(vma.lock, task)) {
      fault.flags |= FAULT_FLAG_VMA_LOCK
      space.stat.vmaLocks++
      return undefined
    }
    space.stat.mapLocks++
    const queued = space.locks.mmap.read(task)
    return queued !== undefined && discipline.stash === 'carry' ? { ...queued, stash: task.stash } : queued
  }

  /** The attempt must wait: with the lock or without it, as the discipline says for this kind of wait. */
  private stop(task: Task, args: FaultArgs, outcome: Wait): Outcome {
    const { space, fault } = args
    const { memory, scheduler } = this.mm
    if (outcome.why === 'memory' && !mayWaitForMemory(fault, memory.reclaimed, scheduler.now())) {
      memory.ledger.outOfMemory(fault.group)
      releaseAll(task)
      return fail(errno.ENOMEM)
    }
    fault.retry = true
    if ((fault.flags & FAULT_FLAG_RETRY_NOWAIT) !== 0) {
      releaseAll(task)
      return fail(errno.EAGAIN)
    }
    if (outcome.why === 'read' && fault.reads++ > 0) space.stat.rereads++
    fault.retries++
    space.stat.retries++
    if (this.keeps(fault, outcome.why)) space.stat.ioUnderLock++
    else this.drop(task, fault)
    assert(
      task.held.length === 0 || ruleFor(this.mm.discipline, outcome.why) !== 'drop',
      `FP1: no lock is held across a wait for ${outcome.why} where the discipline drops it`,
    )
    return outcome
  }

  private keeps({ flags }: VmFault, why: Why): boolean {
    switch (ruleFor(this.mm.discipline, why)) {
      case 'keep':
        return true
      case 'drop once':
        return (flags & (FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_TRIED)) !== FAULT_FLAG_ALLOW_RETRY
      case 'drop':
        return false
    }
  }

  /** As in Linux, a pass under the VMA lock that didn't begin a read doesn't count as the one try. */
  private drop(task: Task, fault: VmFault): void {
    releaseAll(task)
    fault.lockReleased = true
    if ((fault.flags & FAULT_FLAG_VMA_LOCK) === 0 || (fault.result & VM_FAULT_MAJOR) !== 0)
      fault.flags |= FAULT_FLAG_TRIED
  }

  /** The entry is set. What a store owes for dirtying is paid under the lock or without it. */
  private settle(task: Task, args: FaultArgs): Outcome {
    const { fault, space } = args
    args.stage = 'leaving'
    if (args.then === 'keep the page' && fault.frame !== 0) {
      this.mm.memory.pin(fault.frame)
      this.kept.set(fault.frame, (this.kept.get(fault.frame) ?? 0) + 1)
      args.kept = fault.frame
    }
    const pause = fault.access === 'store' ? this.mm.writeback.balance(task.group) : undefined
    if (pause !== undefined && this.keeps(fault, pause.why)) {
      space.stat.ioUnderLock++
      return pause
    }
    releaseAll(task)
    if (pause === undefined) return this.leave(task, args)
    fault.lockReleased = true
    return pause
  }

  private leave(task: Task, args: FaultArgs): Outcome {
    args.stage = 'paying'
    return resumeUserMode(this.mm, task) ?? done
  }

  private account({ space, fault }: FaultArgs): void {
    const stat = this.mm.memory.ledger.stat(fault.group)
    space.stat.faults++
    stat.pgfault++
    if ((fault.result & VM_FAULT_MAJOR) === 0) return
    space.stat.major++
    stat.pgmajfault++
  }
}
