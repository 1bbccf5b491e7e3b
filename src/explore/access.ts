/**
 * One load or store of a program: the access itself, and the faults that it takes until the page table lets it.
 *
 *     the entry allows it? -> the word is read or written -> done
 *            | no                    ^
 *            '---> fault path -------'  then the access in the same attempt, if the entry is still there
 *
 * Invariants
 *   AC1 The word is touched only through an entry that allows it, in the attempt that looked.
 *   AC2 The page that the fault kept is let go in the attempt that ends the fault, or when the task is killed.
 */
import type { Vpn } from '../base/index.ts'
import { newVmFault } from '../memmap/index.ts'
import { type Fault, type FaultArgs, faultArgs, type Mm, type Space } from '../mm/index.ts'
import { frameOf, LOAD, STORE } from '../mmu/index.ts'
import { again, done, type Outcome, type Task, type Verb } from '../sched/index.ts'
import type { Truth } from './truth.ts'

export interface AccessArgs {
  readonly space: Space
  readonly vpn: Vpn
  readonly access: 'load' | 'store'
  /** What a store writes. */
  readonly word: number
  fault: FaultArgs | undefined
}

export class Access implements Verb<AccessArgs> {
  readonly name = 'access'
  private readonly mm: Mm
  private readonly fault: Fault
  private readonly truth: Truth

  constructor(mm: Mm, fault: Fault, truth: Truth) {
    this.mm = mm
    this.fault = fault
    this.truth = truth
  }

  attempt(task: Task<AccessArgs>): Outcome {
    const { args } = task
    if (args.fault === undefined) {
      if (this.touch(args)) return done
      const { vpn, access } = args
      args.fault = faultArgs(
        args.space,
        newVmFault(vpn, access, task.group, this.mm.scheduler.now()),
        'keep the page',
      )
    }
    const outcome = this.fault.step(task, args.fault)
    if (outcome.kind !== 'done') return outcome
    const touched = this.touch(args)
    this.letGo(args)
    return touched ? done : again
  }

  abandon({ args }: Task<AccessArgs>): void {
    this.letGo(args)
  }

  private touch({ space, vpn, access, word }: AccessArgs): boolean {
    const entry = space.table.get(vpn)
    if ((entry & (access === 'store' ? STORE : LOAD)) === 0) return false
    if (access === 'load') return true
    this.mm.memory.frames.bytes(frameOf(entry))[0] = word
    this.truth.stored(space, vpn, word)
    return true
  }

  private letGo(args: AccessArgs): void {
    const kept = args.fault?.kept ?? 0
    args.fault = undefined
    if (kept !== 0) this.fault.letGo([kept])
  }
}
