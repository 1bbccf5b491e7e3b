/**
 * An application and hogs on one disk, in resctl-bench's words: nothing done about it, io.latency, io.protect, io.weight.
 *
 *     isolation           of each second: min(1, the rate beside the hogs / the rate alone); its mean and its p01
 *     latency impact      the application's p50, p90 and p95 beside the hogs, over those alone, less one
 *     work conservation   the device time that both get, of what the hogs get alone
 *
 * Nine scenes on a modelled disk under a simulated clock, where no neighbour of this host disturbs and each run is the
 * same, and one on a file of this host, past its page cache, in rounds, with what the host gives at all beside it. Three groups
 * by weights alone.
 */

import { type GroupId, MS, type Ns, Prng, ROOT, SECOND } from '../base/index.ts'
import { SlowDevice } from '../device/index.ts'
import type { Engine } from '../engine/index.ts'
import { LinearFile } from '../fs/index.ts'
import { EVERY_DISK } from '../io/index.ts'
import { Machine } from '../map/index.ts'
import { PROT_READ } from '../mm/index.ts'
import { rigEngine } from '../rig/index.ts'
import { TimedDriver } from '../sched/index.ts'
import { isolationBound } from './isolation-bound.ts'
import { type Bench, type Figure, MIB, median, type Plan, quantile, type Target } from './measure.ts'
import { Ends, type Habit, Worker } from './readers.ts'
import { makeFile } from './scratch.ts'
import { EmptyDevice, openOf, PAGE } from './world.ts'

interface Scene {
  readonly name: string
  readonly app: Habit
  readonly hogs: readonly Habit[]
  readonly slots: number
  readonly jitter: number
  /** What work conservation is asked of it. */
  readonly work: number
}

const HOG: Habit = { does: 'read', depth: 64 }
const USUAL: Omit<Scene, 'name'> = {
  app: { does: 'read', depth: 1 },
  hogs: [HOG],
  slots: 4,
  jitter: 0,
  work: 0.9,
}

const SCENES: readonly Scene[] = [
  { ...USUAL, name: 'one hog' },
  {
    ...USUAL,
    name: 'four hogs',
    hogs: Array.from({ length: 4 }, () => ({ does: 'read', depth: 16 }) as const),
  },
  { ...USUAL, name: 'application of depth 2', app: { does: 'read', depth: 2 } },
  { ...USUAL, name: 'application that thinks 1 ms', app: { does: 'read', depth: 1, thought: MS } },
  { ...USUAL, name: 'one slot', slots: 1 },
  { ...USUAL, name: 'sixteen slots', slots: 16 },
  { ...USUAL, name: 'jitter of 50 %', jitter: 0.5 },
  { ...USUAL, name: 'hog with readahead', hogs: [{ does: 'stream', depth: 16 }], work: 0.8 },
  {
    ...USUAL,
    name: 'hog that writes and syncs',
    hogs: [{ does: 'write and sync', depth: 8, piece: 16 * PAGE, pieces: 16 }],
    work: 0.8,
  },
]

/** io.protect is the one that promises; the others stand beside it. */
const CONTROLLERS = ['off', 'io.latency', 'io.protect', 'io.weight'] as const
type Controller = (typeof CONTROLLERS)[number]

/** What a request takes of a modelled disk's slots. */
const LATENCY: Ns = 0.5 * MS
const NS_PER_BYTE = 0.1

/** An engine with workers, and how its time passes. */
interface Stage {
  readonly engine: Engine
  readonly app: Worker
  readonly hogs: readonly Worker[]
  pass(time: Ns): Promise<void>
  close(): Promise<void>
}

/** How long each part is measured. */
interface Times {
  readonly alone: Ns
  readonly settle: Ns
  readonly both: Ns
}

interface Alone {
  readonly rate: number
  readonly latencies: readonly [Ns, Ns, Ns]
  /** Of what others than the application should see it by. */
  readonly target: Ns
}

interface Shares {
  readonly mean: number
  readonly p01: number
  readonly impacts: readonly [number, number, number]
  readonly work: number
}

export const isolation: Bench = {
  name: 'isolation',
  about:
    'an application beside hogs: isolation, latency impact, work conservation; off, io.latency, io.protect, io.weight',
  async run(plan) {
    const second = plan.smoke ? 0.02 * SECOND : SECOND
    const figures: Figure[] = []
    const times = { alone: 3 * second, settle: 8 * second, both: 10 * second }
    for (const scene of SCENES)
      figures.push(...(await played(plan, scene, times, 1, async () => modelled(scene), MODELLED_TARGETS)))
    figures.push(...(await shares(plan, second)))
    const host = { alone: 2 * second, settle: 4 * second, both: 5 * second }
    const path = makeFile(plan, 'cold', (plan.smoke ? 4 : 512) * MIB)
    const scene = { ...USUAL, name: 'a file of this host', work: 0.7 }
    const rounds = plan.smoke ? 1 : 5
    const onFile = await played(plan, scene, host, rounds, () => onHost(plan, path, scene), HOST_TARGETS)
    const got = (measured: string) =>
      onFile.find(({ name }) => name === `${scene.name}, io.protect: ${measured}`)!.ratio
    const kept = { isolation: got('isolation, mean'), work: got('work conservation') }
    return [...figures, ...onFile, ...(await isolationBound(plan, path, kept))]
  },
}

const MODELLED_TARGETS = { mean: 0.95, p01: 0.9, p90: 1.1 }
const HOST_TARGETS = { mean: 0.9, p01: undefined, p90: undefined }

/** A scene under each controller, in rounds: a figure for each measure. */
async function played(
  plan: Plan,
  scene: Scene,
  times: Times,
  rounds: number,
  open: () => Promise<Stage>,
  targets: { readonly mean: number; readonly p01: number | undefined; readonly p90: number | undefined },
): Promise<Figure[]> {
  const found = new Map<Controller, Shares[]>(CONTROLLERS.map(controller => [controller, []]))
  for (let round = 0; round < rounds; round++)
    for (const controller of CONTROLLERS) {
      plan.say(`isolation: ${scene.name}, ${controller}, round ${round + 1} of ${rounds}`)
      const stage = await open()
      found.get(controller)!.push(await measure(stage, controller, times))
      await stage.close()
    }
  const row = (
    controller: Controller,
    measured: string,
    of: (shares: Shares) => number,
    target: Target,
    what: string,
  ): Figure => {
    const each = found.get(controller)!.map(of)
    return {
      name: `${scene.name}, ${controller}: ${measured}`,
      what,
      ours: 100 * median(each),
      theirs: 100 * median(found.get('off')!.map(of)),
      unit: '%',
      ratio: median(each),
      target: controller === 'io.protect' ? target : 'none',
      rounds,
      spread: [Math.min(...each), Math.max(...each)],
    }
  }
  const atLeast = (least: number | undefined): Target => (least === undefined ? 'none' : { atLeast: least })
  const atMost = (most: number | undefined): Target => (most === undefined ? 'none' : { atMost: most })
  return CONTROLLERS.flatMap(controller => [
    row(
      controller,
      'isolation, mean',
      s => s.mean,
      atLeast(targets.mean),
      'seconds of min(1, rate / rate alone)',
    ),
    row(controller, 'isolation, p01', s => s.p01, atLeast(targets.p01), 'the worst second of a hundred'),
    ...([50, 90, 95] as const).map((percent, at) =>
      row(
        controller,
        `latency, p${percent}`,
        s => 1 + s.impacts[at]!,
        percent === 90 ? atMost(targets.p90) : 'none',
        `p${percent} beside the hogs, of that alone: 100 % is no impact`,
      ),
    ),
    row(
      controller,
      'work conservation',
      s => s.work,
      atLeast(scene.work),
      'device time, of what the hogs get alone',
    ),
  ])
}

async function measure(stage: Stage, controller: Controller, times: Times): Promise<Shares> {
  const { engine, app, hogs, pass } = stage
  app.wake()
  await pass(times.alone / 3)
  app.forget()
  await pass(times.alone)
  const alone = aloneOf(app, times.alone)
  app.sleep()
  for (const hog of hogs) hog.wake()
  await pass(times.alone / 3)
  const before = deviceTime(engine)
  await pass(times.alone)
  const most = (deviceTime(engine) - before) / times.alone
  control(engine, controller, app.group, alone)
  app.wake()
  await pass(times.settle)
  app.forget()
  const from = deviceTime(engine)
  await pass(times.both)
  const both = (deviceTime(engine) - from) / times.both
  const seconds = wholeSeconds(app, times.both).map(rate => Math.min(1, rate / alone.rate))
  const [p50, p90, p95] = [0.5, 0.9, 0.95].map(share => quantile(app.latencies, share)) as [Ns, Ns, Ns]
  app.sleep()
  for (const hog of hogs) hog.sleep()
  await pass(times.alone / 10)
  return {
    mean: seconds.reduce((sum, each) => sum + each, 0) / seconds.length,
    p01: quantile(seconds, 0.01),
    impacts: [p50 / alone.latencies[0] - 1, p90 / alone.latencies[1] - 1, p95 / alone.latencies[2] - 1],
    work: both / most,
  }
}

function control(engine: Engine, controller: Controller, app: GroupId, { latencies, target }: Alone): void {
  if (controller === 'io.latency') engine.io.setLatency(EVERY_DISK, app, Math.ceil(2 * latencies[1]))
  if (controller === 'io.protect') engine.io.setProtection(EVERY_DISK, app, Math.ceil(target))
  if (controller === 'io.weight') engine.io.setWeight(EVERY_DISK, app, 1000)
}

/** A tenth above its p90 alone, or what one of thirty took longer than, if that is more. */
function aloneOf(app: Worker, time: Ns): Alone {
  const [p50, p90, p95, p97] = [0.5, 0.9, 0.95, 0.97].map(share => quantile(app.latencies, share))
  return {
    rate: (app.latencies.length * SECOND) / time,
    latencies: [p50!, p90!, p95!],
    target: Math.max(1.1 * p90!, 1.02 * p97!),
  }
}

/** Rates of the whole seconds, or of the one part of a second that a smoke test takes. */
function wholeSeconds(app: Worker, time: Ns): number[] {
  const whole = Math.floor(time / SECOND)
  if (whole === 0) return [(app.latencies.length * SECOND) / time]
  return Array.from({ length: whole }, (_, second) => app.seconds[second] ?? 0)
}

/** What everything has taken of the disk's time so far, by the model of this bench. */
function deviceTime({ io }: Engine): Ns {
  let time = 0
  for (const disk of io.diskNames) {
    const { rios = 0, wios = 0, rbytes = 0, wbytes = 0 } = io.stat(disk, ROOT) ?? {}
    time += (rios + wios) * LATENCY + (rbytes + wbytes) * NS_PER_BYTE
  }
  return time
}

function modelled({ app, hogs, slots, jitter }: Pick<Scene, 'app' | 'hogs' | 'slots' | 'jitter'>): Stage {
  const driver = new TimedDriver()
  const ends = new Ends()
  const frames = 8192
  const pages = 32 * frames
  const engine = rigEngine({ frames: frames + 1, driver, watcher: ends })
  const { scheduler, mm } = engine
  const service = {
    latency: LATENCY,
    nsPerByte: NS_PER_BYTE,
    slots,
    ...(jitter > 0 && { jitter: { fraction: jitter, prng: new Prng(7) } }),
  }
  const disk = new SlowDevice(scheduler, new EmptyDevice(scheduler), service)
  for (const [at, habit] of [app, ...hogs].entries()) {
    const name = at === 0 ? 'app' : `hog ${at}`
    const backing = new LinearFile(disk, engine.io, engine.memory, { stablePages: false, spaceFor: pages })
    const file = engine.cache.add(name, pages * PAGE, backing)
    const open = openOf(file)
    const group = engine.groups.create(name, ROOT, {})
    const space = mm.createSpace({ name, group, commandLine: name })
    const advice = habit.does === 'stream' ? 'sequential' : 'random'
    const mapping = { prot: PROT_READ, share: 'shared', open, pageOffset: 0, advice } as const
    const args = { space, pages, fixed: undefined, locked: false, start: 0, plan: mapping }
    scheduler.spawn(engine.verbs.map, args, { name, group })
    driver.runUntil(scheduler, scheduler.now())
    ends.workers.push(new Worker(engine, { space, start: args.start, pages, file }, habit))
  }
  return {
    engine,
    app: ends.workers[0]!,
    hogs: ends.workers.slice(1),
    pass: async time => driver.runUntil(scheduler, scheduler.now() + time),
    close: async () => {},
  }
}

async function onHost(plan: Plan, path: string, { app, hogs }: Scene): Promise<Stage> {
  const ends = new Ends()
  const machine = await Machine.start({ memory: plan.smoke ? MIB : 16 * MIB, watcher: ends })
  const file = await machine.open(path, { direct: true })
  for (const [at, habit] of [app, ...hogs].entries()) {
    const name = at === 0 ? 'app' : `hog ${at}`
    const space = machine.space({ name, group: machine.group(name) })
    const map = await space.map(file, { advice: 'random' })
    const pages = map.length / PAGE
    const cached = [...machine.engine.cache.files.values()].find(each => each.name === path)!
    ends.workers.push(
      new Worker(machine.engine, { space: space.mm, start: map.address / PAGE, pages, file: cached }, habit),
    )
  }
  return {
    engine: machine.engine,
    app: ends.workers[0]!,
    hogs: ends.workers.slice(1),
    pass: time => new Promise(resolve => setTimeout(resolve, time / MS)),
    close: () => machine.close(),
  }
}

/** Three groups that want more than the disk gives, by weights of 100, 300 and 600. */
async function shares(plan: Plan, second: Ns): Promise<Figure[]> {
  plan.say('isolation: weights')
  const weights = [100, 300, 600]
  const hogs: Habit[] = weights.map(() => ({ does: 'read', depth: 32 }))
  const stage = modelled({ ...USUAL, app: hogs[0]!, hogs: hogs.slice(1) })
  const workers = [stage.app, ...stage.hogs]
  for (const [at, worker] of workers.entries()) {
    stage.engine.io.setWeight(EVERY_DISK, worker.group, weights[at]!)
    worker.wake()
  }
  await stage.pass(4 * second)
  for (const worker of workers) worker.forget()
  await stage.pass(8 * second)
  const all = workers.reduce((sum, { latencies }) => sum + latencies.length, 0)
  return workers.map(({ latencies }, at) => {
    const share = latencies.length / all
    const asked = weights[at]! / 1000
    const off = Math.abs(share / asked - 1)
    return {
      name: `weight ${weights[at]} of 1000: share`,
      what: 'how far from its share by weight a group is that always wants more',
      ours: 100 * share,
      theirs: 100 * asked,
      unit: '%',
      ratio: off,
      target: { atMost: 0.05 },
      rounds: 1,
      spread: [off, off] as const,
    }
  })
}
