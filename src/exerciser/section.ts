/**
 * A section of a program as a task: runs against a view, drives the faults of what it misses, and runs again until it
 * has taken effect. It is what a door does for its callers, by the same attempts (mmu/attempts.ts), without promises.
 *
 *     run -> committed                                        done
 *      ^ \-> MISS: a fault task for each miss -> all ended --> one failed: fail with the first's error
 *      '---------------------------------------------------'
 *
 * Invariants
 *   SE1 Pages that were brought stay pinned until the section has ended, so a section runs once for each miss at most,
 *       save that writeback may make a page read-only again before it is stored to.
 */
import { type Errno, errno, type Pfn, type Vpn } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import { newVmFault } from '../memmap/index.ts'
import { type FaultArgs, faultArgs, type Space } from '../mm/index.ts'
import { Attempts, Cold, type Participant, type View, Views } from '../mmu/index.ts'
import { done, fail, type Outcome, type Scheduler, type Task, type Verb } from '../sched/index.ts'

/** The pages of a space that sections see. */
export class Window implements Participant {
  view: View
  readonly space: Space
  private readonly views: Views

  constructor({ engine, attempts }: Section, space: Space, start: Vpn, pages: number) {
    const { frames } = engine.memory
    this.space = space
    this.views = new Views(space.table, frames, start, pages * frames.pageSize, attempts.undo)
    this.view = this.views.choose()
  }

  chooseView(): void {
    this.view = this.views.choose()
  }
}

export interface SectionArgs {
  readonly window: Window
  readonly run: (view: View) => void
  readonly kept: Pfn[]
  faults: Task<FaultArgs>[]
}

export function sectionArgs(window: Window, run: (view: View) => void): SectionArgs {
  return { window, run, kept: [], faults: [] }
}

export class Section implements Verb<SectionArgs> {
  readonly name = 'section'
  readonly engine: Engine
  readonly attempts = new Attempts<Window>({
    enter() {},
    leave() {},
    misuse: (rule, cause) => new Error(`a section of the exerciser ${rule}`, { cause }),
  })
  private readonly scheduler: Scheduler

  constructor(engine: Engine) {
    this.engine = engine
    this.scheduler = engine.scheduler
  }

  attempt(task: Task<SectionArgs>): Outcome {
    const { args } = task
    for (const fault of args.faults) if (!fault.end.complete) return this.scheduler.join(fault)
    const error = this.collect(args)
    if (error !== errno.OK || this.runs(task)) {
      this.release(args)
      return error === errno.OK ? done : fail(error)
    }
    return this.scheduler.join(args.faults[0]!)
  }

  abandon({ args }: Task<SectionArgs>): void {
    for (const fault of args.faults) this.scheduler.kill(fault)
    this.collect(args)
    this.release(args)
  }

  private runs({ args, name, group }: Task<SectionArgs>): boolean {
    const value = this.attempts.attempt(args.window, args.run)
    if (!(value instanceof Cold)) return true
    const now = this.scheduler.now()
    args.faults = value.misses.map(({ mapping, miss: { vpn, access } }) =>
      this.scheduler.spawn(
        this.engine.verbs.fault,
        faultArgs(mapping.space, newVmFault(vpn, access, group, now), 'keep the page'),
        { name, group },
      ),
    )
    return false
  }

  /** The first error of the faults, all of which have ended; their pins are the section's now. */
  private collect(args: SectionArgs): Errno {
    let error: Errno = errno.OK
    for (const { errno: failed, args: fault } of args.faults) {
      if (error === errno.OK) error = failed
      if (fault.kept !== 0) args.kept.push(fault.kept)
      fault.kept = 0
    }
    args.faults = []
    return error
  }

  private release(args: SectionArgs): void {
    this.engine.verbs.fault.letGo(args.kept)
    args.kept.length = 0
  }
}
