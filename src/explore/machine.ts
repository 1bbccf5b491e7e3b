/**
 * The small machine of a scenario: the engine itself, with devices and a clock that move only when they are told to.
 *
 * Whatever may happen next is a choice (choice.ts). Between two choices nothing happens, so the machine is plain data there:
 * it can be hashed (key.ts), compared with what must be true (properties.ts), and put back (walker.ts).
 *
 * Invariants
 *   MA1 The same scenario, discipline and choices give the same machine.
 *   MA2 `choices` lists the cheapest first: going on in order costs nothing, each place further down is a delay.
 */
import { assert, type Errno, errno, ROOT, SLICE_PAGES } from '../base/index.ts'
import type { CachedFile } from '../cache/index.ts'
import type { Request } from '../device/index.ts'
import type { Engine } from '../engine/index.ts'
import type { Bio } from '../io/index.ts'
import {
  FAULT_FLAG_TRIED,
  FAULT_FLAG_VMA_LOCK,
  type Mappable,
  VM_FAULT_MAJOR,
  type VmFault,
} from '../memmap/index.ts'
import {
  type Discipline,
  newOpening,
  newVma,
  type OpenFile,
  PROT_READ,
  PROT_WRITE,
  type Space,
} from '../mm/index.ts'
import { replace, rigEngine, StillClock } from '../rig/index.ts'
import { AWAY, type Phrase, parsePhrase, type Scenario } from '../scenarios/index.ts'
import type { Task } from '../sched/index.ts'
import { addVma } from '../space/index.ts'
import { Access } from './access.ts'
import type { Canary } from './canaries.ts'
import { type Choice, IO_FAILS, IO_WELL, KILL, letter, TIME } from './choice.ts'
import { LabDevice } from './lab-device.ts'
import { Monitor, WatchedFile } from './monitor.ts'
import { begin } from './phrases.ts'
import { Truth } from './truth.ts'
import { type Under, UnderVolume, watchReserve } from './volume/under.ts'
import { LabVolume } from './volume/volume.ts'

/** Phrases before the scenario's own are given up after so many steps. */
const BEFORE_STEPS_MAX = 500
/** Where mappings begin, and how far apart: VMAs that don't touch are never merged. */
const MAPPINGS_FROM = 16
const MAPPINGS_APART = 16

/** I/O that a device is doing. */
export interface InFlight {
  readonly request: Request
  /** What it is, in words. */
  readonly what: string
  end(error: Errno): void
}

/** Where a mapping lies. */
export interface Place {
  readonly space: Space
  readonly start: number
  readonly end: number
}

export class Machine {
  readonly scenario: Scenario
  /** The row that was asked for; a canary may have given the engine another one. */
  readonly row: Discipline
  readonly pageSize: number
  readonly engine: Engine
  readonly clock = new StillClock()
  readonly truth = new Truth()
  readonly access: Access
  readonly monitor: Monitor
  /** Files with pages in the cache, and what lies under each. */
  readonly files = new Map<string, CachedFile>()
  readonly devices = new Map<string, Under>()
  /** Where the files lie that may share blocks, if they do. */
  readonly volume: LabVolume | undefined
  readonly places = new Map<string, Place>()
  /** The scenario's tasks, in its order. */
  readonly tasks: Task[] = []
  /** Of these, those with the same text that may all be killed or none: the same in everything. Of each group the first stands first. */
  readonly alike: Task[][] = []
  /** What is left of the scenario's failures. */
  readonly failures: number[]
  /**
   * How often one fault may read its page: once, and again for each time that it may be taken away: by a truncation or a
   * punch, by the failure of a read of several pages, or while a private copy waits for memory.
   */
  readonly readsMax: number
  /** What a canary remembers. */
  readonly notes = new Map<object, object>()
  /** Memory that never changes. */
  readonly constants: ArrayBuffer[] = []
  private readonly spaces = new Map<string, Space>()
  private readonly firstId: number
  /** Whether a task moves memory. */
  readonly moves: boolean

  constructor(scenario: Scenario, discipline: Discipline, canary?: Canary) {
    this.scenario = scenario
    this.row = discipline
    this.pageSize = scenario.pageKiB * 1024
    this.failures = scenario.fails.map(({ times }) => times)
    this.monitor = new Monitor(this)
    this.engine = rigEngine({
      driver: this.clock,
      frames: scenario.frames + 1 + framesOfBlocks(scenario),
      pageSize: this.pageSize,
      slicePages: scenario.slicePages,
      ...(scenario.slicePages < SLICE_PAGES && { bioBytesMax: scenario.slicePages * this.pageSize }),
      discipline: canary?.discipline?.(discipline) ?? discipline,
      writeback: scenario.throttles
        ? { backgroundRatio: 0.2, ratio: 0.3, interval: Infinity, expire: Infinity }
        : { backgroundRatio: 2, ratio: 2, interval: Infinity, expire: Infinity },
    })
    replace(this.engine.scheduler, 'watcher', () => this.monitor)
    this.access = new Access(this.engine.mm, this.engine.verbs.fault, this.truth)
    this.monitor.attach()
    this.volume =
      scenario.volume === undefined ? undefined : new LabVolume(this.engine, scenario, this.pageSize)
    if (this.volume === undefined) this.addFiles()
    else this.addVolumeFiles(this.volume)
    this.addMappings()
    for (const [nth, text] of scenario.before.entries()) this.runWhole(this.phrase(text), nth + 32)
    this.volume?.commit()
    canary?.plant?.(this)
    const { tasks, kills } = scenario
    for (const text of tasks) this.tasks.push(begin(this, this.phrase(text), tasks.indexOf(text)))
    const groups = Map.groupBy(this.tasks, (_, place) => `${tasks[place]} ${kills.includes(place)}`)
    this.alike.push(...groups.values())
    this.firstId = this.tasks[0]?.id ?? 1
    this.moves = scenario.tasks.some(text => text.startsWith('mremap'))
    this.readsMax = 1 + timesTakenAway(scenario)
  }

  /** A page with a word on it that nobody will change. */
  constant(word: number): Uint8Array {
    const page = new Uint8Array(this.pageSize)
    page[0] = word
    this.constants.push(page.buffer)
    return page
  }

  file(name: string): CachedFile {
    return this.files.get(name)!
  }

  space(name: string): Space {
    const space = this.spaces.get(name)
    assert(space !== undefined, `there is a space ${name}`)
    return space
  }

  place(mapping: string): Place {
    const [, where, name] = /^(?:(child|away)\/)?(.*)$/.exec(mapping)!
    const place = this.places.get(name!)!
    if (where === 'child') return { ...place, space: this.space('child') }
    return where === 'away' ? { ...place, start: place.start + AWAY, end: place.end + AWAY } : place
  }

  /** The bios that are under way, first issued first. */
  get bios(): readonly Bio[] {
    return this.engine.io.issued.values().map(({ bio }) => bio)
  }

  /** The I/O that devices are doing, first issued first. A volume's device is below the bios of its files. */
  get inFlight(): readonly InFlight[] {
    const { volume, engine } = this
    if (volume !== undefined)
      return volume.disk.inFlight.map(request => ({
        request,
        what: `${request.operation} of block ${request.position / this.pageSize}`,
        end: error => volume.disk.end(request, error),
      }))
    return engine.io.issued.values().map(request => ({
      request,
      what: request.bio.what,
      end: error => (request.bio.device as LabDevice).end(request, error, request.bio.purpose),
    }))
  }

  choices(): Choice[] {
    const { scheduler, io } = this.engine
    const requests = this.volume?.disk.inFlight ?? io.issued.values()
    const found: Choice[] = scheduler.ready().map(task => task.id - this.firstId)
    for (let at = 0; at < requests.length; at++) found.push(IO_WELL + at)
    if (scheduler.timers.next !== Infinity) found.push(TIME)
    if (this.failures.some(left => left > 0))
      for (const [at, { operation }] of requests.entries())
        if (this.failureOf(operation) !== -1) found.push(IO_FAILS + at)
    for (const place of this.scenario.kills) {
      const task = this.tasks[place]!
      if (!task.killed && this.engine.scheduler.canKill(task)) found.push(KILL + place)
    }
    return found
  }

  take(choice: Choice): void {
    this.monitor.before(choice < TIME ? this.taskOf(choice) : undefined)
    if (choice < IO_WELL) {
      const task = this.taskOf(choice)!
      this.engine.scheduler.step(task)
    } else if (choice === TIME) {
      this.clock.time = this.engine.scheduler.timers.next
      this.engine.scheduler.fireTimers()
    } else if (choice >= KILL) this.engine.scheduler.kill(this.tasks[choice - KILL]!)
    else this.endIo(choice)
    this.monitor.after()
  }

  /** Whether a fault that has dropped its lock says so, as Linux would have it: not after a pass under the VMA lock that read nothing. */
  isMarked({ flags, result }: VmFault): boolean {
    const counts = (flags & FAULT_FLAG_VMA_LOCK) === 0 || (result & VM_FAULT_MAJOR) !== 0
    return !counts || (flags & FAULT_FLAG_TRIED) !== 0
  }

  taskOf(choice: Choice): Task | undefined {
    return this.tasks[choice] ?? this.engine.scheduler.tasks.get(choice + this.firstId)
  }

  letterOf(task: Task): string {
    return letter(task.id - this.firstId)
  }

  private endIo(choice: Choice): void {
    const fails = choice >= IO_FAILS
    const { request, end } = this.inFlight[choice - (fails ? IO_FAILS : IO_WELL)]!
    if (fails) this.failures[this.failureOf(request.operation)]!--
    end(fails ? errno.EIO : errno.OK)
  }

  private failureOf(operation: Request['operation']): number {
    return this.scenario.fails.findIndex((fail, at) => fail.operation === operation && this.failures[at]! > 0)
  }

  private addFiles(): void {
    const { engine, pageSize } = this
    let first = 1
    for (const [name, { pages, stable, free }] of Object.entries(this.scenario.files)) {
      const device = new LabDevice(name, pageSize, pages, free, first)
      const options = { stablePages: stable, spaceFor: free === undefined ? Infinity : 0 }
      const backing = new WatchedFile(this.monitor, device, engine.io, engine.memory, options)
      const file = engine.cache.add(name, pages * pageSize, backing)
      this.files.set(name, file)
      this.devices.set(name, device)
      this.truth.files.set(
        file.id,
        Array.from({ length: this.pagesEver(name, pages) }, (_, page) => device.word(page)),
      )
      first += 16
    }
  }

  private addVolumeFiles(on: LabVolume): void {
    const { engine, monitor, truth } = this
    for (const [name, opened] of on.opened) {
      const ever = this.pagesEver(name, this.scenario.files[name]!.pages)
      const { id } = opened.opened === 'dax' ? opened : opened.cached
      truth.files.set(
        id,
        Array.from({ length: ever }, (_, page) => on.word(opened, page)),
      )
      if (opened.opened === 'dax') continue
      this.files.set(name, opened.cached)
      this.devices.set(opened.cached.name, new UnderVolume(on, opened))
      watchReserve(monitor, engine.memory.frames, opened.cached)
    }
  }

  /** The file as mappings have it. */
  private mappable(name: string): Mappable | undefined {
    const opened = this.volume?.opened.get(name)
    return opened?.opened === 'dax' ? opened : this.files.get(name)
  }

  /** The pages that a file has at any time, and those that are written before it has them: all are part of the state. */
  private pagesEver(name: string, pages: number): number {
    const { before, tasks } = this.scenario
    const named = [...before, ...tasks].map(text => this.phrase(text)).filter(({ target }) => target === name)
    const grown = ({ verb, number, source }: Phrase) => {
      if (verb === 'truncate') return number
      return source === '' ? number + 1 : this.scenario.files[source]!.pages
    }
    return named.reduce((most, phrase) => Math.max(most, grown(phrase)), pages)
  }

  private addMappings(): void {
    const { mm, scheduler } = this.engine
    let start = MAPPINGS_FROM
    this.spaceNamed('app')
    for (const [name, spec] of Object.entries(this.scenario.mappings)) {
      const space = this.spaceNamed(spec.space)
      const file = this.mappable(spec.file)
      const open: OpenFile | undefined =
        file === undefined ? undefined : newOpening(file, { advice: spec.advice })
      const prot = spec.prot === 'write' ? PROT_READ | PROT_WRITE : PROT_READ
      const end = start + spec.pages
      const pageOffset = open === undefined ? start : spec.offset
      const { share, advice } = spec
      addVma(mm, newVma(scheduler, space, { start, end, prot, share, open, pageOffset, advice }))
      this.places.set(name, { space, start, end })
      start += MAPPINGS_APART
    }
  }

  private spaceNamed(name: string): Space {
    let space = this.spaces.get(name)
    if (space === undefined) {
      space = this.engine.mm.createSpace({ name, group: ROOT, commandLine: name })
      this.spaces.set(name, space)
    }
    return space
  }

  private phrase(text: string): Phrase {
    const { files, mappings } = this.scenario
    const phrase = parsePhrase(text, Object.keys(files), Object.keys(mappings))
    assert(typeof phrase !== 'string', `${this.scenario.name}: ${phrase as string}`)
    return phrase
  }

  /** Runs a phrase to its end, with whatever else it needs, in order. */
  private runWhole(phrase: Phrase, nth: number): void {
    const { scheduler } = this.engine
    const task = begin(this, phrase, nth)
    for (let steps = 0; task.state !== 'ended' || this.inFlight.length > 0; steps++) {
      assert(steps < BEFORE_STEPS_MAX, `\`${phrase.text}\` ends before the scenario begins`)
      const ready = scheduler.ready()[0]
      if (ready !== undefined) {
        this.monitor.before(ready)
        scheduler.step(ready)
        this.monitor.after()
      } else if (this.inFlight.length > 0) this.endIo(IO_WELL)
      else {
        this.clock.time = scheduler.timers.next
        scheduler.fireTimers()
      }
    }
    const child = (task.args as { child?: Space }).child
    if (child !== undefined) this.spaces.set(child.name, child)
  }
}

/** Blocks of a volume for DAX are frames. */
function framesOfBlocks({ volume }: Scenario): number {
  return volume?.open === 'dax' ? volume.blocks : 0
}

function timesTakenAway({ tasks, mappings, fails, reclaims }: Scenario): number {
  const isPrivate = (text: string) => mappings[text.split(/[ /]/).at(-2)!]?.share === 'private'
  const changes = tasks.filter(text => /^(truncate|punch|clone|zero)/.test(text)).length
  const copies = reclaims ? tasks.filter(text => text.startsWith('store') && isPrivate(text)).length : 0
  const ahead = Object.values(mappings).some(({ advice }) => advice !== 'random')
  const failures = ahead
    ? fails.reduce((sum, { operation, times }) => sum + (operation === 'read' ? times : 0), 0)
    : 0
  return changes + copies + failures
}
