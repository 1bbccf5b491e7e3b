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
/** Tasks known to have taken a lock are remembered up to so many. */
const KNOWN_MAX = 1 << 16

interface LockState {
  readonly waits: Map<number, Wait>
  readonly holds: Map<number, Hold>
  /** Holds that another's acquisition ended, whose release may still be told. */
  readonly overtaken: Map<number, Hold>
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
  private readonly held = new Map<number, number>()
  private readonly sinks: LockSinks
  private readonly known = new Set<number>()
  /** The lock that a task waits for. */
  private readonly waiting = new Map<number, LockState>()
  private first = -1
  private order = 0
  private sweepAt = SWEEP_MIN

  constructor(sinks: LockSinks) {
    this.sinks = sinks
  }

  event(record: TraceRecord): void {
    if (this.first === -1) this.first = record.time
    const state = this.stateOf(record.mm)
    const waiting = this.waiting.get(record.tid)
    if (waiting !== undefined && (waiting !== state || record.kind !== Kind.acquired))
      this.unwait(record.tid, waiting)
    if (record.kind === Kind.released) this.released(state, record)
    else {
      if (state.overtaken.size > 0) state.overtaken.delete(record.tid)
      if (record.kind === Kind.start) this.start(state, record)
      else {
        if (waiting === undefined) this.remember(record.tid)
        this.acquired(state, record)
      }
    }
  }

  private stateOf(mm: string): LockState {
    let state = this.mms.get(mm)
    if (state === undefined) {
      if (this.mms.size >= this.sweepAt) this.sweep()
      state = { waits: new Map(), holds: new Map(), overtaken: new Map() }
      this.mms.set(mm, state)
    }
    return state
  }

  /** A task that has died holds nothing. */
  died(tid: number): void {
    for (const state of this.mms.values()) {
      if (state.waits.delete(tid)) this.healed++
      if (this.forget(state, tid)) this.healed++
      state.overtaken.delete(tid)
    }
    this.held.delete(tid)
    this.known.delete(tid)
    this.waiting.delete(tid)
  }

  know(tid: number): void {
    this.known.add(tid)
  }

  /** A task is known to have held the lock of `record` for write since before the first event. */
  heldBefore({ tid, mm, time }: TraceRecord): void {
    if (this.first === -1) this.first = time
    const state = this.stateOf(mm)
    this.held.set(tid, this.heldBy(tid) + 1)
    state.holds.set(tid, { tid, mm, write: true, start: this.first, end: -1, downgraded: -1, begun: false })
  }

  /** Whether a task was seen to ask for a lock, or to take one. */
  knows(tid: number): boolean {
    return this.known.has(tid)
  }

  /** How many locks a task holds. */
  heldBy(tid: number): number {
    return this.held.get(tid) ?? 0
  }

  openWaits(): Wait[] {
    return [...this.mms.values()].flatMap(state => [...state.waits.values()])
  }

  openHolds(): Hold[] {
    return [...this.mms.values()].flatMap(state => [...state.holds.values()])
  }

  waitsOn(mm: string): Iterable<Wait> {
    return this.mms.get(mm)?.waits.values() ?? []
  }

  holdsOn(mm: string): Iterable<Hold> {
    return this.mms.get(mm)?.holds.values() ?? []
  }

  private start(state: LockState, record: TraceRecord): void {
    const { tid, mm, write, time } = record
    this.waiting.set(tid, state)
    state.waits.set(tid, {
      tid,
      mm,
      write,
      start: time,
      order: this.order++,
      end: -1,
      success: false,
      begun: true,
    })
  }

  private remember(tid: number): void {
    if (this.known.size < KNOWN_MAX) this.known.add(tid)
  }

  /** The end of a wait was lost: its task does something else. */
  private unwait(tid: number, state: LockState): void {
    this.waiting.delete(tid)
    if (state.waits.delete(tid)) this.healed++
  }

  private acquired(state: LockState, record: TraceRecord): void {
    const { tid, mm, write, time } = record
    const wait = state.waits.get(tid)
    const own = state.holds.get(tid)
    if (wait === undefined && record.success && !write && own?.write === true) {
      own.write = false
      own.downgraded = time
      return
    }
    state.waits.delete(tid)
    this.waiting.delete(tid)
    if (wait !== undefined) {
      wait.end = time
      wait.success = record.success
    }
    if (!record.success) {
      if (wait !== undefined) this.sinks.waited(wait)
      return
    }
    for (const [holder, hold] of state.holds)
      if (holder === tid || write || hold.write) {
        this.forget(state, holder)
        this.healed++
        if (holder !== tid) {
          hold.end = time
          state.overtaken.set(holder, hold)
        }
      }
    this.held.set(tid, this.heldBy(tid) + 1)
    state.holds.set(tid, { tid, mm, write, start: time, end: -1, downgraded: -1, begun: true })
    if (wait !== undefined) this.sinks.waited(wait)
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
    if (this.known.has(tid)) return
    this.sinks.held({ tid, mm, write, start: this.first, end: time, downgraded: -1, begun: false })
  }

  private forget(state: LockState, tid: number): boolean {
    if (!state.holds.delete(tid)) return false
    this.held.set(tid, this.heldBy(tid) - 1)
    return true
  }

  /** Drops what is free; done seldom, for a lock just released is most likely taken again. */
  private sweep(): void {
    for (const [mm, state] of this.mms)
      if (state.waits.size === 0 && state.holds.size === 0) this.mms.delete(mm)
    for (const [tid, held] of this.held) if (held === 0) this.held.delete(tid)
    this.sweepAt = Math.max(SWEEP_MIN, this.mms.size * 2)
  }
}
