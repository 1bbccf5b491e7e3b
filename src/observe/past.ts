/**
 * What is known of the time behind us, asked by window: closed intervals from the histories together with those still open.
 *
 * Everything chain.ts looks at comes from here; an open interval is given an end at `now`, so that a window of the present
 * reads like one of the past.
 */
import type { Devices } from './devices.ts'
import { History } from './history.ts'
import type { Hold, Locks, Wait } from './locks.ts'
import type { Sleep, Task, Tasks } from './tasks.ts'

export class Past {
  now = 0
  /** The trace has sched_switch. */
  knowsSleeps = false
  readonly #locks: Locks
  readonly #tasks: Tasks
  readonly #devices: Devices
  readonly #waits = new History<Wait>()
  readonly #holds = new History<Hold>()
  readonly #sleeps = new History<Sleep>()
  readonly #losses: number[] = []

  constructor(locks: Locks, tasks: Tasks, devices: Devices) {
    this.#locks = locks
    this.#tasks = tasks
    this.#devices = devices
  }

  waited(wait: Wait): void {
    this.#waits.add(wait, this.oldestAsked)
  }

  held(hold: Hold): void {
    this.#holds.add(hold, this.oldestAsked)
  }

  slept(sleep: Sleep): void {
    this.#sleeps.add(sleep, this.oldestAsked)
  }

  lost(): void {
    this.#losses.push(this.now)
    if (this.#losses.length > 1024) this.#losses.splice(0, 512)
  }

  /** No window will begin before this. */
  readonly oldestAsked = (): number =>
    this.#locks.openWaits().reduce((oldest, wait) => Math.min(oldest, wait.start), this.now)

  task(tid: number): Task | undefined {
    return this.#tasks.get(tid)
  }

  nameOf(tid: number): { comm: string; tid: number; group: string | null } {
    const task = this.#tasks.get(tid)
    return { comm: task?.comm ?? '', tid, group: task?.group || null }
  }

  *holds(mm: string, start: number, end: number): Generator<Hold> {
    for (const hold of this.#locks.holdsOn(mm))
      if (hold.start < end) yield { ...hold, end: Math.max(end, this.now) }
    for (const hold of this.#holds.overlapping(start, end)) if (hold.mm === mm) yield hold
  }

  *waitsOn(mm: string, start: number, end: number): Generator<Wait> {
    for (const wait of this.#locks.waitsOn(mm))
      if (wait.start < end) yield { ...wait, end: Math.max(end, this.now) }
    for (const wait of this.#waits.overlapping(start, end)) if (wait.mm === mm) yield wait
  }

  *waits(tid: number, start: number, end: number): Generator<Wait> {
    for (const wait of this.#locks.openWaits())
      if (wait.tid === tid && wait.start < end) yield { ...wait, end: this.now }
    for (const wait of this.#waits.overlapping(start, end)) if (wait.tid === tid) yield wait
  }

  *sleeps(tid: number, start: number, end: number): Generator<Sleep> {
    for (const sleep of this.sleepsDuring(start, end)) if (sleep.tid === tid) yield sleep
  }

  *sleepsDuring(start: number, end: number): Generator<Sleep> {
    for (const task of this.#tasks.all())
      if (task.sleep !== null && task.sleep.start < end) yield { ...task.sleep, end: this.now }
    yield* this.#sleeps.overlapping(start, end)
  }

  lostDuring(start: number, end: number): boolean {
    return this.#losses.some(time => time >= start && time <= end)
  }

  busyNs(device: string, start: number, end: number): number {
    return this.#devices.busyNs(device, start, end)
  }

  /** The device of a request in flight for most of a sleep that hasn't ended. */
  stillInFlight(sleep: Sleep): string | null {
    return sleep.end === this.now ? this.#devices.oldestInFlight(this.now, sleep.start) : null
  }
}
