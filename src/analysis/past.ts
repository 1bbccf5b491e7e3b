/**
 * What is known of the time behind us, asked by window: closed intervals from the histories together with those still open.
 *
 * Everything chain.ts looks at comes from here; an open interval is given an end at `now`, so that a window of the present
 * reads like one of the past.
 */
import type { AskDaemon, ToldByDaemon } from './daemon-word.ts'
import type { Devices } from './devices.ts'
import { History } from './history.ts'
import type { Hold, Locks, Wait } from './locks.ts'
import type { Asked, Requests } from './requests.ts'
import type { Runnable, Sleep, Task, Tasks } from './tasks.ts'

export class Past {
  now = 0
  /** Which departures sched_switch has told of: sleeps in D, other sleeps, and tasks that could have gone on. */
  readonly departures = { uninterruptible: false, other: false, runnable: false }
  private readonly locks: Locks
  private readonly tasks: Tasks
  private readonly devices: Devices
  private readonly requests: Requests
  private readonly askDaemon: AskDaemon | undefined
  private readonly unsettled: () => number
  private readonly endedWaits = new History<Wait>()
  private readonly endedHolds = new History<Hold>()
  private readonly endedSleeps = new History<Sleep>()
  private readonly endedRunnables = new History<Runnable>()

  /** `unsettled` gives the beginning of the earliest wait that has ended and isn't explained yet, or Infinity. */
  constructor(
    {
      locks,
      tasks,
      devices,
      requests,
    }: {
      readonly locks: Locks
      readonly tasks: Tasks
      readonly devices: Devices
      readonly requests: Requests
    },
    askDaemon: AskDaemon | undefined,
    unsettled: () => number,
  ) {
    this.locks = locks
    this.tasks = tasks
    this.devices = devices
    this.requests = requests
    this.askDaemon = askDaemon
    this.unsettled = unsettled
  }

  waited(wait: Wait): void {
    this.endedWaits.add(wait, this.oldestAsked)
  }

  held(hold: Hold): void {
    this.endedHolds.add(hold, this.oldestAsked)
  }

  slept(sleep: Sleep): void {
    this.endedSleeps.add(sleep, this.oldestAsked)
  }

  waitedToRun(runnable: Runnable): void {
    this.endedRunnables.add(runnable, this.oldestAsked)
  }

  /** No window will begin before this. */
  readonly oldestAsked = (): number =>
    this.locks
      .openWaits()
      .reduce(
        (oldest, wait) => Math.min(oldest, wait.start),
        Math.min(this.now, this.unsettled(), this.requests.oldest),
      )

  task(tid: number): Task | undefined {
    return this.tasks.get(tid)
  }

  nameOf(tid: number): { comm: string; tid: number; group: string | null } {
    const task = this.tasks.get(tid)
    return { comm: task?.comm ?? '', tid, group: task?.group || null }
  }

  *holds(mm: string, start: number, end: number): Generator<Hold> {
    for (const hold of this.locks.holdsOn(mm))
      if (hold.start < end) yield { ...hold, end: Math.max(end, this.now) }
    for (const hold of this.endedHolds.overlapping(start, end)) if (hold.mm === mm) yield hold
  }

  *waitsOn(mm: string, start: number, end: number): Generator<Wait> {
    for (const wait of this.locks.waitsOn(mm))
      if (wait.start < end) yield { ...wait, end: Math.max(end, this.now) }
    for (const wait of this.endedWaits.overlapping(start, end)) if (wait.mm === mm) yield wait
  }

  *waits(tid: number, start: number, end: number): Generator<Wait> {
    for (const wait of this.locks.openWaits())
      if (wait.tid === tid && wait.start < end) yield { ...wait, end: this.now }
    for (const wait of this.endedWaits.overlapping(start, end)) if (wait.tid === tid) yield wait
  }

  *sleeps(tid: number, start: number, end: number): Generator<Sleep> {
    const open = this.tasks.get(tid)?.sleep ?? null
    if (open !== null && open.start < end) yield { ...open, end: this.now }
    for (const sleep of this.endedSleeps.overlapping(start, end)) if (sleep.tid === tid) yield sleep
  }

  *sleepsDuring(start: number, end: number): Generator<Sleep> {
    for (const { sleep } of this.tasks.all())
      if (sleep !== null && sleep.start < end && this.tasks.matters(sleep)) yield { ...sleep, end: this.now }
    yield* this.endedSleeps.overlapping(start, end)
  }

  *runnables(tid: number, start: number, end: number): Generator<Runnable> {
    const open = this.tasks.get(tid)?.runnable ?? null
    if (open !== null && open.start < end) yield { ...open, end: this.now }
    for (const each of this.endedRunnables.overlapping(start, end)) if (each.tid === tid) yield each
  }

  /** The request of FUSE that a sleeper waited for. */
  requestOf(sleep: Sleep): Asked | undefined {
    return this.requests.of(sleep)
  }

  daemonOf(connection: string): number {
    return this.requests.daemonOf(connection)
  }

  /** What the daemon itself tells of a request. */
  told({ connection, unique }: Asked): ToldByDaemon | undefined {
    return this.askDaemon?.(connection, unique)
  }

  busyNs(device: string, start: number, end: number): number {
    return this.devices.busyNs(device, start, end)
  }

  /** The device of a request in flight for most of a sleep that hasn't ended. */
  stillInFlight(sleep: Sleep): string | null {
    return sleep.end === this.now ? this.devices.oldestInFlight(this.now, sleep.start) : null
  }
}
