/**
 * The experiment of the mail, once, under one discipline, on real files:
 *
 *     app       (protected)  reads its own file at random through a mapping
 *     monitor   (protected)  does ps every millisecond
 *     writer    (batch)      stores to pages of a shared mapping at random; pages are stable while they are written
 *     mapper    (batch)      maps, unmaps, and forks, in the writer's space
 *     syncer    (batch)      syncs the file every 0.2 s
 *
 * batch may write `rate` bytes a second (io.max), so a store to a page that is being written waits for its turn. What
 * the others feel of it is what the disciplines differ in.
 *
 * Each actor's latency is the time from its call to its answer; a call that is still open at the end counts with the
 * time it has waited. Throughput is what the device took from batch, by io.stat.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bytes } from '../base/index.ts'
import type { Group } from '../calls/index.ts'
import type { File } from '../files/index.ts'
import { Machine, type Mapping, type Space } from '../map/index.ts'
import type { Timeline } from '../report/index.ts'
import type { Task, Wait } from '../sched/index.ts'
import { type Latencies, Recorder, summarize } from '../watch/index.ts'

export interface SceneOptions {
  readonly discipline: string
  readonly seconds: number
  /** Bytes a second that batch may write. */
  readonly rate: Bytes
  /** The file that batch stores to, and the one that app reads. */
  readonly batchFile: string
  readonly appFile: string
  /** Bytes of the batch file that are stored to. */
  readonly extent: Bytes
  readonly signal: AbortSignal
}

export interface SceneResult {
  readonly name: string
  readonly monitor: Latencies
  readonly app: Latencies
  readonly mapper: Latencies
  readonly batch: {
    readonly bytesPerSecond: number
    readonly stores: number
    readonly longestStoreMs: number
  }
  readonly faults: {
    readonly total: number
    readonly major: number
    readonly retries: number
    readonly ioUnderLock: number
    readonly rereads: number
  }
  readonly monitorMs: readonly number[]
  readonly timeline: Timeline
}

const ROWS = [
  { name: 'monitor', group: 'protected' },
  { name: 'app', group: 'protected' },
  { name: 'writer', group: 'batch' },
  { name: 'mapper', group: 'batch' },
  { name: 'syncer', group: 'batch' },
]

const SYNC_EVERY_MS = 200
const FORK_EVERY_MS = 2
const APP_PAGES_PER_READ = 1

/** Which actor a task belongs to: the batch job's verbs are divided between its three. */
function actorOf(task: Task): string {
  switch (task.verb.name) {
    case 'ps':
      return 'monitor'
    case 'sync':
      return 'syncer'
    case 'mmap':
    case 'munmap':
    case 'fork':
    case 'exit':
      return 'mapper'
    default:
      return task.name
  }
}

/** One actor: calls, and how long each took. */
class Actor {
  readonly latencies: number[] = []
  private since = 0

  /** Does one thing and notes how long it took. Errors of the end of the scene are no errors. */
  async timed(signal: AbortSignal, act: () => Promise<unknown> | unknown): Promise<void> {
    this.since = performance.now()
    try {
      await act()
    } catch (error) {
      if (!signal.aborted) throw error
    }
    this.latencies.push(performance.now() - this.since)
  }
}

export async function playScene(options: SceneOptions): Promise<SceneResult> {
  const { discipline, seconds, rate, extent } = options
  let recorder: Recorder | undefined
  const machine = await Machine.start({
    memory: 8 * extent + 64 * 2 ** 20,
    discipline,
    watcher: {
      began: () => {},
      waits: (task: Task, wait: Wait) => recorder?.waits(task, wait),
      resumes: (task: Task, wait: Wait, waited) => recorder?.resumes(task, wait, waited),
      ended: () => {},
    },
  })
  recorder = new Recorder(ROWS, actorOf, () => machine.engine.scheduler.now())
  const stage = await setStage(machine, options)
  const over = new AbortController()
  const end = () => over.abort()
  options.signal.addEventListener('abort', end, { once: true })
  const actors = {
    monitor: new Actor(),
    app: new Actor(),
    writer: new Actor(),
    mapper: new Actor(),
    syncer: new Actor(),
  }
  const { signal } = over
  stage.batch.set('io.max', { wbps: rate, rbps: rate })
  recorder.start()
  const before = writtenBy(stage.batch)
  const began = performance.now()
  const playing = Promise.all([
    monitor(machine, stage.monitorGroup, actors.monitor, signal),
    app(stage.appMap, actors.app, signal),
    writer(stage.writerMap, actors.writer, signal),
    mapper(stage.space, stage.file, actors.mapper, signal),
    syncer(stage.file, stage.batch, actors.syncer, signal),
  ])
  await Promise.race([sleep(seconds * 1000, undefined, { signal }).catch(() => {}), playing])
  const elapsed = (performance.now() - began) / 1000
  const written = writtenBy(stage.batch) - before
  over.abort()
  await playing
  options.signal.removeEventListener('abort', end)
  stage.batch.set('io.max', { wbps: 'max', rbps: 'max' })
  const { faults, major, retries, ioUnderLock, rereads } = stage.space.mm.stat
  const timeline = recorder.timeline(`timeline-${discipline}`, `Who waited for whom under ${discipline}`)
  await machine.close()
  return {
    name: discipline,
    monitor: summarize(actors.monitor.latencies),
    app: summarize(actors.app.latencies),
    mapper: summarize(actors.mapper.latencies),
    batch: {
      bytesPerSecond: Math.round(written / elapsed),
      stores: actors.writer.latencies.length,
      longestStoreMs: summarize(actors.writer.latencies).maxMs,
    },
    faults: { total: faults, major, retries, ioUnderLock, rereads },
    monitorMs: actors.monitor.latencies,
    timeline,
  }
}

interface Stage {
  readonly batch: Group
  readonly monitorGroup: Group
  readonly space: Space
  readonly file: File
  readonly writerMap: Mapping
  readonly appMap: Mapping
}

async function setStage(machine: Machine, { batchFile, appFile, extent }: SceneOptions): Promise<Stage> {
  const batch = machine.group('batch', { 'memory.max': 8 * extent })
  const safe = machine.group('protected', { 'memory.low': '16 MiB' })
  const file = await machine.open(batchFile, { mode: 'r+', direct: true, stablePages: true })
  const space = machine.space({ name: 'writer', group: batch, commandLine: 'batch --import' })
  const writerMap = await space.map(file, { prot: 'rw', length: extent })
  await writerMap.populate()
  const data = await machine.open(appFile, { direct: true })
  const appSpace = machine.space({ name: 'app', group: safe, commandLine: 'app --serve' })
  const appMap = await appSpace.map(data, { advice: 'random' })
  return { batch, monitorGroup: safe, space, file, writerMap, appMap }
}

async function monitor(machine: Machine, group: Group, actor: Actor, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await actor.timed(signal, () => machine.ps({ group, signal }))
    await pause(1, signal)
  }
}

/** Touches a page at random; every other time a page that it read long ago and that has been dropped since. */
async function app(map: Mapping, actor: Actor, signal: AbortSignal): Promise<void> {
  const pages = Math.floor(map.length / 4096)
  for (let at = 1; !signal.aborted; at = next(at)) {
    const offset = (at % pages) * 4096
    await actor.timed(signal, () => map.run(view => view.u32(offset), { signal }))
    await map.advise('dontneed', { offset, length: APP_PAGES_PER_READ * 4096, signal }).catch(() => {})
    await pause(1, signal)
  }
}

async function writer(map: Mapping, actor: Actor, signal: AbortSignal): Promise<void> {
  const pages = Math.floor(map.length / 4096)
  for (let at = 1, stores = 1; !signal.aborted; at = next(at), stores++) {
    const page = at % pages
    await actor.timed(signal, () => map.run(view => view.setU8(page * 4096, stores & 0xff), { signal }))
    if (stores % 64 === 0) await pause(1, signal)
  }
}

/** A generator of page numbers that look random and are the same in each scene. */
function next(at: number): number {
  return (Math.imul(at, 1103515245) + 12345) >>> 1
}

async function mapper(space: Space, file: File, actor: Actor, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await actor.timed(signal, async () => {
      const map = await space.map(file, { length: 4096, share: 'private', prot: 'rw', signal })
      await map.unmap()
      const child = await space.fork({ name: 'mapper', signal })
      await child.exit()
    })
    await pause(FORK_EVERY_MS, signal)
  }
}

async function syncer(file: File, group: Group, actor: Actor, signal: AbortSignal): Promise<void> {
  for (await pause(SYNC_EVERY_MS, signal); !signal.aborted; await pause(SYNC_EVERY_MS, signal))
    await actor.timed(signal, () => file.sync({ group, signal }))
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
}

/** Bytes that the device has taken from a group, over all disks. */
function writtenBy(group: Group): Bytes {
  let sum = 0
  for (const match of group.read('io.stat').matchAll(/wbytes=(\d+)/g)) sum += Number(match[1])
  return sum
}
