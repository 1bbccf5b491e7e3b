/**
 * The analysis of a trace: takes records one by one, tells inversions as they end, and gives the whole account at the end.
 *
 * An inversion is a wait for an mm's lock, at least `thresholdMs` long, behind a task that the events show in the way. It is
 * explained soon after it ends, while the past still has its window; what is open at the end is explained there.
 *
 *     record -> Locks  (waits, holds)  -.
 *            -> Tasks  (sleeps)        -+-> Past -> explain -> Inversion
 *            -> Devices (in flight)    -'
 *            -> Requests (of FUSE)    ---> RequestWaiters ------> Inversion
 *
 * Invariants
 *   AY1  Memory depends on the tasks and locks alive and on the thresholds, never on the length of the trace.
 *   AY2  Records are taken in order of time; one earlier than the last, as per-CPU clocks give, is taken as it comes.
 *   AY3  Nothing is certain over a time in which events were lost, on any CPU, even if that is learned later.
 */

import { Kind, type SeenTask, type TraceRecord } from '../trace/index.ts'
import { type Behind, behindOf } from './behind.ts'
import { Blocked } from './blocked.ts'
import { asksForMmapLock, placeOf } from './causes.ts'
import { explain } from './chain.ts'
import type { AskDaemon, DaemonWait, ToldByDaemon } from './daemon-word.ts'
import { Devices } from './devices.ts'
import type { Inversion } from './inversion.ts'
import type { Cause, Certainty, Link, Preemptor } from './link.ts'
import { type Hold, Locks, type Wait } from './locks.ts'
import { type Missing, missingOf } from './missing.ts'
import { Past } from './past.ts'
import { inversionOf, type RequestWait, RequestWaiters } from './request-waiters.ts'
import { Requests } from './requests.ts'
import { chainsOfState, NO_HISTORY } from './state.ts'
import { learnMm, type Runnable, type Sleep, type Task, Tasks } from './tasks.ts'
import { type HolderTotals, type LockTotals, Totals, type WorstWait } from './totals.ts'

/** Told of each stretch of a task's time when it ends; those open when the trace ends get its end. */
export interface Stretches {
  waited(wait: Wait, task: Task): void
  held(hold: Hold, task: Task): void
  slept(sleep: Sleep, task: Task): void
  waitedToRun(runnable: Runnable, task: Task): void
}

export interface AnalysisOptions {
  readonly thresholdMs: number
  /** Only inversions that this accepts are told and kept. */
  readonly concerns?: (waiter: Task, mm: string) => boolean
  readonly onInversion?: (inversion: Inversion) => void
  /** Kinds of events that were recorded: none of them is missing, it was only quiet. */
  readonly recorded?: ReadonlySet<Kind>
  readonly stretches?: Stretches
  /** Hears of each wait for a request of FUSE when it ends; what it is given makes the account of it, with what the daemon has told by then. */
  readonly onRequest?: (tell: () => Inversion) => void
  /** What a daemon of FUSE has told of a request. */
  readonly askDaemon?: AskDaemon
}

export interface Account {
  readonly inversions: readonly Inversion[]
  /** Waits for requests of FUSE: who asked, and the daemon. Those that aren't answered have no end. */
  readonly requests: readonly Inversion[]
  /** The inversions and open waits by the task right behind them: who kept how many waiting. */
  readonly behind: readonly Behind[]
  readonly locks: readonly LockTotals[]
  /** Tasks in dumps of tasks: what is told of them is a state, not a history. */
  readonly tasksSeen: number
  readonly lostEvents: number
  readonly openWaits: readonly Inversion[]
  /** What was under way when the trace began, as the stacks of that moment tell. */
  readonly atStart: readonly Inversion[]
  readonly worstWaits: readonly WorstWait[]
  readonly waitByCause: readonly { readonly kind: string; readonly waits: number; readonly waitMs: number }[]
  readonly holders: readonly HolderTotals[]
  readonly missing: readonly Missing[]
  readonly trace: {
    readonly startSec: number
    readonly endSec: number
    readonly records: number
    /** From when each CPU is known, for buffers that wrapped: what came before on it was overwritten. */
    readonly knownFrom: readonly { readonly cpu: number; readonly sec: number }[]
    /** Events that contradict earlier ones: what they close was forgotten. */
    readonly healed: number
    readonly unpaired: number
    /** Inversions beyond the INVERSIONS_MAX longest or so, counted but not kept. */
    readonly inversionsNotKept: number
  }
}

export type {
  AskDaemon,
  Behind,
  Cause,
  Certainty,
  DaemonWait,
  HolderTotals,
  Link,
  LockTotals,
  Missing,
  Preemptor,
  ToldByDaemon,
  WorstWait,
}

const INVERSIONS_MAX = 1000
const LOSSES_MAX = 4096
/** Between its first running and having the lock that it slept for. */
const JUST_RAN_NS = 5e6
const BELOW = 'below the threshold'
const KINDS = 1 + Math.max(...Object.values(Kind))
/** A wait is explained so long after its end: before Linux 5.16 a release is told after the next acquisition. */
const SETTLE_NS = 1e6

interface Loss {
  readonly start: number
  readonly end: number
}

export class Analysis {
  private readonly options: AnalysisOptions
  private readonly locks = new Locks({ waited: wait => this.waited(wait), held: hold => this.held(hold) })
  private readonly tasks: Tasks = new Tasks({
    slept: sleep => this.slept(sleep),
    waitedToRun: runnable => this.waitedToRun(runnable),
    oldestAsked: () => this.past.oldestAsked(),
  })
  private readonly devices = new Devices()
  private readonly requests = new Requests()
  private readonly past: Past
  private readonly waiters: RequestWaiters
  private readonly totals = new Totals()
  /** Until the first mmap_lock event. */
  private blocked: Blocked | null
  private readonly below = { waits: 0, waitMs: 0 }
  private readonly byCause = new Map<string, { waits: number; waitMs: number }>()
  private inversions: Inversion[] = []
  private requestWaits: RequestWait[] = []
  private readonly evidence = new WeakMap<Inversion, Loss>()
  /** Waits that have ended and aren't explained yet, the earliest end first. */
  private readonly unsettled: { readonly wait: Wait; readonly group: string }[] = []
  private readonly losses: Loss[] = []
  /** When each CPU was last heard of, and first. */
  private readonly heard: number[] = []
  private readonly knownFrom = new Map<number, number>()
  private readonly counts: number[] = new Array(KINDS).fill(0)
  private readonly seen: SeenTask[] = []
  private inversionsNotKept = 0
  private records = 0
  private lostEvents = 0
  private hidesAddresses = false
  private hasWrapped = false
  private start = -1

  constructor(options: AnalysisOptions) {
    this.options = options
    const { locks, tasks, devices, requests } = this
    this.past = new Past(
      { locks, tasks, devices, requests },
      options.askDaemon,
      () => this.unsettled[0]?.wait.start ?? Infinity,
    )
    this.waiters = new RequestWaiters(requests, tasks, this.past, options.thresholdMs)
    this.blocked = new Blocked(options.thresholdMs, tid => this.past.nameOf(tid))
  }

  /** When the last record happened. */
  get now(): number {
    return this.past.now
  }

  /** A task of a dump, or as it was when the trace began; told before the first record. */
  see(task: SeenTask): void {
    this.seen.push(task)
  }

  // hot: about 300 ns a record.
  readonly take = (record: TraceRecord): void => {
    this.counts[record.kind]!++
    if (record.kind === Kind.lost || record.kind === Kind.wrapped) {
      this.lost(record)
      return
    }
    this.records++
    const { time, cpu } = record
    if (this.start === -1) this.begin(time)
    if (time > this.past.now) {
      this.past.now = time
      if (this.unsettled.length !== 0 && time > this.unsettled[0]!.wait.end + SETTLE_NS)
        this.settle(time - SETTLE_NS)
      if (this.blocked !== null) this.tellBlocked(time - SETTLE_NS)
    }
    if (record.kind === Kind.stack) {
      this.tasks.stack(record.tid, record.frames)
      return
    }
    if (cpu >= 0) {
      if (this.heard[cpu] === undefined) this.hear(cpu, time)
      this.heard[cpu] = time
    }
    if (record.kind === Kind.switchOut) {
      this.switched(record)
      return
    }
    const task = this.tasks.running(record.tid, record.comm, time)
    switch (record.kind) {
      case Kind.start:
      case Kind.acquired:
      case Kind.released:
        this.lock(task, record)
        return
      case Kind.asked:
        this.requests.asked(task, record)
        return
      case Kind.answered:
        this.requestWaited(this.waiters.answered(task, record))
        return
      case Kind.waking:
        this.requestWaited(this.waiters.woken(record))
        this.tasks.woken(this.tasks.named(record.nextTid, record.nextComm), record.tid, time)
        return
      case Kind.blocked:
        if (record.frames.length > 0) this.blocked?.told(record.nextTid, record.frames)
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
        this.devices.event(record, this.past.oldestAsked)
    }
  }

  /** The waits for requests that aren't answered. */
  openRequests(): Inversion[] {
    return this.waiters
      .open()
      .filter(each => this.concernsRequest(each))
      .map(each => this.toldRequest(each))
  }

  finish(): Account {
    const { now } = this.past
    this.settle(Infinity)
    this.tellBlocked(Infinity)
    const { concerns } = this.options
    const ofState = chainsOfState(this.seen).filter(
      ({ waiter }) => concerns?.(this.tasks.named(waiter.tid, waiter.comm), waiter.mm) !== false,
    )
    // Without a history a state is all there is; with one, what still sleeps as it did at the beginning still waits.
    const stillWait = ofState.filter(
      ({ waiter }) => this.records === 0 || this.tasks.sleepsSince(waiter.tid, this.start),
    )
    const seenOpen = this.locks
      .openWaits()
      .flatMap(wait => this.inversion({ ...wait, end: now }, this.tasks.get(wait.tid)!.group, null) ?? [])
      .sort((a, b) => b.waitMs - a.waitMs)
    const openWaits = [...seenOpen, ...stillWait]
    const requests = [
      ...longestOf(this.requestWaits).map(each => this.toldRequest(each)),
      ...this.openRequests(),
    ]
    this.tellOpen()
    const inversions = this.inversions.map(each => this.named(each))
    return {
      inversions,
      requests,
      behind: behindOf([...inversions, ...openWaits]),
      tasksSeen: this.seen.length,
      atStart: this.records === 0 ? [] : ofState,
      locks: this.totals.locks(),
      lostEvents: this.lostEvents,
      openWaits,
      worstWaits: this.totals.worstWaits(),
      waitByCause: [...(this.below.waits === 0 ? [] : [[BELOW, this.below] as const]), ...this.byCause]
        .map(([kind, row]) => ({ kind, ...row }))
        .sort((a, b) => b.waitMs - a.waitMs),
      holders: this.totals.holders(),
      missing: [
        ...(this.records === 0 && this.seen.length > 0
          ? [NO_HISTORY]
          : missingOf(this.counts, this.options.recorded)),
        ...(this.hidesAddresses ? [HIDDEN_ADDRESSES] : []),
      ],
      trace: {
        startSec: Math.max(0, this.start) / 1e9,
        endSec: now / 1e9,
        records: this.records,
        knownFrom: this.hasWrapped
          ? [...this.knownFrom].sort((a, b) => a[0] - b[0]).map(([cpu, time]) => ({ cpu, sec: time / 1e9 }))
          : [],
        healed: this.locks.healed,
        unpaired: this.locks.unpaired,
        inversionsNotKept: this.inversionsNotKept,
      },
    }
  }

  private begin(time: number): void {
    this.start = time
    for (const task of this.seen) this.tasks.asleep(task, time)
  }

  private switched(record: TraceRecord): void {
    const { departures } = this.past
    const { tid, time, nextTid, state } = record
    const letter = state[0] ?? 'R'
    if (letter === 'D') departures.uninterruptible = true
    else if (letter !== 'R') departures.other = true
    else if (tid !== 0) departures.runnable = true
    this.tasks.switchedOut(this.tasks.running(tid, record.comm, time), record)
    if (nextTid !== 0) this.tasks.running(nextTid, record.nextComm, time)
    if (letter === 'X' || letter === 'Z') {
      this.locks.died(tid)
      this.tasks.died(tid, time)
    }
  }

  private requestWaited(wait: RequestWait | null): void {
    if (wait === null || !this.concernsRequest(wait)) return
    this.requestWaits.push(wait)
    if (this.requestWaits.length >= 2 * INVERSIONS_MAX) this.requestWaits = longestOf(this.requestWaits)
    this.options.onRequest?.(() => this.toldRequest(wait))
  }

  private concernsRequest({ waiter: { tid }, mm }: RequestWait): boolean {
    return this.options.concerns?.(this.tasks.get(tid)!, mm) !== false
  }

  /** With what the daemon tells by now; nothing of it is certain if what it rests on was lost. */
  private toldRequest(wait: RequestWait): Inversion {
    const evidence = { start: wait.start, end: wait.end ?? this.now }
    const inversion = this.named(inversionOf(wait, this.past.told(wait.asked)))
    return this.losses.some(loss => touch(evidence, loss)) ? uncertain(inversion) : inversion
  }

  private lock(task: Task, record: TraceRecord): void {
    this.blocked = null
    if (isHidden(record.mm)) {
      // One name for every mm: a lock of each task's own keeps its waits apart, and links nobody.
      this.hidesAddresses = true
      this.lockOf(task, { ...record, mm: `${record.mm} of ${record.tid}` })
      return
    }
    this.lockOf(task, record)
  }

  private lockOf(task: Task, record: TraceRecord): void {
    if (record.kind === Kind.start) task.waitsFor = record.mm
    else {
      if (record.kind === Kind.acquired) this.before(task, record)
      task.waitsFor = ''
      // A lock taken inside another may be a new child's; the outermost is the task's own, or the one /proc shows it.
      if (record.kind === Kind.acquired && task.holds === 0) learnMm(task, record)
    }
    task.holds = this.locks.event(record)
    // Outside its locks a task has come back from the fault that took them.
    if (record.kind === Kind.released) task.faultOpen = false
  }

  /**
   * What a lock's first event of a task says of the time before the trace. It slept since the beginning, and has the lock the
   * moment it runs: it waited for it. It slept inside a write hold, and reads now without having asked: that hold was downgraded.
   */
  private before({ tid, ranFirst, framesFirst }: Task, record: TraceRecord): void {
    if (framesFirst.length === 0) return
    const { mm, write, time, success } = record
    const isFirst = !this.hasWrapped && !this.locks.knows(tid) && time - ranFirst <= JUST_RAN_NS
    if (!isFirst) return
    const place = placeOf(framesFirst)
    if (place?.kind === 'vma lock' && !write) this.locks.heldBefore(record)
    else if (place?.kind === 'mmap_lock' || asksForMmapLock(framesFirst)) {
      this.locks.know(tid)
      this.waited({ tid, mm, write, start: this.start, order: -1, end: time, success, begun: false })
    }
  }

  private waited(wait: Wait): void {
    const task = this.tasks.get(wait.tid)!
    this.totals.waited(wait, task.comm)
    this.options.stretches?.waited(wait, task)
    const waitMs = (wait.end - wait.start) / 1e6
    if (waitMs < this.options.thresholdMs) {
      this.below.waits++
      this.below.waitMs += waitMs
    } else this.unsettled.push({ wait, group: task.group })
    this.past.waited(wait)
  }

  /** Explains the waits that ended before `time`. */
  private settle(time: number): void {
    while (this.unsettled.length > 0 && this.unsettled[0]!.wait.end < time) {
      const { wait, group } = this.unsettled[0]!
      const inversion = this.inversion(wait, group, wait.end / 1e9)
      this.unsettled.shift()
      if (inversion !== null) this.tell(inversion)
    }
  }

  /** Waits for an mmap_lock of which only sleeps tell. */
  private tellBlocked(time: number): void {
    for (const inversion of this.blocked?.settle(time) ?? []) {
      const task = this.tasks.named(inversion.waiter.tid, inversion.waiter.comm)
      if (this.options.concerns?.(task, '') !== false) this.tell(inversion)
    }
  }

  private hear(cpu: number, time: number): void {
    this.knownFrom.set(cpu, time)
    if (this.hasWrapped && time > this.start) this.forget({ start: -Infinity, end: time })
  }

  private lost({ kind, cpu, count }: TraceRecord): void {
    const { now } = this.past
    if (kind === Kind.lost) {
      this.lostEvents += count
      // Of an unknown CPU: since the one that has been silent longest. A line that can't be read was of now.
      const since = cpu === -1 ? Math.min(...Object.values(this.heard)) : (this.heard[cpu] ?? -Infinity)
      this.forget({ start: count === 0 ? now : since, end: now })
      return
    }
    this.hasWrapped = true
    for (const time of this.knownFrom.values()) this.forget({ start: -Infinity, end: time })
  }

  /** Events of this time are lost: what rests on it isn't certain (AY3). */
  private forget(loss: Loss): void {
    this.losses.push(loss)
    if (this.losses.length > LOSSES_MAX) {
      const [first, second] = this.losses.splice(0, 2) as [Loss, Loss]
      this.losses.unshift({
        start: Math.min(first.start, second.start),
        end: Math.max(first.end, second.end),
      })
    }
    this.inversions = this.inversions.map(each => {
      const evidence = this.evidence.get(each)
      return evidence === undefined || !touch(evidence, loss) ? each : this.keep(uncertain(each), evidence)
    })
  }

  private keep(inversion: Inversion, evidence: Loss): Inversion {
    this.evidence.set(inversion, evidence)
    return inversion
  }

  /** With names that came later. */
  private named(inversion: Inversion): Inversion {
    const { waiter, chain } = inversion
    if (chain.every(link => link.comm !== '')) return inversion
    const name = <T extends { readonly comm: string; readonly tid: number }>(task: T): T =>
      task.comm === '' ? { ...task, comm: this.past.nameOf(task.tid).comm } : task
    return { ...inversion, waiter: name(waiter), chain: chain.map(name) }
  }

  private tell(inversion: Inversion): void {
    this.blame(inversion.cause.kind, inversion.waitMs)
    if (inversion.chain.length < 2) return
    this.inversions.push(inversion)
    if (this.inversions.length >= 2 * INVERSIONS_MAX) this.keepLongest()
    this.options.onInversion?.(inversion)
  }

  private keepLongest(): void {
    const byLength = this.inversions.map(each => each.waitMs).sort((a, b) => b - a)
    const shortest = byLength[INVERSIONS_MAX - 1]!
    const kept = this.inversions.filter(each => each.waitMs >= shortest).slice(0, INVERSIONS_MAX)
    this.inversionsNotKept += this.inversions.length - kept.length
    this.inversions = kept
  }

  private inversion(wait: Wait, group: string, endSec: number | null): Inversion | null {
    const { tid, mm } = wait
    const task = this.tasks.get(tid)!
    if (this.options.concerns?.(task, mm) === false) return null
    const { chain, cause, evidence } = explain(wait, this.past)
    const inversion = {
      waiter: { comm: task.comm, tid, mm, group: group || null },
      from: 'events' as const,
      startSec: wait.start / 1e9,
      endSec,
      waitMs: (wait.end - wait.start) / 1e6,
      chain,
      cause,
    }
    const isWhole = !this.losses.some(loss => touch(evidence, loss))
    return this.keep(isWhole ? inversion : uncertain(inversion), evidence)
  }

  private blame(kind: string, waitMs: number): void {
    const row = this.byCause.get(kind)
    if (row === undefined) this.byCause.set(kind, { waits: 1, waitMs })
    else {
      row.waits++
      row.waitMs += waitMs
    }
  }

  private held(hold: Hold): void {
    const task = this.tasks.get(hold.tid)!
    if (hold.begun) {
      this.totals.held(hold, task.comm)
      this.options.stretches?.held(hold, task)
    }
    this.past.held(hold)
  }

  private slept(sleep: Sleep): void {
    if (sleep.state === 'D') sleep.devices = this.devices.completedBefore(sleep.end)
    this.options.stretches?.slept(sleep, this.tasks.get(sleep.tid)!)
    this.past.slept(sleep)
    this.blocked?.slept(sleep)
  }

  private waitedToRun(runnable: Runnable): void {
    this.options.stretches?.waitedToRun(runnable, this.tasks.get(runnable.tid)!)
    this.past.waitedToRun(runnable)
  }

  /** What is open when the trace ends, given its end. */
  private tellOpen(): void {
    const { stretches } = this.options
    if (stretches === undefined) return
    const { now: end } = this.past
    for (const wait of this.locks.openWaits()) stretches.waited({ ...wait, end }, this.tasks.get(wait.tid)!)
    for (const hold of this.locks.openHolds()) stretches.held({ ...hold, end }, this.tasks.get(hold.tid)!)
    for (const task of this.tasks.all()) {
      if (task.sleep !== null && this.tasks.matters(task.sleep)) stretches.slept({ ...task.sleep, end }, task)
      if (task.runnable !== null) stretches.waitedToRun({ ...task.runnable, end }, task)
    }
  }
}

const HIDDEN_ADDRESSES: Missing = {
  events: 'addresses of mm_structs',
  cost: 'they all print alike, as (____ptrval____), so whose lock is whose is not known: no wait is linked to a holder; boot with no_hash_pointers, or record with perf or trace-cmd',
}

const PARENTHESIS = 40
const ZERO = 48
/** What kernels print for an address they hide, `(____ptrval____)` or nothing but zeros: the same for every mm. */
function isHidden(mm: string): boolean {
  const first = mm.charCodeAt(0)
  return first === PARENTHESIS || (first === ZERO && mm.charCodeAt(mm.length - 1) === ZERO && /^0+$/.test(mm))
}

function longestOf(waits: readonly RequestWait[]): RequestWait[] {
  return waits.toSorted((a, b) => b.waiter.ms - a.waiter.ms).slice(0, INVERSIONS_MAX)
}

const touch = (a: Loss, b: Loss): boolean => a.start <= b.end && b.start <= a.end

/** The same, with nothing certain in it. */
function uncertain(inversion: Inversion): Inversion {
  const less = <T extends { readonly certainty: Certainty; readonly why: string }>(told: T): T =>
    told.certainty === 'certain'
      ? { ...told, certainty: 'inferred', why: `${told.why}, though some were lost meanwhile` }
      : told
  return { ...inversion, chain: inversion.chain.map(less), cause: less(inversion.cause) }
}
