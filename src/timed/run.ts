/**
 * Plays one workload under one discipline on a simulated clock, and says what it showed.
 *
 *     set the stage (time passes, nothing counts) -> actors begin -> `seconds` pass: nobody begins anew
 *         -> everyone's last call is seen to its end, for DRAIN at most; what is open then counts with its time so far
 *
 * Invariants
 *   TN1 The same workload, discipline, seed and seconds give the same result, to the byte of its JSON, on every engine:
 *       time is simulated, chance is seeded, and no function that engines round differently is used.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { byName, type GroupId, MS, type Ns, namesOf, SECOND } from '../base/index.ts'
import type { Discipline } from '../mm/index.ts'
import type { Timeline } from '../report/index.ts'
import type { Task, Watcher } from '../sched/index.ts'
import { type Latencies, type LockWait, LockWaits, Recorder, summarize } from '../watch/index.ts'
import type { KernelTrait } from './kernel-traits.ts'
import { Loop, loopArgs } from './loop.ts'
import { Stage } from './stage.ts'
import { Touch, touchArgs } from './touch.ts'
import { type Actor, type Cast, roleOf, type Workload } from './workload.ts'

export interface RunOptions {
  readonly workload: Workload
  readonly discipline: Discipline
  readonly seed: number
  readonly seconds: number
  readonly signal: AbortSignal
}

export interface RunResult {
  readonly workload: string
  /** What was left out of what the kernels do. */
  readonly without: readonly KernelTrait[]
  /** The discipline. */
  readonly name: string
  readonly seed: number
  readonly seconds: number
  readonly monitor: Latencies & { readonly slowMs: readonly number[] }
  readonly app: Latencies
  readonly mapper: Latencies
  readonly batch: {
    readonly bytesPerSecond: number
    readonly stores: number
    readonly longestStoreMs: number
    /** Its faults, loads and stores. */
    readonly fault: Latencies
  }
  readonly faults: {
    readonly total: number
    readonly perSecond: number
    readonly major: number
    readonly retries: number
    readonly ioUnderLock: number
    readonly rereads: number
    readonly failed: number
    readonly mapLocks: number
    readonly vmaLocks: number
  }
  /** Roles beside these. */
  readonly others: Readonly<Record<string, Latencies>>
  readonly io: {
    readonly reads: number
    readonly readBytes: number
    readonly writes: number
    readonly writtenBytes: number
    /** Reads of the batch for each fault of it that needed one. */
    readonly readsPerFault: number
  }
  /** Seconds that the batch lost (PSI). */
  readonly pressure: {
    readonly ioSome: number
    readonly ioFull: number
    readonly memorySome: number
    readonly memoryFull: number
  }
  readonly locks: readonly {
    readonly waiter: string
    readonly behind: string
    readonly lock: string
    readonly waits: number
    readonly totalMs: number
    readonly maxMs: number
  }[]
}

/** A result with what pages and traces are drawn from. */
export interface Recorded {
  readonly result: RunResult
  readonly monitorNs: readonly Ns[]
  readonly timeline: Timeline
}

/** How long open calls are waited for when the time is over. */
const DRAIN: Ns = 30 * SECOND
/** Simulated time between two looks at the signal. */
const SLICE: Ns = 20 * MS
/** A monitor's read worth naming. */
const SLOW: Ns = 100 * MS
/** Rows of a timeline for the threads of one role. */
const ROWS_A_ROLE = 3

export async function runWorkload(options: RunOptions): Promise<Recorded> {
  const { workload, discipline, seed, seconds, signal } = options
  const locks = new LockWaits(task => roleOf(task.name))
  let recorder: Recorder | undefined
  const watcher: Watcher = {
    began: () => {},
    waits(task, wait) {
      locks.waits(task, wait)
      recorder?.waits(task, wait)
    },
    resumes(task, wait, waited) {
      locks.resumes(task, wait, waited)
      recorder?.resumes(task, wait, waited)
    },
    ended: () => {},
  }
  const { memory, bioBytesMax, without = [] } = workload
  const stage = new Stage({ discipline, seed, memory, bioBytesMax, without, watcher })
  const cast = workload.cast(stage)
  const { scheduler } = stage.engine
  recorder = new Recorder(rowsOf(stage, cast), rowNameOf, () => scheduler.now())
  locks.start()
  const counted = new Counters(stage, cast.batch)
  const begin = scheduler.now()
  const players = enter(stage, cast.actors, begin + seconds * SECOND)
  await pass(stage, signal, () => scheduler.now() < begin + seconds * SECOND)
  const last = begin + seconds * SECOND + DRAIN
  await pass(
    stage,
    signal,
    () => scheduler.now() < last && players.some(({ task }) => task.state !== 'ended'),
  )
  for (const { task } of players) scheduler.kill(task)
  const result = resultOf(options, players, counted.take(scheduler.now() - begin), locks.list())
  return {
    result,
    monitorNs: latenciesOf(players, 'monitor'),
    timeline: recorder.timeline(
      `${workload.name}-${discipline.name}`,
      `${workload.name} under ${discipline.name}: who waited for whom`,
    ),
  }
}

interface Player {
  readonly role: string
  readonly task: Task
  readonly access: 'load' | 'store' | undefined
  readonly latencies: readonly Ns[]
  readonly args: { readonly hits?: number; readonly failed?: number }
}

/** Everybody begins, in the order of the cast. */
function enter(stage: Stage, actors: readonly Actor[], until: Ns): Player[] {
  const { scheduler, verbs } = stage.engine
  const loop = new Loop(scheduler)
  const touch = new Touch(scheduler, verbs.fault)
  return actors.map(actor => {
    const { name, group } = actor
    const role = roleOf(name)
    if (actor.does === 'loop') {
      const args = loopArgs(actor.plan, until)
      const task = scheduler.spawn(loop, args, { name, group })
      return { role, task, access: undefined, latencies: args.latencies, args: {} }
    }
    const args = touchArgs(actor.plan, until)
    const task = scheduler.spawn(touch, args, { name, group })
    return { role, task, access: actor.plan.access, latencies: args.latencies, args }
  })
}

async function pass({ driver, engine }: Stage, signal: AbortSignal, goesOn: () => boolean): Promise<void> {
  while (goesOn()) {
    driver.runUntil(engine.scheduler, engine.scheduler.now() + SLICE)
    await nextTurn()
    signal.throwIfAborted()
  }
}

/** What the batch has done since the beginning, by the engine's own counters. */
class Counters {
  private readonly stage: Stage
  private readonly group: GroupId
  private readonly before: ReturnType<Counters['read']>

  constructor(stage: Stage, group: GroupId) {
    this.stage = stage
    this.group = group
    this.before = this.read()
  }

  take(elapsed: Ns) {
    const now = this.read()
    const since = byName(namesOf(now), name => now[name] - this.before[name])
    return { ...since, elapsed }
  }

  private read() {
    const { io, pressure, scheduler, mm } = this.stage.engine
    const now = scheduler.now()
    const sum = {
      reads: 0,
      readBytes: 0,
      writes: 0,
      writtenBytes: 0,
      faults: 0,
      major: 0,
      retries: 0,
      ioUnderLock: 0,
      rereads: 0,
      mapLocks: 0,
      vmaLocks: 0,
    }
    for (const disk of io.diskNames) {
      const stat = io.stat(disk, this.group)
      sum.reads += stat?.rios ?? 0
      sum.readBytes += stat?.rbytes ?? 0
      sum.writes += stat?.wios ?? 0
      sum.writtenBytes += stat?.wbytes ?? 0
    }
    for (const { group, stat } of mm.spaces.values()) {
      if (group !== this.group) continue
      for (const name of [
        'faults',
        'major',
        'retries',
        'ioUnderLock',
        'rereads',
        'mapLocks',
        'vmaLocks',
      ] as const)
        sum[name] += stat[name]
    }
    const { some: ioSome, full: ioFull } = pressure.total(this.group, 'io', now)
    const { some: memorySome, full: memoryFull } = pressure.total(this.group, 'memory', now)
    return { ...sum, ioSome, ioFull, memorySome, memoryFull }
  }
}

function resultOf(
  { workload, discipline, seed, seconds }: RunOptions,
  players: readonly Player[],
  counted: ReturnType<Counters['take']>,
  locks: readonly LockWait[],
): RunResult {
  const of = (role: string) => inMs(latenciesOf(players, role))
  const stores = players.filter(({ role, access }) => role !== 'app' && access === 'store')
  const named = new Set(['monitor', 'app', 'mapper', 'batch'])
  const others = [...new Set(players.map(({ role }) => role))].filter(role => !named.has(role))
  const { faults, major, retries, ioUnderLock, rereads, mapLocks, vmaLocks, elapsed } = counted
  const { reads, readBytes, writes, writtenBytes } = counted
  const inSeconds = (ns: Ns) => Math.round(ns / MS) / 1000
  return {
    workload: workload.name,
    without: workload.without ?? [],
    name: discipline.name,
    seed,
    seconds,
    monitor: {
      ...of('monitor'),
      slowMs: latenciesOf(players, 'monitor')
        .filter(each => each >= SLOW)
        .map(each => each / MS),
    },
    app: of('app'),
    mapper: of('mapper'),
    batch: {
      bytesPerSecond: Math.round((writtenBytes * SECOND) / elapsed),
      stores: stores.reduce((sum, { latencies, args }) => sum + latencies.length + (args.hits ?? 0), 0),
      longestStoreMs: inMs(stores.flatMap(({ latencies }) => latencies)).maxMs,
      fault: of('batch'),
    },
    faults: {
      total: faults,
      perSecond: Math.round((faults * SECOND) / elapsed),
      major,
      retries,
      ioUnderLock,
      rereads,
      failed: players.reduce((sum, { args }) => sum + (args.failed ?? 0), 0),
      mapLocks,
      vmaLocks,
    },
    others: Object.fromEntries(others.map(role => [role, of(role)])),
    io: { reads, readBytes, writes, writtenBytes, readsPerFault: ratio(reads, major) },
    pressure: {
      ioSome: inSeconds(counted.ioSome),
      ioFull: inSeconds(counted.ioFull),
      memorySome: inSeconds(counted.memorySome),
      memoryFull: inSeconds(counted.memoryFull),
    },
    locks: locks.map(({ waiter, behind, lock, waits, total, longest }) => ({
      waiter,
      behind,
      lock,
      waits,
      totalMs: Math.round(total / 1000) / 1000,
      maxMs: Math.round(longest / 1000) / 1000,
    })),
  }
}

function latenciesOf(players: readonly Player[], wanted: string): Ns[] {
  return players.flatMap(({ role, latencies }) => (role === wanted ? latencies : []))
}

function inMs(latencies: readonly Ns[]): Latencies {
  return summarize(latencies.map(each => each / MS))
}

/** To three places; 0 if there is nothing to divide by. */
function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part * 1000) / whole) / 1000
}

/** The actors, the monitor first; of many threads of a role the first few. */
function rowsOf({ engine }: Stage, { actors }: Cast) {
  return actors
    .filter(({ name }) => Number(/ (\d+)$/.exec(name)?.[1] ?? 0) <= ROWS_A_ROLE)
    .map(({ name, group }) => ({ name, group: engine.groups.path(group).slice(1) }))
}

/** Loops only wait for their calls: their own waits aren't drawn. */
function rowNameOf(task: Task): string {
  return task.verb.name === 'loop' ? '' : task.name
}
