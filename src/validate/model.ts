/**
 * The same experiment in the lab's model: the engine on a simulated clock, under the discipline that the kernel has.
 *
 *     frozen      pages that have no space yet, on a device that gives it when it is thawed: page_mkwrite waits for it as
 *                 it waits for the end of a freeze
 *     the others  the devices' limit is the engine's own throttle, and a group's memory its own
 *
 * Of the kernel's run the model is told when each of those who are timed began, when the device was limited, and when
 * the filesystem was thawed; nothing of how long anybody waited.
 *
 * Invariants
 *   VM1 What makes an experiment ready succeeds.
 *   VM2 A page of the model goes to swap when its group is closed.
 */
import { assert, type GroupId, MS, ROOT } from '../base/index.ts'
import { type CachedFile, copyArgs, syncArgs } from '../cache/index.ts'
import { DeferredDevice, MemoryDevice, SlowDevice } from '../device/index.ts'
import type { Engine } from '../engine/index.ts'
import { LinearFile } from '../fs/index.ts'
import { newReadState, newVmFault } from '../memmap/index.ts'
import {
  type Discipline,
  disciplineNamed,
  faultArgs,
  newOpening,
  PROT_READ,
  PROT_WRITE,
  type Space,
} from '../mm/index.ts'
import { type ProcFile, procArgs } from '../proc/index.ts'
import { rigEngine } from '../rig/index.ts'
import { type Task, TimedDriver, type Verb } from '../sched/index.ts'
import { mremapArgs, populateArgs } from '../space/index.ts'
import {
  type Experiment,
  FULL_PAGES,
  PAGE_BYTES,
  PAGES,
  type ReaderName,
  rateFor,
  type WriterName,
} from './experiments.ts'
import type { Seen } from './kernel.ts'

const TARGET = 1024
const BESIDE = 2048
const ELSEWHERE = 4096
const FRAMES = 16_384
/** Of a loop device: src/timed/devices.ts. */
const LOOP = { latency: 0.25 * MS, nsPerByte: 0.7, slots: 16 } as const
const AT_ONCE = { latency: 0, nsPerByte: 0, slots: 64 } as const
const SWAP_BYTES = 2 ** 20
const SWAP_TRIES = 10
/** No experiment touches it. */
const LAST_PAGE = FULL_PAGES * PAGE_BYTES
const STACK_PAGES = 256
const BIO_BYTES_MAX = 16 * 2 ** 20
/** So long after the last has begun everybody has ended, or waits for ever. */
const PATIENCE_MS = 10_000

/** Which of the model's files of /proc takes the locks that the kernel's takes; stat takes none. */
const FILES: Readonly<Record<Exclude<ReaderName, 'stat'>, ProcFile>> = {
  cmdline: 'cmdline',
  environ: 'cmdline',
  maps: 'maps',
  smaps: 'smaps',
  smaps_rollup: 'smaps',
  numa_maps: 'smaps',
}

/** The row of the table that a kernel is; maps has gone by VMA locks since 6.17, its other files not yet. */
export function disciplineOf(release: string): { readonly faults: string; readonly maps: string } {
  const [major = 0, minor = 0] = release.split('.').map(Number)
  const version = major * 1000 + minor
  const faults = version >= 6004 ? 'linux-6.4' : version >= 5001 ? 'linux-5.1' : 'hold'
  return { faults, maps: version >= 6017 ? 'linux-7.x' : faults }
}

/** What the model is told of the kernel's run. */
export type Given = Omit<Seen, 'times'>

/** How long each waits in the model, in milliseconds. */
export function inModel(release: string, experiment: Experiment, seen: Given): readonly number[] {
  const { faults, maps } = disciplineOf(release)
  const times = new Play(disciplineNamed(faults)!, experiment).play(seen)
  if (!experiment.readers.includes('maps') || maps === faults) return times
  const byVma = new Play(disciplineNamed(maps)!, experiment).play(seen)
  const at = times.length - experiment.readers.length + experiment.readers.indexOf('maps')
  return times.map((time, place) => (place === at ? byVma[place]! : time))
}

interface Played {
  readonly task: Task
  readonly began: number
  ended: number | undefined
}

class Play {
  private readonly experiment: Experiment
  private readonly driver = new TimedDriver()
  private readonly engine: Engine
  private readonly group: GroupId
  private readonly space: Space
  private readonly device: SlowDevice
  private readonly file: CachedFile
  private readonly players: Played[] = []

  constructor(discipline: Discipline, experiment: Experiment) {
    this.experiment = experiment
    const { fault, filesystem } = experiment
    const { driver } = this
    const swapDevice = new DeferredDevice()
    this.engine = rigEngine({
      frames: FRAMES,
      driver,
      discipline,
      bioBytesMax: BIO_BYTES_MAX,
      readAheadBytes: 0,
      ...(fault === 'swap-in' ? { swap: { device: swapDevice, bytes: SWAP_BYTES } } : {}),
    })
    const { scheduler, io, memory, cache, groups, mm } = this.engine
    swapDevice.stands(new SlowDevice(scheduler, new MemoryDevice(scheduler, { length: SWAP_BYTES }), LOOP))
    this.group = groups.create('victim', ROOT, {})
    this.space = mm.createSpace({ name: 'victim', group: this.group, commandLine: 'victim' })
    const length = LAST_PAGE + PAGE_BYTES
    const inner = new MemoryDevice(scheduler, { name: 'data', length })
    this.device = new SlowDevice(scheduler, inner, fault === 'frozen' ? AT_ONCE : LOOP)
    // Of these filesystems btrfs alone lets nobody store to a page that is being written.
    const stablePages = filesystem === 'btrfs'
    const spaceFor = fault === 'frozen' ? 0 : FULL_PAGES
    const backing = new LinearFile(this.device, io, memory, { stablePages, spaceFor })
    this.file = cache.add('data', length, backing)
    this.map(BESIDE, PAGES, undefined)
    this.prepare()
  }

  play({ beganAt, releasedAt, limitedAt }: Given): readonly number[] {
    const { scheduler } = this.engine
    const { writer, readers } = this.experiment
    if (limitedAt !== undefined) this.runUntil(this.driver.now() - Math.round(limitedAt * MS))
    const start = this.driver.now()
    if (releasedAt === undefined) this.begin()
    else this.device.service = { ...AT_ONCE, latency: Math.round((releasedAt - beganAt[0]!) * MS) }
    const verbs = [
      this.fault(),
      ...(writer === 'none' ? [] : [this.call(writer)]),
      ...readers.map(reader => this.reader(reader)),
    ]
    for (const [place, { spawn }] of verbs.entries()) {
      this.runUntil(start + Math.round(beganAt[place]! * MS))
      const task = spawn()
      // What takes no lock takes no time.
      if (task !== undefined) this.players[place] = { task, began: this.driver.now(), ended: undefined }
      this.runUntil(this.driver.now())
    }
    const last = this.driver.now() + PATIENCE_MS * MS
    while (this.players.some(player => player?.ended === undefined) && scheduler.timers.next <= last)
      this.runUntil(scheduler.timers.next)
    return verbs.map((_, place) => {
      const player = this.players[place]
      return player === undefined ? 0 : ((player.ended ?? Infinity) - player.began) / MS
    })
  }

  /** What is there before time begins to count. */
  private prepare(): void {
    switch (this.experiment.fault) {
      case 'frozen':
        this.map(TARGET, PAGES, this.file)
        this.populate(TARGET, PAGES, 'load')
        return
      case 'writeback':
        this.map(TARGET, PAGES, this.file)
        this.populate(TARGET, PAGES, 'load')
        this.write(PAGES)
        this.limit({ wbps: rateFor(PAGES * PAGE_BYTES) })
        return
      case 'read':
        this.map(TARGET, PAGES, this.file)
        this.limit({ rbps: rateFor(PAGE_BYTES) })
        return
      case 'swap-in':
        this.map(TARGET, PAGES, undefined)
        this.populate(TARGET, 1, 'store')
        this.swapOut()
        this.limit({ rbps: rateFor(PAGE_BYTES) })
        return
      case 'reclaim':
        this.map(TARGET, FULL_PAGES, undefined)
        this.populate(TARGET, 1, 'store')
        this.write(FULL_PAGES)
        this.limit({ wbps: rateFor(FULL_PAGES * PAGE_BYTES) })
    }
  }

  /** What makes the fault wait. */
  private begin(): void {
    const { fault } = this.experiment
    if (fault !== 'writeback' && fault !== 'reclaim') return
    const { scheduler, verbs, groups, memory } = this.engine
    scheduler.spawn(verbs.sync, syncArgs(this.file, 0, Infinity, { seen: 0 }), this.who)
    scheduler.run(Infinity)
    if (fault === 'reclaim')
      groups.set(this.group, 'memory.max', memory.ledger.usage(this.group) * PAGE_BYTES)
  }

  private fault(): Player {
    const { fault } = this.experiment
    const access = fault === 'read' || fault === 'swap-in' ? 'load' : 'store'
    // In a full group the page of the mapping that isn't there yet.
    const vpn = fault === 'reclaim' ? TARGET + 1 : TARGET
    const { verbs, scheduler } = this.engine
    return {
      spawn: () =>
        this.spawn(
          verbs.fault,
          faultArgs(this.space, newVmFault(vpn, access, this.group, scheduler.now()), 'go on'),
        ),
    }
  }

  private reader(reader: ReaderName): Player {
    if (reader === 'stat') return { spawn: () => undefined }
    const { verbs } = this.engine
    return { spawn: () => this.spawn(verbs.proc, procArgs(this.space, FILES[reader])) }
  }

  private call(writer: Exclude<WriterName, 'none'>): Player {
    const { verbs } = this.engine
    const { space } = this
    const data = { space, start: TARGET, end: TARGET + PAGES }
    const beside = { space, start: BESIDE, end: BESIDE + PAGES }
    const of = <Args>(verb: Verb<Args>, args: Args): Player => ({ spawn: () => this.spawn(verb, args) })
    switch (writer) {
      case 'fork': {
        const plan = { name: 'child', group: this.group, commandLine: '' }
        return of(verbs.fork, { space, plan, child: undefined })
      }
      case 'munmap':
        return of(verbs.unmap, data)
      case 'mprotect':
        return of(verbs.protect, { ...data, prot: PROT_READ })
      case 'mremap':
        return of(
          verbs.mremap,
          mremapArgs({
            space,
            from: TARGET,
            pages: PAGES,
            newPages: PAGES,
            where: { fixed: ELSEWHERE },
            old: 'is unmapped',
          }),
        )
      case 'madvise':
        return of(verbs.advise, { ...data, advice: 'random' })
      case 'munmap-beside':
        return of(verbs.unmap, beside)
      case 'mprotect-beside':
        return of(verbs.protect, { ...beside, prot: PROT_READ })
      case 'thread':
        return of(verbs.map, this.mapArgs(undefined, STACK_PAGES, undefined))
    }
  }

  private spawn<Args>(verb: Verb<Args>, args: Args): Task {
    return this.engine.scheduler.spawn(verb, args, this.who)
  }

  private get who() {
    return { name: 'victim', group: this.group }
  }

  /** Runs a call to its end, before time counts. */
  private run<Args>(verb: Verb<Args>, args: Args): void {
    const task = this.spawn(verb, args)
    const ended = this.driver.runWhile(this.engine.scheduler, () => task.state === 'ended')
    assert(ended && task.errno === 0, `VM1 ${verb.name} of the model's experiment succeeds`)
  }

  private runUntil(time: number): void {
    const { scheduler } = this.engine
    while (scheduler.timers.next <= time) {
      this.driver.runUntil(scheduler, scheduler.timers.next)
      this.look()
    }
    this.driver.runUntil(scheduler, time)
    this.look()
  }

  private look(): void {
    for (const player of this.players)
      if (player?.task.state === 'ended' && player.ended === undefined) player.ended = this.driver.now()
  }

  private map(fixed: number, pages: number, file: CachedFile | undefined): void {
    this.run(this.engine.verbs.map, this.mapArgs(fixed, pages, file))
  }

  private mapArgs(fixed: number | undefined, pages: number, file: CachedFile | undefined) {
    const plan = {
      prot: PROT_READ | PROT_WRITE,
      share: file === undefined ? 'private' : 'shared',
      open: file === undefined ? undefined : newOpening(file),
      pageOffset: 0,
      advice: 'normal',
    } as const
    return { space: this.space, pages, fixed, plan, locked: false, start: 0 }
  }

  private populate(start: number, pages: number, access: 'load' | 'store'): void {
    this.run(this.engine.verbs.populate, populateArgs(this.space, start, start + pages, access))
  }

  /** write(2) of pages of the file: they are dirty, and no entry is writable. */
  private write(pages: number): void {
    const bytes = new Uint8Array(pages * PAGE_BYTES)
    this.run(this.engine.verbs.write, copyArgs(this.file, 0, bytes, newReadState('normal')))
  }

  private limit(max: { readonly rbps?: number; readonly wbps?: number }): void {
    // A disk has a queue that can be limited from its first request on. The page isn't the group's.
    const { scheduler, verbs } = this.engine
    const args = copyArgs(this.file, LAST_PAGE, new Uint8Array(1), newReadState('random'))
    const task = scheduler.spawn(verbs.read, args, { name: 'other', group: ROOT })
    this.driver.runWhile(scheduler, () => task.state === 'ended')
    this.engine.groups.set(this.group, 'io.max', max)
  }

  /** Reclaims all that the group has until the page is in swap alone. */
  private swapOut(): void {
    const { groups, scheduler, memory } = this.engine
    for (let tries = 0; memory.ledger.usage(this.group) > 0; tries++) {
      assert(tries < SWAP_TRIES, 'VM2 a page of the model goes to swap when its group is closed')
      groups.set(this.group, 'memory.max', PAGE_BYTES)
      groups.set(this.group, 'memory.max', 0)
      this.driver.runWhile(scheduler, () => false)
    }
    groups.set(this.group, 'memory.max', 'max')
  }
}

interface Player {
  /** Undefined: it takes no lock, and so no time. */
  readonly spawn: () => Task | undefined
}
