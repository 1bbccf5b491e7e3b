/**
 * Pressure stall information: what share of time a group lost to waiting for I/O or for memory.
 *
 *     some   at least one of its tasks was stalled
 *     full   at least one was, and none was running
 *
 * Averages over 10, 60 and 300 s are taken in periods of 2 s. Between two changes of state nothing differs, so the
 * periods are caught up with when something changes or somebody looks: there is no tick, and the numbers are those that
 * a tick would have given.
 *
 * Invariants
 *   PU1  full <= some <= the time that passed, for each resource.
 *   PU2  A group's tasks are those of all groups below it.
 *
 * Compare  Linux 6.12 kernel/sched/psi.c: psi_task_change, update_averages, calc_avgs, psi_show. One processor: attempts
 *          run one at a time. Tasks that are neither stalled nor running (asleep, or queued for a lock) count for nothing.
 */
import { broken, type GroupId, type GroupTree, type Ns, SECOND, US } from '../base/index.ts'
import type { Task, Wait, Watcher, Why } from '../sched/index.ts'

export type Resource = 'io' | 'memory'
export type Kind = Resource | 'running'

/** PSI_FREQ, 2 s. */
const PERIOD: Ns = 2 * SECOND
/** include/linux/sched/loadavg.h, and EXP_10s, EXP_60s, EXP_300s: e^(-2/10) and so on. */
const FIXED_1 = 2048
const EXP = [1677, 1981, 2034] as const
/** After so many periods of one state even avg300 has come to rest. */
const PERIODS_MAX = 3600

interface State {
  total: Ns
  /** Of `total`, what the averages have seen. */
  seen: Ns
  readonly averages: [number, number, number]
}

interface Stall {
  readonly some: State
  readonly full: State
}

interface GroupPressure {
  tasks: Record<Kind, number>
  changedAt: Ns
  averagedAt: Ns
  readonly states: Record<Resource, Stall>
}

export class Pressure {
  private readonly tree: GroupTree
  private readonly groups = new Map<GroupId, GroupPressure>()

  constructor(tree: GroupTree) {
    this.tree = tree
  }

  /** A task of `group` begins to be stalled by a resource, or to run. */
  begin(group: GroupId, kind: Kind, now: Ns): void {
    this.change(group, kind, 1, now)
  }

  end(group: GroupId, kind: Kind, now: Ns): void {
    this.change(group, kind, -1, now)
  }

  /** A task goes from one kind to another at once. */
  move(group: GroupId, from: Kind, to: Kind, now: Ns): void {
    for (let id = group; id !== 0; id = this.tree.parent(id)) {
      const pressure = this.of(id, now)
      advance(pressure, now)
      if (count(pressure.tasks, from, -1) < 0) broken(`PU2: what ends was begun (${from} in group ${id})`)
      count(pressure.tasks, to, 1)
    }
  }

  /** The two lines of io.pressure and memory.pressure. */
  read(group: GroupId, resource: Resource, now: Ns): string {
    const pressure = this.of(group, now)
    advance(pressure, now)
    const { some, full } = pressure.states[resource]
    return `some ${line(some)}\nfull ${line(full)}\n`
  }

  /** Time lost, for reports that want numbers. */
  total(group: GroupId, resource: Resource, now: Ns): { readonly some: Ns; readonly full: Ns } {
    const pressure = this.of(group, now)
    advance(pressure, now)
    const { some, full } = pressure.states[resource]
    return { some: some.total, full: full.total }
  }

  private change(group: GroupId, kind: Kind, by: 1 | -1, now: Ns): void {
    for (let id = group; id !== 0; id = this.tree.parent(id)) {
      const pressure = this.of(id, now)
      advance(pressure, now)
      if (count(pressure.tasks, kind, by) < 0) broken(`PU2: what ends was begun (${kind} in group ${id})`)
    }
  }

  private of(group: GroupId, now: Ns): GroupPressure {
    let pressure = this.groups.get(group)
    if (pressure === undefined) {
      const state = (): State => ({ total: 0, seen: 0, averages: [0, 0, 0] })
      pressure = {
        tasks: { io: 0, memory: 0, running: 0 },
        changedAt: now,
        averagedAt: now,
        states: { io: { some: state(), full: state() }, memory: { some: state(), full: state() } },
      }
      this.groups.set(group, pressure)
    }
    return pressure
  }
}

// hot: V8 looks a name that isn't always the same up in tables
function count(tasks: Record<Kind, number>, kind: Kind, by: 1 | -1): number {
  switch (kind) {
    case 'io':
      tasks.io += by
      return tasks.io
    case 'memory':
      tasks.memory += by
      return tasks.memory
    case 'running':
      tasks.running += by
      return tasks.running
  }
}

/** What is said of the resources by why a task waits; undefined: nothing. */
function stallOf(why: Why): Resource | undefined {
  switch (why) {
    case 'read':
    case 'page lock':
    case 'writeback':
    case 'copy':
    case 'reserve':
    case 'metadata':
    case 'device':
    case 'throttle':
      return 'io'
    case 'memory':
      return 'memory'
    default:
      return undefined
  }
}

/** Feeds pressure from the news of the scheduler. */
export class PressureWatcher implements Watcher {
  private readonly pressure: Pressure
  private readonly clock: { now(): Ns }

  constructor(pressure: Pressure, clock: { now(): Ns }) {
    this.pressure = pressure
    this.clock = clock
  }

  began(task: Task): void {
    this.pressure.begin(task.group, 'running', this.clock.now())
  }

  waits(task: Task, wait: Wait): void {
    const now = task.waitingSince
    const stall = stallOf(wait.why)
    if (stall === undefined) this.pressure.end(task.group, 'running', now)
    else this.pressure.move(task.group, 'running', stall, now)
  }

  resumes(task: Task, wait: Wait, waited: Ns): void {
    const now = task.waitingSince + waited
    const stall = stallOf(wait.why)
    if (stall === undefined) this.pressure.begin(task.group, 'running', now)
    else this.pressure.move(task.group, stall, 'running', now)
  }

  ended(task: Task): void {
    this.pressure.end(task.group, 'running', this.clock.now())
  }
}

/** Brings totals and averages to `now`; the tasks were in one state all the time since the last change. */
function advance(pressure: GroupPressure, now: Ns): void {
  let periods = Math.floor((now - pressure.averagedAt) / PERIOD)
  if (periods > PERIODS_MAX) {
    const skipped = (periods - PERIODS_MAX) * PERIOD
    spend(pressure, pressure.averagedAt + skipped)
    pressure.averagedAt += skipped
    periods = PERIODS_MAX
  }
  for (; periods > 0; periods--) {
    pressure.averagedAt += PERIOD
    spend(pressure, pressure.averagedAt)
    for (const state of statesOf(pressure)) average(state)
  }
  spend(pressure, now)
}

function spend(pressure: GroupPressure, until: Ns): void {
  const time = until - pressure.changedAt
  if (time <= 0) return
  pressure.changedAt = until
  const { tasks, states } = pressure
  if (tasks.io > 0) lose(states.io, time, tasks.running)
  if (tasks.memory > 0) lose(states.memory, time, tasks.running)
}

function lose({ some, full }: Stall, time: Ns, running: number): void {
  some.total += time
  if (running === 0) full.total += time
}

function statesOf({ states }: GroupPressure): readonly State[] {
  return [states.io.some, states.io.full, states.memory.some, states.memory.full]
}

/** calc_avgs, at the end of a period. */
function average(state: State): void {
  const sample = Math.min(state.total - state.seen, PERIOD)
  state.seen = state.total
  const percent = Math.floor((sample * 100) / PERIOD) * FIXED_1
  for (let window = 0; window < EXP.length; window++)
    state.averages[window] = calcLoad(state.averages[window]!, EXP[window]!, percent)
}

/** calc_load of include/linux/sched/loadavg.h. */
function calcLoad(load: number, exp: number, active: number): number {
  const roundUp = active >= load ? FIXED_1 - 1 : 0
  return Math.floor((load * exp + active * (FIXED_1 - exp) + roundUp) / FIXED_1)
}

/** psi_show. */
function line({ averages, total }: State): string {
  const [ten, sixty, threeHundred] = averages.map(shownLoad)
  return `avg10=${ten} avg60=${sixty} avg300=${threeHundred} total=${Math.floor(total / US)}`
}

function shownLoad(load: number): string {
  const hundredths = Math.floor(((load % FIXED_1) * 100) / FIXED_1)
  return `${Math.floor(load / FIXED_1)}.${String(hundredths).padStart(2, '0')}`
}
