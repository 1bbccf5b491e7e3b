/**
 * Who holds and who waits for each mm's lock: pairs mmap_lock events into waits and holds.
 *
 *   event of (tid, mm)                                           what it does                          state after
 *   start                                                        opens a wait                          waiting
 *   acquired, success=false                                      closes the wait; nothing is held      as before the start
 *   acquired, success=true                                       closes the wait, opens a hold         holding
 *   acquired write=false, no wait open, holding write            downgrade: the hold is read from now  holding (read)
 *   released                                                     closes the hold                       free
 *   released, and the task was never seen with this lock         a hold whose beginning wasn't seen    free
 *   the task dies                                                forgets its waits and holds           free
 *
 * The key is (tid, mm): a reader of /proc takes the lock of another's mm, and fork holds two.
 *
 * Invariants
 *   LP1  An mm has one writer, or readers only. An acquisition that breaks this proves that a release was lost: the
 *       earlier hold is forgotten (`healed`), not guessed. But before Linux 5.16 a release is told after it was done: when
 *       it comes soon, and nothing of the same task before it, the hold ended when the next began.
 *   LP2  A task waits once for an mm; a second start proves that the end of the first was lost.
 *   LP3  Every wait, and every hold, is told once, at its end; those open at the end are in
 *       `openWaits` and `openHolds`.
 */
import { Kind, type TraceRecord } from '../trace/index.ts'

export interface Wait {
  readonly tid: number
  readonly mm: string
  readonly write: boolean
  readonly start: number
  /** Its place among all waits: what came first when two began at the same time. */
  readonly order: number
  end: number
  /** False for a trylock that failed and a wait that a signal ended. */
  success: boolean
  /** False if only its end was seen: it began before the trace did, and `start` is where the trace begins. */
  readonly begun: boolean
}

export interface Hold {
  readonly tid: number
  readonly mm: string
  /** False from a downgrade on. */
  write: boolean
  readonly start: number
  end: number
  /** When a write hold became a read hold; -1 if it never did. */
  downgraded: number
  /** False if only its release was seen: it began before the trace did, and `start` is where the trace begins. */
  readonly begun: boolean
}

const SWEEP_MIN = 1024
/** A release may be told so long after it was done: the task may lose its CPU in between. */
const LATE_NS = 10e6
/** Tasks seen with a lock are remembered up to so many, and those that hold or wait for one beyond. */
const TASKS_MAX = 1 << 16

interface LockState {
  readonly holds: Map<number, Hold>
  /** How many of the holds are for write. */
  writers: number
  /** Holds that another's acquisition ended, whose release may still be told. */
  readonly overtaken: Map<number, Hold>
}

interface LockTask {
  wait: Wait | null
  /** How many locks it holds. */
  held: number
}

export interface LockSinks {
  waited(wait: Wait): void
  held(hold: Hold): void
}

export class Locks {
  /** Holds and waits forgotten because a later event contradicts them, and releases of nothing. */
  healed = 0
  unpaired = 0
  private readonly mms = new Map<string, LockState>()
  /** Those that were seen to ask for a lock, or to take one. */
  private readonly tasks = new Map<number, LockTask>()
  private readonly sinks: LockSinks
  private first = -1
  private order = 0
  private sweepAt = SWEEP_MIN
  private sweepTasksAt = TASKS_MAX

  constructor(sinks: LockSinks) {
    this.sinks = sinks
  }

  /** How many locks its task holds then. */
  // hot: about 100 ns an event.
  event(record: TraceRecord): number {
    const { kind, tid, mm } = record
    if (this.first === -1) this.first = record.time
    const state = this.stateOf(mm)
    const known = this.tasks.get(tid)
    if (known !== undefined && known.wait !== null && (kind !== Kind.acquired || known.wait.mm !== mm)) {
      // The end of its wait was lost: it does something else.
      known.wait = null
      this.healed++
    }
    if (kind === Kind.released) {
      this.released(state, record)
      return known === undefined ? 0 : known.held
    }
    if (state.overtaken.size > 0) state.overtaken.delete(tid)
    const task = known ?? this.know(tid)
    if (kind === Kind.start) this.start(task, record)
    else this.acquired(state, task, record)
    return task.held
  }

  private stateOf(mm: string): LockState {
    let state = this.mms.get(mm)
    if (state === undefined) {
      if (this.mms.size >= this.sweepAt) this.sweep()
      state = { holds: new Map(), writers: 0, overtaken: new Map() }
      this.mms.set(mm, state)
    }
    return state
  }

  /** A task that has died holds nothing. */
  died(tid: number): void {
    const task = this.tasks.get(tid)
    if (task === undefined) return
    if (task.wait !== null) this.healed++
    if (task.held > 0) for (const state of this.mms.values()) if (this.forget(state, tid)) this.healed++
    this.tasks.delete(tid)
  }

  know(tid: number): LockTask {
    if (this.tasks.size >= this.sweepTasksAt) this.sweepTasks()
    const task = { wait: null, held: 0 }
    this.tasks.set(tid, task)
    return task
  }

  /** A task is known to have held the lock of `record` for write since before the first event. */
  heldBefore({ tid, mm, time }: TraceRecord): void {
    if (this.first === -1) this.first = time
    const start = this.first
    this.hold(this.stateOf(mm), this.tasks.get(tid) ?? this.know(tid), {
      tid,
      mm,
      write: true,
      start,
      end: -1,
      downgraded: -1,
      begun: false,
    })
  }

  /** Whether a task was seen to ask for a lock, or to take one. */
  knows(tid: number): boolean {
    return this.tasks.has(tid)
  }

  /** The earliest first. */
  openWaits(): Wait[] {
    const open: Wait[] = []
    for (const { wait } of this.tasks.values()) if (wait !== null) open.push(wait)
    return open.sort((a, b) => a.order - b.order)
  }

  openHolds(): Hold[] {
    return [...this.mms.values()].flatMap(state => [...state.holds.values()])
  }

  waitsOn(mm: string): Wait[] {
    return this.openWaits().filter(wait => wait.mm === mm)
  }

  holdsOn(mm: string): Iterable<Hold> {
    return this.mms.get(mm)?.holds.values() ?? []
  }

  private start(task: LockTask, record: TraceRecord): void {
    task.wait = {
      tid: record.tid,
      mm: record.mm,
      write: record.write,
      start: record.time,
      order: this.order++,
      end: -1,
      success: false,
      begun: true,
    }
  }

  private acquired(state: LockState, task: LockTask, record: TraceRecord): void {
    const { tid, mm, write, time, success } = record
    const { wait } = task
    if (wait === null && success && !write && state.writers > 0) {
      const own = state.holds.get(tid)
      if (own?.write === true) {
        own.write = false
        own.downgraded = time
        state.writers--
        return
      }
    }
    task.wait = null
    if (wait !== null) {
      wait.end = time
      wait.success = success
    }
    if (success) {
      if (state.holds.size > 0) this.overtake(state, record)
      this.hold(state, task, { tid, mm, write, start: time, end: -1, downgraded: -1, begun: true })
    }
    if (wait !== null) this.sinks.waited(wait)
  }

  /** Ends the holds that an acquisition contradicts (LP1). */
  private overtake(state: LockState, { tid, write, time }: TraceRecord): void {
    if (!write && state.writers === 0 && !state.holds.has(tid)) return
    for (const [holder, { end }] of state.overtaken) if (time - end > LATE_NS) state.overtaken.delete(holder)
    for (const [holder, hold] of state.holds)
      if (holder === tid || write || hold.write) {
        this.forget(state, holder)
        this.healed++
        if (holder !== tid) {
          hold.end = time
          state.overtaken.set(holder, hold)
        }
      }
  }

  private released(state: LockState, record: TraceRecord): void {
    const { tid, mm, write, time } = record
    const hold = state.holds.get(tid)
    if (hold !== undefined) {
      this.forget(state, tid)
      hold.end = time
      this.sinks.held(hold)
      return
    }
    const overtaken = state.overtaken.get(tid)
    if (overtaken !== undefined && time - overtaken.end <= LATE_NS) {
      state.overtaken.delete(tid)
      this.healed--
      this.sinks.held(overtaken)
      return
    }
    this.unpaired++
    if (this.knows(tid)) return
    this.sinks.held({ tid, mm, write, start: this.first, end: time, downgraded: -1, begun: false })
  }

  private hold(state: LockState, task: LockTask, hold: Hold): void {
    state.holds.set(hold.tid, hold)
    if (hold.write) state.writers++
    task.held++
  }

  private forget(state: LockState, tid: number): boolean {
    const hold = state.holds.get(tid)
    if (hold === undefined) return false
    state.holds.delete(tid)
    if (hold.write) state.writers--
    this.tasks.get(tid)!.held--
    return true
  }

  /** Drops what is free; done seldom, for a lock just released is most likely taken again. */
  private sweep(): void {
    for (const [mm, { holds }] of this.mms) if (holds.size === 0) this.mms.delete(mm)
    this.sweepAt = Math.max(SWEEP_MIN, this.mms.size * 2)
  }

  private sweepTasks(): void {
    for (const [tid, { wait, held }] of this.tasks) if (wait === null && held === 0) this.tasks.delete(tid)
    this.sweepTasksAt = Math.max(TASKS_MAX, this.tasks.size * 2)
  }
}
