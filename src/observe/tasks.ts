/**
 * The tasks of a trace: names, whose memory they use, when and where they slept, and who woke them.
 *
 * A sleep begins when sched_switch takes a task off its CPU in a state other than R, and ends when it is woken
 * (sched_waking), or, if that is not in the trace, when it is next seen to run. A stack that follows the switch says where.
 *
 *     running --switchOut, state S D ...--> asleep --waking--> runnable --seen running--> running
 *        '------switchOut, state R------------------------------^
 *
 * Kept are sleeps that may explain a wait: uninterruptible ones, and any sleep of a task that holds or waits for a lock or
 * has a fault open. A server idling in epoll explains nothing.
 *
 * Invariants
 *   K1  A task has at most one open sleep.
 *   K2  A task seen to run has none.
 */
import type { TraceRecord } from '../trace/index.ts'

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

export interface Task {
  comm: string
  readonly tid: number
  /** The mm whose lock it takes as its own, '' while unknown. */
  mm: string
  /** How it is known: a writer's mm is its own, a reader's may be another's. */
  mmFrom: 'write' | 'trylock' | 'read' | ''
  group: string
  sleep: Sleep | null
  /** How many locks it holds. */
  holds: number
  /** The mm whose lock it waits for, '' if none. */
  waitsFor: string
  faultOpen: boolean
  syscall: string
}

const TASKS_MAX = 1 << 17
/** How much a lock says of whose mm it is. */
const RANK = { '': 0, read: 1, trylock: 2, write: 3 } as const

export class Tasks {
  readonly #byTid = new Map<number, Task>()
  readonly #slept: (sleep: Sleep) => void

  constructor(slept: (sleep: Sleep) => void) {
    this.#slept = slept
  }

  get(tid: number): Task | undefined {
    return this.#byTid.get(tid)
  }

  all(): Iterable<Task> {
    return this.#byTid.values()
  }

  /** The task of an event: it runs, so it isn't asleep (K2). */
  running(tid: number, comm: string, time: number): Task {
    const task = this.named(tid, comm)
    if (task.sleep !== null) this.#endSleep(task, time)
    return task
  }

  named(tid: number, comm: string): Task {
    let task = this.#byTid.get(tid)
    if (task === undefined) {
      if (this.#byTid.size >= TASKS_MAX) this.#forgetIdle()
      task = {
        comm,
        tid,
        mm: '',
        mmFrom: '',
        group: '',
        sleep: null,
        holds: 0,
        waitsFor: '',
        faultOpen: false,
        syscall: '',
      }
      this.#byTid.set(tid, task)
    } else if (comm !== '' && comm !== 'other' && task.comm !== comm) task.comm = comm
    return task
  }

  switchedOut(task: Task, record: TraceRecord): void {
    const state = record.state[0] ?? 'R'
    if (state === 'R') return
    if (state !== 'D' && task.holds === 0 && task.waitsFor === '' && !task.faultOpen) return
    task.sleep = {
      tid: task.tid,
      start: record.time,
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
    this.#endSleep(task, time)
  }

  died(tid: number): void {
    this.#byTid.delete(tid)
  }

  #endSleep(task: Task, time: number): void {
    const sleep = task.sleep!
    task.sleep = null
    sleep.end = time
    this.#slept(sleep)
  }

  #forgetIdle(): void {
    for (const [tid, task] of this.#byTid)
      if (task.sleep === null && task.holds === 0) this.#byTid.delete(tid)
  }
}

/** Learns whose mm a task uses. Called for a lock taken while it holds no other. */
export function learnMm(task: Task, record: TraceRecord): void {
  const from = record.write ? 'write' : record.success ? 'read' : 'trylock'
  if (RANK[from] < RANK[task.mmFrom]) return
  task.mm = record.mm
  task.mmFrom = from
  task.group = record.group
}
