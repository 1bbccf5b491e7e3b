/**
 * Replays a plan: a machine under one discipline and a simulated clock, whose tasks do what the tasks of a trace did.
 *
 * The locks are the engine's, the faults go through its fault path; this file only tells tasks when to ask. Each mm of the
 * plan is a space with one VMA, in which all of its faults lie and which `drain` write-locks.
 *
 * Invariants
 *   RL1 The same plan and discipline give the same times.
 *   RL2 A step waits for locks or for its own time, never for a step of another task by any other way.
 */

import { assert, type Ns, type PageIndex, ROOT, type Vpn } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import { newVmFault } from '../memmap/index.ts'
import { ANON, UPTODATE } from '../memory/index.ts'
import {
  type Discipline,
  type FaultArgs,
  faultArgs,
  newOpening,
  PROT_READ,
  PROT_WRITE,
  type Space,
} from '../mm/index.ts'
import { rigEngine } from '../rig/index.ts'
import {
  does,
  done,
  holds,
  type Lock,
  type Outcome,
  releaseAll,
  type Task,
  type Ticket,
  TimedDriver,
  type Verb,
  type Wait,
  wait,
} from '../sched/index.ts'
import { ObservedFile } from './observed-file.ts'
import { isRead, type Plan, type Step } from './plan.ts'

const PAGE_BYTES = 4096
/** The zero page, the one page of data, and room that reclaim never misses. */
const FRAMES = 64

/** How long each observed wait took under `discipline`, by its place in the plan. */
export function replay(plan: Plan, discipline: Discipline): Ns[] {
  const driver = new TimedDriver()
  const waited = plan.observed.map(() => 0)
  const engine = rigEngine({
    frames: FRAMES,
    driver,
    pageSize: PAGE_BYTES,
    discipline,
    watcher: {
      began() {},
      waits() {},
      resumes(task, wait, ns) {
        if (does(task, verb)) verb.resumed(task, wait, ns)
      },
      ended() {},
    },
  })
  const stage = new Stage(engine, driver, plan)
  const verb = new Replay(engine, stage, waited, discipline)
  const begin = driver.now()
  const tasks = plan.tasks.map(({ name, steps }, page) => {
    const part: Part = {
      steps,
      page,
      begin,
      at: 0,
      timer: undefined,
      fault: undefined,
      running: undefined,
      hasQueued: false,
    }
    return engine.scheduler.spawn(verb, part, { name, group: ROOT })
  })
  const over = driver.runWhile(engine.scheduler, () => tasks.every(task => task.state === 'ended'))
  assert(over, 'RL2: every task of a replay comes to its end')
  return waited
}

/** What one task does, and how far it has come. */
interface Part {
  readonly steps: readonly Step[]
  /** Its page in the mapping of each space. */
  readonly page: PageIndex
  readonly begin: Ns
  at: number
  timer: Ticket | undefined
  fault: FaultArgs | undefined
  /** What a fault that only runs has locked. */
  running: Lock | undefined
  /** It waited for the lock of its present step. */
  hasQueued: boolean
}

interface Set {
  readonly space: Space
  readonly start: Vpn
  readonly file: ObservedFile
}

/** The spaces of a replay, each with its mapping. */
class Stage {
  private readonly sets = new Map<string, Set>()

  constructor(engine: Engine, driver: TimedDriver, plan: Plan) {
    const frame = engine.memory.allocate(ROOT, ANON)
    assert(typeof frame === 'number', 'a new machine has a free frame')
    engine.memory.frames.raise(frame, UPTODATE)
    const mms = new globalThis.Set(
      plan.tasks.flatMap(({ steps }) => steps.flatMap(step => ('mm' in step ? [step.mm] : []))),
    )
    const pages = plan.tasks.length
    for (const mm of mms) {
      const file = new ObservedFile(engine.scheduler, {
        id: engine.cache.newId(),
        name: `file of ${mm}`,
        size: pages * PAGE_BYTES,
        frame,
      })
      const space = engine.mm.createSpace({ name: mm, group: ROOT, commandLine: mm })
      const open = newOpening(file, { advice: 'random' })
      const mapped = engine.scheduler.spawn(
        engine.verbs.map,
        {
          space,
          pages,
          fixed: undefined,
          locked: false,
          start: 0,
          plan: { prot: PROT_READ | PROT_WRITE, share: 'shared', open, pageOffset: 0, advice: 'random' },
        },
        { name: mm, group: ROOT },
      )
      driver.runWhile(engine.scheduler, () => mapped.state === 'ended')
      this.sets.set(mm, { space, start: mapped.args.start, file })
    }
  }

  of(mm: string): Set {
    return this.sets.get(mm)!
  }
}

class Replay implements Verb<Part> {
  readonly name = 'replay'
  private readonly engine: Engine
  private readonly stage: Stage
  private readonly waited: Ns[]
  private readonly discipline: Discipline

  constructor(engine: Engine, stage: Stage, waited: Ns[], discipline: Discipline) {
    this.discipline = discipline
    this.engine = engine
    this.stage = stage
    this.waited = waited
  }

  attempt(task: Task<Part>): Outcome {
    const { args } = task
    for (let step = args.steps[args.at]; step !== undefined; step = args.steps[++args.at]) {
      const outcome = this.perform(task, step)
      if (outcome !== undefined) return outcome
      args.hasQueued = false
    }
    releaseAll(task)
    return done
  }

  /** News of the scheduler: a wait of a task has ended. */
  resumed({ args }: Task<Part>, { why }: Wait, ns: Ns): void {
    const step = args.steps[args.at]
    if (step === undefined || !('wait' in step)) return
    const isLock = why === 'lock' || why === 'vma lock'
    args.hasQueued ||= isLock
    if (step.wait !== -1 && (isLock || step.kind === 'lock')) this.waited[step.wait]! += ns
  }

  /** Does a step; undefined once it is done. */
  private perform(task: Task<Part>, step: Step): Outcome | undefined {
    const { args } = task
    switch (step.kind) {
      case 'until':
        return this.pass(args, args.begin + step.time - this.engine.scheduler.now())
      case 'work':
        return this.pass(args, step.ns)
      case 'lock':
        return this.lock(task, step)
      case 'drain': {
        // What a fault of the plan sleeps in is a shared mapping, of which fork copies nothing.
        if (step.by === 'fork' && this.discipline.fork === 'copied') return undefined
        const { space, start } = this.stage.of(step.mm)
        const vma = space.find(start)!
        return space.locks.writeVma(vma.lock, task)
      }
      case 'downgrade':
        this.stage.of(step.mm).space.locks.mmap.downgrade(task)
        return undefined
      case 'unlock': {
        const { mmap } = this.stage.of(step.mm).space.locks
        if (holds(task, mmap)) mmap.release(task)
        return undefined
      }
      case 'run in a fault':
        return this.run(task, step)
      case 'fault':
        return this.fault(task, step)
    }
  }

  /** Keeps the lock that a fault comes with under this discipline, and lets its time pass. */
  private run(task: Task<Part>, step: Extract<Step, { kind: 'run in a fault' }>): Outcome | undefined {
    const { args } = task
    const { space, start } = this.stage.of(step.mm)
    if (args.running === undefined) {
      const vma = space.find(start)!
      const { mmap } = space.locks
      if (this.discipline.takes === 'vma' && space.locks.tryReadVma(vma.lock, task)) args.running = vma.lock
      else {
        if (!holds(task, mmap)) {
          const queued = mmap.read(task)
          if (queued !== undefined) return queued
        }
        args.running = mmap
      }
    }
    const passed = this.pass(args, step.ns)
    if (passed !== undefined) return passed
    args.running.release(task)
    args.running = undefined
    return undefined
  }

  private pass(args: Part, ns: Ns): Outcome | undefined {
    if (args.timer === undefined && ns <= 0) return undefined
    args.timer ??= this.engine.scheduler.after(ns, 'its own time')
    if (!args.timer.complete) return wait(args.timer, 'timer')
    args.timer = undefined
    return undefined
  }

  private lock(task: Task<Part>, step: Extract<Step, { kind: 'lock' }>): Outcome | undefined {
    const { space, start } = this.stage.of(step.mm)
    const { mmap } = space.locks
    const isByVma = this.discipline.readers === 'vma' && step.proc !== undefined && !task.args.hasQueued
    // The stack is no part of the plan: only a fork locks it, and last.
    if (isByVma && (step.proc === 'stack' || !space.locks.isWritten(space.find(start)!.lock)))
      return undefined
    if (!holds(task, mmap)) {
      const queued = step.write ? mmap.write(task) : mmap.read(task)
      if (queued !== undefined) return queued
    }
    return task.args.hasQueued ? this.pass(task.args, step.delayNs) : undefined
  }

  private fault(task: Task<Part>, step: Extract<Step, { kind: 'fault' }>): Outcome | undefined {
    const { args } = task
    const { space, start, file } = this.stage.of(step.mm)
    if (args.fault === undefined) {
      file.lay(args.page, step.waits)
      const access = step.waits.every(({ why }) => isRead(why)) ? 'load' : 'store'
      const now = this.engine.scheduler.now()
      args.fault = faultArgs(space, newVmFault(start + args.page, access, ROOT, now), 'go on')
    }
    const outcome = this.engine.verbs.fault.step(task, args.fault)
    if (outcome.kind === 'wait') return outcome
    assert(outcome.kind === 'done', 'a fault of a replay succeeds')
    args.fault = undefined
    // The next fault is of another page; one that isn't mapped does as well.
    this.engine.mm.rmap.setEntry(space, start + args.page, 0)
    return undefined
  }
}
