/**
 * The analysis of a trace: takes records one by one, tells inversions as they end, and gives the whole account at the end.
 *
 * An inversion is a wait for an mm's lock, at least `thresholdMs` long, behind a task that the events show in the way. It is
 * explained the moment it ends, while the past still has its window; what is open at the end is explained there.
 *
 *     record -> Locks  (waits, holds)  -.
 *            -> Tasks  (sleeps)        -+-> Past -> explain -> Inversion
 *            -> Devices (in flight)    -'
 *
 * Invariants
 *   A1  Memory depends on the tasks and locks alive and on the thresholds, never on the length of the trace.
 *   A2  Records are taken in order of time; one earlier than the last, as per-CPU clocks give, is taken as it comes.
 */
import { Kind, type TraceRecord } from '../trace/index.ts'
import { type Cause, type Certainty, explain, type Link } from './chain.ts'
import { Devices } from './devices.ts'
import { type Hold, Locks, type Wait } from './locks.ts'
import { type Missing, missingOf } from './missing.ts'
import { Past } from './past.ts'
import { learnMm, type Sleep, type Task, Tasks } from './tasks.ts'
import { type HolderTotals, type LockTotals, Totals, type WorstWait } from './totals.ts'

export interface Inversion {
  readonly waiter: {
    readonly comm: string
    readonly tid: number
    readonly mm: string
    readonly group: string | null
  }
  readonly startSec: number
  /** Null while the wait is open. */
  readonly endSec: number | null
  readonly waitMs: number
  readonly chain: readonly Link[]
  readonly cause: Cause
}

/** Told of each stretch of a task's time when it ends; those open when the trace ends get its end. */
export interface Stretches {
  waited(wait: Wait, task: Task): void
  held(hold: Hold, task: Task): void
  slept(sleep: Sleep, task: Task): void
}

export interface AnalysisOptions {
  readonly thresholdMs: number
  /** Only inversions that this accepts are told and kept. */
  readonly concerns?: (waiter: Task, mm: string) => boolean
  readonly onInversion?: (inversion: Inversion) => void
  readonly stretches?: Stretches
}

export interface Account {
  readonly inversions: readonly Inversion[]
  readonly locks: readonly LockTotals[]
  readonly lostEvents: number
  readonly openWaits: readonly Inversion[]
  readonly worstWaits: readonly WorstWait[]
  readonly waitByCause: readonly { readonly kind: string; readonly waits: number; readonly waitMs: number }[]
  readonly holders: readonly HolderTotals[]
  readonly missing: readonly Missing[]
  readonly trace: {
    readonly startSec: number
    readonly endSec: number
    readonly records: number
    /** Events that contradict earlier ones: what they close was forgotten. */
    readonly healed: number
    readonly unpaired: number
    /** Inversions beyond the INVERSIONS_MAX longest or so, counted but not kept. */
    readonly inversionsNotKept: number
  }
}

export type { Cause, Certainty, HolderTotals, Link, LockTotals, Missing, WorstWait }

const INVERSIONS_MAX = 1000
const BELOW = 'below the threshold'

export class Analysis {
  readonly #options: AnalysisOptions
  readonly #locks = new Locks({ waited: wait => this.#waited(wait), held: hold => this.#held(hold) })
  readonly #tasks = new Tasks(sleep => this.#slept(sleep))
  readonly #devices = new Devices()
  readonly #past = new Past(this.#locks, this.#tasks, this.#devices)
  readonly #totals = new Totals()
  readonly #byCause = new Map<string, { waits: number; waitMs: number }>()
  #inversions: Inversion[] = []
  readonly #counts: number[] = []
  #inversionsNotKept = 0
  #records = 0
  #lostEvents = 0
  #start = -1

  constructor(options: AnalysisOptions) {
    this.#options = options
  }

  // hot: about 300 ns a record.
  readonly take = (record: TraceRecord): void => {
    this.#counts[record.kind] = (this.#counts[record.kind] ?? 0) + 1
    if (record.kind === Kind.lost) {
      this.#lostEvents += record.count
      this.#past.lost()
      return
    }
    this.#records++
    if (this.#start === -1) this.#start = record.time
    if (record.time > this.#past.now) this.#past.now = record.time
    if (record.kind === Kind.stack) {
      const sleep = this.#tasks.get(record.tid)?.sleep
      if (sleep) sleep.frames = record.frames
      return
    }
    const task = this.#tasks.running(record.tid, record.comm, record.time)
    switch (record.kind) {
      case Kind.start:
      case Kind.acquired:
      case Kind.released:
        this.#lock(task, record)
        return
      case Kind.switchOut:
        this.#past.knowsSleeps = true
        this.#tasks.switchedOut(task, record)
        if (record.nextTid !== 0) this.#tasks.running(record.nextTid, record.nextComm, record.time)
        if (record.state[0] === 'X' || record.state[0] === 'Z') this.#died(record.tid)
        return
      case Kind.waking:
        this.#tasks.woken(this.#tasks.named(record.nextTid, record.nextComm), record.tid, record.time)
        return
      case Kind.fault:
        task.faultOpen = true
        return
      case Kind.syscallEnter:
        task.syscall = record.name
        task.faultOpen = false
        return
      case Kind.syscallExit:
        task.syscall = ''
        task.faultOpen = false
        return
      default:
        this.#devices.event(record, this.#past.oldestAsked)
    }
  }

  finish(): Account {
    const { now } = this.#past
    const openWaits = this.#locks.openWaits().map(wait => this.#inversion({ ...wait, end: now }, null))
    this.#tellOpen()
    return {
      inversions: this.#inversions,
      locks: this.#totals.locks(),
      lostEvents: this.#lostEvents,
      openWaits: openWaits.filter(each => each !== null).sort((a, b) => b.waitMs - a.waitMs),
      worstWaits: this.#totals.worstWaits(),
      waitByCause: [...this.#byCause]
        .map(([kind, row]) => ({ kind, ...row }))
        .sort((a, b) => b.waitMs - a.waitMs),
      holders: this.#totals.holders(),
      missing: missingOf(this.#counts),
      trace: {
        startSec: Math.max(0, this.#start) / 1e9,
        endSec: now / 1e9,
        records: this.#records,
        healed: this.#locks.healed,
        unpaired: this.#locks.unpaired,
        inversionsNotKept: this.#inversionsNotKept,
      },
    }
  }

  #lock(task: Task, record: TraceRecord): void {
    if (record.kind === Kind.start) task.waitsFor = record.mm
    else {
      task.waitsFor = ''
      // A lock taken inside another may be a new child's; the outermost is the task's own, or the one /proc shows it.
      if (record.kind === Kind.acquired && task.holds === 0) learnMm(task, record)
    }
    this.#locks.event(record)
    task.holds = this.#locks.heldBy(task.tid)
    // Outside its locks a task has come back from the fault that took them.
    if (record.kind === Kind.released) task.faultOpen = false
  }

  #waited(wait: Wait): void {
    const task = this.#tasks.named(wait.tid, '')
    this.#totals.waited(wait, task.comm)
    this.#options.stretches?.waited(wait, task)
    const waitMs = (wait.end - wait.start) / 1e6
    if (waitMs < this.#options.thresholdMs) this.#blame(BELOW, waitMs)
    else {
      const inversion = this.#inversion(wait, wait.end / 1e9)
      if (inversion !== null) this.#tell(inversion)
    }
    this.#past.waited(wait)
  }

  #tell(inversion: Inversion): void {
    this.#blame(inversion.cause.kind, inversion.waitMs)
    if (inversion.chain.length < 2) return
    this.#inversions.push(inversion)
    if (this.#inversions.length >= 2 * INVERSIONS_MAX) this.#keepLongest()
    this.#options.onInversion?.(inversion)
  }

  #keepLongest(): void {
    const byLength = this.#inversions.map(each => each.waitMs).sort((a, b) => b - a)
    const shortest = byLength[INVERSIONS_MAX - 1]!
    const kept = this.#inversions.filter(each => each.waitMs >= shortest).slice(0, INVERSIONS_MAX)
    this.#inversionsNotKept += this.#inversions.length - kept.length
    this.#inversions = kept
  }

  #inversion(wait: Wait, endSec: number | null): Inversion | null {
    const { tid, mm } = wait
    const task = this.#tasks.named(tid, '')
    if (this.#options.concerns?.(task, mm) === false) return null
    return {
      waiter: { comm: task.comm, tid, mm, group: task.group || null },
      startSec: wait.start / 1e9,
      endSec,
      waitMs: (wait.end - wait.start) / 1e6,
      ...explain(wait, this.#past),
    }
  }

  #blame(kind: string, waitMs: number): void {
    const row = this.#byCause.get(kind)
    if (row === undefined) this.#byCause.set(kind, { waits: 1, waitMs })
    else {
      row.waits++
      row.waitMs += waitMs
    }
  }

  #held(hold: Hold): void {
    const task = this.#tasks.named(hold.tid, '')
    this.#totals.held(hold, task.comm)
    this.#options.stretches?.held(hold, task)
    this.#past.held(hold)
  }

  #slept(sleep: Sleep): void {
    if (sleep.state === 'D') sleep.devices = this.#devices.completedBefore(sleep.end)
    this.#options.stretches?.slept(sleep, this.#tasks.named(sleep.tid, ''))
    this.#past.slept(sleep)
  }

  /** What is open when the trace ends, given its end. */
  #tellOpen(): void {
    const { stretches } = this.#options
    if (stretches === undefined) return
    const { now: end } = this.#past
    for (const wait of this.#locks.openWaits())
      stretches.waited({ ...wait, end }, this.#tasks.named(wait.tid, ''))
    for (const hold of this.#locks.openHolds())
      stretches.held({ ...hold, end }, this.#tasks.named(hold.tid, ''))
    for (const task of this.#tasks.all())
      if (task.sleep !== null) stretches.slept({ ...task.sleep, end }, task)
  }

  #died(tid: number): void {
    this.#locks.died(tid)
    this.#tasks.died(tid)
  }
}
