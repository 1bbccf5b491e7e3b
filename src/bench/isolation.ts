/**
 * Two groups on one disk, with and without io.latency, in resctl-bench's words: an application that reads one page at a
 * time, and a hog that keeps many reads in flight.
 *
 *     isolation           what the application reads beside the hog, of what it reads alone
 *     latency impact      how much longer its reads take beside the hog than alone (p90)
 *     work conservation   what both read together, of what the hog reads alone: what the disk can do
 *
 * Once on a file of this host, past its page cache; and once on a modelled disk under a simulated clock, where no
 * neighbour of this host disturbs and each run is the same.
 */
import { type GroupId, MS, type Ns, Prng, ROOT, SECOND, type Vpn } from '../base/index.ts'
import { SlowDevice } from '../device/index.ts'
import { Engine } from '../engine/index.ts'
import { LinearFile } from '../fs/index.ts'
import { EVERY_DISK } from '../io/index.ts'
import { Machine } from '../map/index.ts'
import { newVmFault } from '../memmap/index.ts'
import { type FaultArgs, faultArgs, PROT_READ, type Space } from '../mm/index.ts'
import { type Task, TimedDriver, type Watcher } from '../sched/index.ts'
import { type Bench, type Figure, MIB, type Plan, quantile } from './measure.ts'
import { makeFile } from './scratch.ts'
import { EmptyDevice, openOf, PAGE } from './world.ts'

/** Reads that the hog keeps in flight. */
const HOG_DEPTH = 64

/** A group's reads of random pages, so many at a time. */
class Reader {
  reads = 0
  readonly latencies: Ns[] = []
  private readonly engine: Engine
  private readonly space: Space
  private readonly start: Vpn
  private readonly pages: number
  private readonly prng: Prng
  private depth = 0
  private inFlight = 0

  constructor(engine: Engine, space: Space, start: Vpn, pages: number) {
    this.engine = engine
    this.space = space
    this.start = start
    this.pages = pages
    this.prng = new Prng(space.id)
  }

  get group(): GroupId {
    return this.space.group
  }

  /** Keeps `depth` reads in flight from now on. */
  keep(depth: number): void {
    this.depth = depth
    while (this.inFlight < depth) this.read()
  }

  forget(): void {
    this.reads = 0
    this.latencies.length = 0
  }

  ended(fault: FaultArgs): void {
    this.inFlight--
    this.reads++
    this.latencies.push(this.engine.scheduler.now() - fault.fault.began)
    this.keep(this.depth)
  }

  private read(): void {
    this.inFlight++
    const { scheduler, verbs } = this.engine
    const fault = newVmFault(this.start + this.prng.below(this.pages), 'load', this.group, scheduler.now())
    const who = { name: this.space.name, group: this.group }
    scheduler.spawn(verbs.fault, faultArgs(this.space, fault, 'go on'), who)
  }
}

/** Tells each reader of the end of its faults. */
class Ends implements Watcher {
  readonly readers: Reader[] = []

  began(): void {}
  waits(): void {}
  resumes(): void {}
  ended(task: Task): void {
    if (task.verb.name !== 'fault') return
    this.readers.find(reader => reader.group === task.group)?.ended(task.args as FaultArgs)
  }
}

/** A disk that two readers share, and how its time passes. */
interface Stage {
  readonly engine: Engine
  readonly app: Reader
  readonly hog: Reader
  pass(time: Ns): Promise<void>
}

interface Shares {
  readonly isolation: number
  readonly latencyImpact: number
  readonly workConservation: number
}

export const isolation: Bench = {
  name: 'isolation',
  about: 'two groups with and without io.latency: isolation, latency impact and work conservation',
  async run(plan) {
    return [
      ...(await onHost(plan)),
      ...(await measure(plan, modelled(), 'a modelled disk: 4 at once, 0.5 ms each')),
    ]
  },
}

async function onHost(plan: Plan): Promise<Figure[]> {
  const size = (plan.smoke ? 4 : 512) * MIB
  const path = makeFile(plan, 'cold', size)
  const ends = new Ends()
  await using machine = await Machine.start({ memory: plan.smoke ? MIB : 16 * MIB, watcher: ends })
  const file = await machine.open(path, { direct: true })
  for (const name of ['app', 'hog']) {
    const space = machine.space({ name, group: machine.group(name) })
    const map = await space.map(file, { advice: 'random' })
    ends.readers.push(new Reader(machine.engine, space.mm, map.address / PAGE, size / PAGE))
  }
  const [app, hog] = ends.readers as [Reader, Reader]
  const pass = (time: Ns) => new Promise<void>(resolve => setTimeout(resolve, time / MS))
  const figures = await measure(
    plan,
    { engine: machine.engine, app, hog, pass },
    'a file of this host, O_DIRECT',
  )
  await file.close()
  return figures
}

function modelled(): Stage {
  const driver = new TimedDriver()
  const ends = new Ends()
  const frames = 4096
  const pages = 64 * frames
  const buffer = new ArrayBuffer((frames + 1) * PAGE)
  const engine = new Engine({ driver, buffer, pageSize: PAGE, watcher: ends })
  const { scheduler, mm } = engine
  const service = { latency: 0.5 * MS, nsPerByte: 0.1, slots: 4 }
  const disk = new SlowDevice(scheduler, new EmptyDevice(scheduler), service)
  const backing = new LinearFile(disk, engine.io, engine.memory, { stablePages: false, spaceFor: pages })
  const open = openOf(engine.cache.add('data', pages * PAGE, backing))
  for (const name of ['app', 'hog']) {
    const group = engine.groups.create(name, ROOT, {})
    const space = mm.createSpace({ name, group, commandLine: name })
    const plan = { prot: PROT_READ, share: 'shared', open, pageOffset: 0, advice: 'random' } as const
    const args = { space, pages, fixed: undefined, locked: false, start: 0, plan }
    scheduler.spawn(engine.verbs.map, args, { name, group })
    driver.runUntil(scheduler, scheduler.now())
    ends.readers.push(new Reader(engine, space, args.start, pages))
  }
  const [app, hog] = ends.readers as [Reader, Reader]
  return {
    engine,
    app,
    hog,
    pass: async time => driver.runUntil(scheduler, scheduler.now() + time),
  }
}

async function measure(plan: Plan, stage: Stage, where: string): Promise<Figure[]> {
  const { engine, app, hog } = stage
  const time = (plan.smoke ? 0.02 : 3) * SECOND
  const alone = await phase(plan, stage, 1, 0, time)
  const most = await phase(plan, stage, 0, HOG_DEPTH, time)
  const shares = (both: Phase): Shares => ({
    isolation: (100 * both.app) / alone.app,
    latencyImpact: 100 * (both.p90 / alone.p90 - 1),
    workConservation: (100 * (both.app + both.hog)) / most.hog,
  })
  const without = shares(await phase(plan, stage, 1, HOG_DEPTH, time))
  engine.io.setLatency(EVERY_DISK, app.group, Math.ceil(2 * alone.p90))
  // blk-iolatency takes half a second for each step, and halves the hog's depth in each.
  await phase(plan, stage, 1, HOG_DEPTH, 3 * time)
  const held = shares(await phase(plan, stage, 1, HOG_DEPTH, time))
  app.keep(0)
  hog.keep(0)
  await stage.pass(time / 10)
  const row = (name: string, key: keyof Shares): Figure => {
    const ratio = held[key] / without[key]
    return {
      name: `${name}, ${where.split(':')[0]!.split(',')[0]}`,
      what: `with io.latency (twice the p90 of the application alone) against without: ${where}`,
      ours: held[key],
      theirs: without[key],
      unit: '%',
      ratio,
      target: 'none',
      rounds: 1,
      spread: [ratio, ratio],
    }
  }
  return [
    row('isolation', 'isolation'),
    row('latency impact', 'latencyImpact'),
    row('work conservation', 'workConservation'),
  ]
}

/** Reads a second, and the application's p90. */
interface Phase {
  readonly app: number
  readonly hog: number
  readonly p90: Ns
}

async function phase(plan: Plan, stage: Stage, appDepth: number, hogDepth: number, time: Ns): Promise<Phase> {
  const { app, hog } = stage
  plan.say(`isolation: ${appDepth} and ${hogDepth} reads in flight`)
  app.keep(appDepth)
  hog.keep(hogDepth)
  await stage.pass(time / 10)
  app.forget()
  hog.forget()
  await stage.pass(time)
  const seconds = time / SECOND
  return { app: app.reads / seconds, hog: hog.reads / seconds, p90: quantile(app.latencies, 0.9) }
}
