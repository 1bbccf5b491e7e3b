/**
 * The tasks of a trace: names, whose memory they use, when and where they slept, when they could have run and didn't, and who
 * woke them.
 *
 * A sleep begins when sched_switch takes a task off its CPU in a state other than R, and ends when it is woken
 * (sched_waking), or, if that is not in the trace, when it is next seen to run. A stack that follows the switch says where.
 * A task that leaves in R, or is woken and doesn't run at once, is runnable: others have the CPU, and they are counted.
 *
 *     running --switchOut, state S D ...--> asleep --waking--> runnable --seen running--> running --state X--> dead
 *        '------switchOut, state R------------------------------^
 *
 * Told are stretches that may explain a wait: uninterruptible sleeps, and any stretch of a task that holds or waits for a lock,
 * is in a fault, or asks for or answers requests of FUSE. A server idling in epoll explains nothing.
 *
 * Invariants
 *   KT1  A task has at most one open sleep, and none while it has an open runnable stretch.
 *   KT2  A task seen to run has neither.
 *   KT3  A task that died is known for as long as a wait that began before its death may be explained by it; a tid that comes
 *       back is another task.
 */
import type { SeenTask, TraceRecord } from '../trace/index.ts'
import { isInFault } from './causes.ts'

export interface Sleep {
  readonly tid: number
  readonly start: number
  end: number
  readonly state: string
  /** Innermost first; empty when the trace has no stack for it. */
  frames: readonly string[]
  /** The task that woke it, 0 if unknown. */
  wakerTid: number
  /** The mm whose lock it waited for when it fell asleep, '' if none. */
  readonly waitsFor: string
  /** A fault was open when it fell asleep. */
  readonly inFault: boolean
  readonly syscall: string
  /** The devices that had a request complete shortly before its end, nearest first. */
  devices: readonly CompletedNear[]
}

export interface CompletedNear {
  readonly device: string
  readonly isWrite: boolean
  readonly beforeNs: number
}

/** Able to run, and not running. */
export interface Runnable {
  readonly tid: number
  readonly start: number
  end: number
  /** Where it stood when it lost its CPU; empty when the trace doesn't say, or it was woken. */
  frames: readonly string[]
  /** How long other tasks ran on its CPU meanwhile. */
  readonly others: Map<number, number>
  readonly cpu: number
}

export interface Task {
  comm: string
  readonly tid: number
  /** The mm whose lock it takes as its own, '' while unknown. */
  mm: string
  /** How it is known: a writer's mm is its own, a reader's may be another's. */
  mmFrom: 'write' | 'trylock' | 'read' | 'reads of several' | ''
  group: string
  sleep: Sleep | null
  runnable: Runnable | null
  /** How many locks it holds. */
  holds: number
  /** The mm whose lock it waits for, '' if none. */
  waitsFor: string
  faultOpen: boolean
  /** How many requests of FUSE it has asked for that aren't answered. */
  asks: number
  /** Since when it is known to answer such, -1 if it isn't: its sleeps are told from then on. */
  answersSince: number
  syscall: string
  /** Where it slept when the trace began; empty if it didn't, or that isn't known. */
  framesFirst: readonly string[]
  /** When it was first seen to run, -1 if it wasn't. */
  ranFirst: number
  /** When it died, -1 while it lives. */
  died: number
}

export interface TaskSinks {
  slept(sleep: Sleep): void
  waitedToRun(runnable: Runnable): void
  /** No window will begin before this. */
  oldestAsked(): number
}

const TASKS_MAX = 1 << 17
const DEAD_MAX = 1024
/** So many preempted tasks of a CPU are followed. */
const PREEMPTED_MAX = 32
/** A wait to run shorter than this explains nothing, unless the task holds a lock. */
const RUNNABLE_MIN_NS = 1e6
/** How much a lock says of whose mm it is. */
const RANK = { '': 0, 'reads of several': 0, read: 1, trylock: 2, write: 3 } as const

export class Tasks {
  private readonly byTid = new Map<number, Task>()
  private readonly sinks: TaskSinks
  /** By CPU: since when its present task runs, and who lost it and waits. */
  private readonly since: number[] = []
  private readonly preempted: Runnable[][] = []
  private dead = 0

  constructor(sinks: TaskSinks) {
    this.sinks = sinks
  }

  /** The task of this id that lives, or the last that did. */
  get(tid: number): Task | undefined {
    return this.byTid.get(tid)
  }

  all(): Iterable<Task> {
    return this.byTid.values()
  }

  /** The task of an event: it runs, so it isn't asleep (KT2). */
  running(tid: number, comm: string, time: number): Task {
    const task = this.named(tid, comm)
    if (task.sleep !== null) this.endSleep(task, time)
    if (task.runnable !== null) this.endRunnable(task, time)
    if (task.ranFirst === -1) task.ranFirst = time
    return task
  }

  /** A task that slept when the trace began. */
  asleep({ tid, comm, state, frames }: SeenTask, time: number): void {
    const task = this.named(tid, comm)
    if (state === 'R' || state === '') return
    task.framesFirst = frames
    const nothing = { end: -1, wakerTid: 0, waitsFor: '', syscall: '', devices: [] }
    task.sleep = { ...nothing, tid, start: time, state, frames, inFault: isInFault(frames) }
  }

  /** Whether a task has slept since `time`. */
  sleepsSince(tid: number, time: number): boolean {
    const sleep = this.byTid.get(tid)?.sleep
    return sleep !== undefined && sleep !== null && sleep.start <= time
  }

  named(tid: number, comm: string): Task {
    let task = this.byTid.get(tid)
    if (task === undefined || task.died !== -1) {
      if (this.byTid.size >= TASKS_MAX) this.forgetIdle()
      task = {
        comm: isName(comm) ? comm : '',
        tid,
        mm: '',
        mmFrom: '',
        group: '',
        sleep: null,
        runnable: null,
        holds: 0,
        waitsFor: '',
        faultOpen: false,
        asks: 0,
        answersSince: -1,
        syscall: '',
        framesFirst: [],
        ranFirst: -1,
        died: -1,
      }
      this.byTid.set(tid, task)
    } else if (task.comm !== comm && isName(comm) && !isCut(comm, task.comm)) task.comm = comm
    return task
  }

  switchedOut(task: Task, record: TraceRecord): void {
    const { cpu, time, tid } = record
    if (cpu >= 0) this.ran(cpu, tid, time)
    const state = record.state[0] ?? 'R'
    if (state === 'R') {
      if (tid !== 0) this.preempt(task, cpu, time)
      return
    }
    if (state === 'X' || state === 'Z') return
    task.sleep = {
      tid,
      start: time,
      end: -1,
      state,
      frames: [],
      wakerTid: 0,
      waitsFor: task.waitsFor,
      inFault: task.faultOpen,
      syscall: task.syscall,
      devices: [],
    }
  }

  woken(task: Task, wakerTid: number, time: number): void {
    if (task.sleep === null) return
    task.sleep.wakerTid = wakerTid
    this.endSleep(task, time)
    if (task.holds > 0 || task.waitsFor !== '')
      task.runnable = { tid: task.tid, start: time, end: -1, frames: [], others: new Map(), cpu: -1 }
  }

  /** The stack of the stretch that began last. */
  stack(tid: number, frames: readonly string[]): void {
    const task = this.byTid.get(tid)
    if (task === undefined) return
    if (task.sleep !== null) task.sleep.frames = frames
    else if (task.runnable !== null) task.runnable.frames = frames
  }

  died(tid: number, time: number): void {
    const task = this.byTid.get(tid)
    if (task === undefined) return
    task.died = time
    if (++this.dead < DEAD_MAX) return
    const oldest = this.sinks.oldestAsked()
    for (const [each, { died }] of this.byTid) if (died !== -1 && died < oldest) this.byTid.delete(each)
    this.dead = 0
  }

  /** Whether a stretch may explain a wait. */
  matters(stretch: Sleep | Runnable): boolean {
    const task = this.byTid.get(stretch.tid)
    if (task === undefined || task.holds > 0 || task.waitsFor !== '' || task.faultOpen) return true
    if (task.asks > 0 || task.answersSince !== -1) return true
    if ('state' in stretch && (stretch.state === 'D' || stretch.waitsFor !== '' || stretch.inFault))
      return true
    return stretch.frames.length > 0 && isInFault(stretch.frames)
  }

  private endSleep(task: Task, time: number): void {
    const sleep = task.sleep!
    task.sleep = null
    sleep.end = time
    if (this.matters(sleep)) this.sinks.slept(sleep)
  }

  private preempt(task: Task, cpu: number, time: number): void {
    const runnable: Runnable = { tid: task.tid, start: time, end: -1, frames: [], others: new Map(), cpu }
    task.runnable = runnable
    if (cpu < 0) return
    this.preempted[cpu] ??= []
    const waiting = this.preempted[cpu]
    if (waiting.length < PREEMPTED_MAX) waiting.push(runnable)
    else if (task.holds > 0) waiting[time % PREEMPTED_MAX] = runnable
  }

  private endRunnable(task: Task, time: number): void {
    const runnable = task.runnable!
    task.runnable = null
    runnable.end = time
    if (runnable.cpu !== -1) {
      const waiting = this.preempted[runnable.cpu]!
      const at = waiting.indexOf(runnable)
      if (at !== -1) waiting.splice(at, 1)
    }
    if (
      task.holds > 0 ||
      task.waitsFor !== '' ||
      (time - runnable.start >= RUNNABLE_MIN_NS && this.matters(runnable))
    )
      this.sinks.waitedToRun(runnable)
  }

  /** A task has had the CPU until now: whoever lost it waited for that. */
  private ran(cpu: number, tid: number, time: number): void {
    const since = this.since[cpu] ?? time
    this.since[cpu] = time
    const waiting = this.preempted[cpu]
    if (waiting === undefined || waiting.length === 0) return
    for (const { start, others } of waiting) {
      const ran = time - Math.max(since, start)
      if (ran > 0) others.set(tid, (others.get(tid) ?? 0) + ran)
    }
  }

  private forgetIdle(): void {
    for (const [tid, { sleep, holds, waitsFor }] of this.byTid)
      if (holds === 0 && waitsFor === '' && sleep?.state !== 'D') this.byTid.delete(tid)
  }
}

/** What tools print for a task whose name they don't know is none: nothing, `<...>`, `:4711`, `other`. */
const isName = (comm: string): boolean =>
  comm !== '' && comm !== '<...>' && comm !== 'other' && comm[0] !== ':'

/** The latency format of ftrace cuts names to 8. */
const isCut = (comm: string, known: string): boolean => comm.length === 8 && known.startsWith(comm)

const isRoot = (group: string): boolean => group === '1' || group === '/'

/** Learns whose mm a task uses, and which cgroup pays for it now. Called for a lock taken while it holds no other. */
export function learnMm(task: Task, record: TraceRecord): void {
  const from = record.write ? 'write' : record.success ? 'read' : 'trylock'
  if (task.mm === record.mm) {
    task.group = record.group
    if (from !== task.mmFrom && RANK[from] > RANK[task.mmFrom]) task.mmFrom = from
    return
  }
  // Whoever drops the last use of another's mm tears it down, under its lock for write; it has no owner then, so no cgroup.
  const isTearDown = task.group !== '' && !isRoot(task.group) && isRoot(record.group)
  if (RANK[from] < RANK[task.mmFrom] || isTearDown) return
  // A task that only reads, and reads several, looks into the memory of others: its own isn't known.
  const isForeign = from === 'read' && task.mmFrom.startsWith('read')
  task.mm = isForeign ? '' : record.mm
  task.mmFrom = isForeign ? 'reads of several' : from
  task.group = isForeign ? '' : record.group
}
