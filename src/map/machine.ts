/**
 * A machine on real files: memory of its own, a page cache, groups, spaces. It takes none of the process's other memory
 * and holds nothing of the host but the files it has open.
 *
 * Invariants
 *   MC1 After close every page that was stored has been written, or close has told which file could not be.
 */

import type {
  CallOptions,
  CreateVolumeOptions,
  HostPath,
  MachineFace,
  MachineOptions,
  OpenOptions,
  OpenVolumeOptions,
  RemoteOptions,
  RepairReport,
  SpaceOptions,
  TransferOptions,
} from '../api/index.ts'
import { type Bytes, errno, hang, messageOf } from '../base/index.ts'
import { WRITEBACK_DEFAULTS, type WritebackSettings } from '../cache/index.ts'
import {
  Appends,
  bytes,
  type Context,
  checkKeys,
  choice,
  FaultlineError,
  Group,
  groupId,
  INSPECT,
  invalid,
  machineClosed,
  Performer,
  Sections,
  textPath,
  UnderWay,
} from '../calls/index.ts'
import { check, dump, Engine, type Hardware, type MachineDump } from '../engine/index.ts'
import { type File, HostFiles, openSwap, RemoteFiles, remoteAddress, type SwapFile } from '../files/index.ts'
import { type Settings, shown } from '../group/index.ts'
import { EndingCalls, type HostCalls, hasDisk, memoryBuffer, NODE_CALLS } from '../host/index.ts'
import { DISCIPLINES, disciplineNamed } from '../mm/index.ts'
import type { PsRow } from '../proc/index.ts'
import { RealDriver, watchers } from '../sched/index.ts'
import { Region } from '../volume/index.ts'
import {
  DaxMemory,
  isShared,
  keepIn,
  makeHostVolume,
  makeShared,
  type OpenVolume,
  openHostVolume,
  openShared,
  repairVolume,
  Volume,
} from '../volumes/index.ts'
import { metrics } from './metrics.ts'
import { type OwnTrace, ownTrace } from './own-trace.ts'
import { closed, started } from './process-end.ts'
import { Space, spaceName } from './space.ts'

/** What a machine stands on when another MMU than the software one shows its memory. */
export interface Platform {
  readonly hardware: Hardware
  readonly calls: HostCalls
  /** How many ranges of servers are under way, whenever it changes: the event loop must turn while there are any. */
  readonly asked: (underWay: number) => void
}

const MEMORY_DEFAULT = '64 MiB'
/** Fewer pages than this and a store that copies can't make progress. */
const FRAMES_MIN = 8
/** An entry of a page table has 27 bits for the frame. */
const FRAMES_MAX = 2 ** 27 - 1
const MACHINE_KEYS = ['memory', 'pageSize', 'readAhead', 'discipline', 'swap', 'writeback', 'watcher', 'dax']

export class Machine implements MachineFace {
  readonly pageSize: Bytes
  /** The group of everything that was given none. */
  readonly root: Group
  private readonly context: Context
  private readonly hostFiles: HostFiles
  private readonly remoteFiles: RemoteFiles
  private readonly volumes = new Set<Volume>()
  /** Volumes whose changes could not be made durable when the program had nothing else to do. */
  private readonly gaveUp = new WeakSet<Volume>()
  private readonly underWay = new UnderWay()
  private readonly swap: SwapFile | undefined
  private readonly trace: OwnTrace | undefined
  private closing: Promise<void> | undefined

  private constructor(context: Context, swap: SwapFile | undefined, trace: OwnTrace | undefined) {
    if (context === undefined) throw invalid('start', 'a machine is made by: await Machine.start()')
    this.context = context
    this.swap = swap
    this.trace = trace
    this.pageSize = context.engine.memory.frames.pageSize
    this.root = Group.root(context)
    // The hardware machine's thread is told by the program's.
    if (context.mmu === 'software') started(this)
    this.hostFiles = new HostFiles(context, swap?.host)
    this.remoteFiles = new RemoteFiles(context, keepIn)
  }

  /**
   * `platform`: for the hardware MMU, which runs the machine in a thread of its own; `calls`: what the software one reads and
   * writes files by.
   */
  static async start(
    options: MachineOptions = {},
    platform?: Platform,
    calls: HostCalls = NODE_CALLS,
  ): Promise<Machine> {
    checkMachine(options)
    const { discipline: name = 'restart', readAhead, swap, watcher } = options
    const { frames, pageSize } = framesOf(options)
    const names = DISCIPLINES.map(each => each.name)
    const discipline = disciplineNamed(choice(name, names, 'discipline', 'start'))!
    const writeback = writebackOf(options.writeback)
    const trace = ownTrace()
    const driver = new RealDriver()
    const ending = platform === undefined ? new EndingCalls(calls) : undefined
    const { hardware } = platform ?? {}
    const dax = daxFor(options.dax, frames, pageSize, hardware)
    const buffer = dax?.buffer ?? memoryFor(hardware === undefined ? frames : 1, pageSize)
    const swapFile = swap === undefined ? undefined : await openSwap(swap, pageSize, driver)
    const swapHost = swapFile?.host
    const engine = new Engine({
      driver,
      buffer,
      frames: frames + (dax?.blocks ?? 0),
      pageSize,
      discipline,
      writeback,
      ...(readAhead === undefined ? {} : { readAheadBytes: bytes(readAhead, 'readAhead', 'start') }),
      ...(watcher === undefined && trace === undefined
        ? {}
        : { watcher: watchers([watcher, trace?.watcher])! }),
      ...(hardware === undefined ? {} : { hardware }),
      ...(swapHost === undefined ? {} : { swap: { device: swapHost, bytes: swapHost.length } }),
    })
    driver.attach(engine.scheduler)
    trace?.attach(engine)
    hang(engine.groups, 'isThere', hasDisk)
    const context: Context = {
      engine,
      driver,
      performer: new Performer(driver, engine.scheduler),
      unmapped: new Map(),
      leaving: new Set(),
      untold: [],
      exits: new WeakMap(),
      mmu: hardware === undefined ? 'software' : 'hardware',
      dax: dax && {
        data: dax.data,
        region: new Region(engine.scheduler, engine.memory, dax.data, dax.blocks),
        unmap: () => dax.unmap(),
      },
      calls: platform?.calls ?? ending,
      asked: platform?.asked ?? (() => {}),
      ending,
      appends: new Appends(),
      sections: new Sections({
        unpin(kept) {
          engine.verbs.fault.letGo(kept)
          driver.pump()
        },
        enter() {
          driver.inSection = true
        },
        leave() {
          driver.inSection = false
        },
      }),
    }
    hang(engine.mm, 'onLastUnmap', open => {
      const release = context.unmapped.get(open)
      context.unmapped.delete(open)
      release?.()
    })
    return new Machine(context, swapFile, trace)
  }

  get mmu(): 'software' | 'hardware' {
    return this.context.mmu
  }

  /** The parts inside, for reports and experiments. */
  get engine(): Engine {
    return this.context.engine
  }

  /** For programs that are part of the machine: begins tasks of the engine, and tells of their end. */
  get performer(): Performer {
    return this.context.performer
  }

  /** Makes a group below the root. Keys and meanings are cgroup2's. */
  group(name: string, settings: Settings = {}): Group {
    this.checkOpen('group')
    return this.root.group(name, settings)
  }

  /** Opens a regular file of the host, or makes one. The same file opened twice has one set of pages. */
  async open(path: HostPath, options: OpenOptions & RemoteOptions = {}): Promise<File> {
    this.checkOpen('open')
    const address = remoteAddress(path)
    return this.underWay.during(() =>
      address === undefined ? this.hostFiles.open(path, options) : this.remoteFiles.open(address, options),
    )
  }

  /** Makes a volume: a directory, with its data in it or elsewhere. Opens it for writing. */
  async createVolume(path: HostPath, options: CreateVolumeOptions = {}): Promise<Volume> {
    this.checkOpen('createVolume')
    if (isShared(options))
      return this.volumeOf(makeShared(this.context, this.remoteFiles, String(path), options))
    checkKeys(options, ['size', 'data', 'signal'], 'createVolume')
    const directory = textPath(path, 'createVolume')
    const { data, signal } = options
    if (data !== undefined) this.hostFiles.refuseOpened(data)
    const size = options.size === undefined ? undefined : bytes(options.size, 'size', 'createVolume')
    const plan = { size, data, signal: this.underWay.endedBy(signal) }
    return this.underWay.during(async () => this.volume(await makeHostVolume(this.context, directory, plan)))
  }

  /** Opens a volume: one process to write, or many to read. One that is damaged opens to be read, whatever is asked. */
  async openVolume(path: HostPath, options: OpenVolumeOptions = {}): Promise<Volume> {
    this.checkOpen('openVolume')
    if (isShared(options))
      return this.volumeOf(openShared(this.context, this.remoteFiles, String(path), options))
    const directory = textPath(path, 'openVolume')
    checkKeys(options, ['mode'], 'openVolume')
    const mode = choice(options.mode ?? 'r', ['r', 'r+'], 'mode', 'openVolume')
    return this.underWay.during(async () => this.volume(await openHostVolume(this.context, directory, mode)))
  }

  /**
   * Mends what can be mended of a volume without guessing, and says what was wrong and what was given up. Nobody may have it
   * open.
   */
  async repairVolume(path: HostPath, options: TransferOptions = {}): Promise<RepairReport> {
    this.checkOpen('repairVolume')
    checkKeys(options, ['signal', 'progress'], 'repairVolume')
    const plan = { ...options, signal: this.underWay.endedBy(options.signal) }
    const directory = textPath(path, 'repairVolume')
    return this.underWay.during(() => repairVolume(this.context, directory, plan))
  }

  space(options: SpaceOptions): Space {
    this.checkOpen('space')
    checkKeys(options, ['name', 'group', 'commandLine'], 'space')
    const name = spaceName(options.name, 'space')
    const { commandLine = name } = options
    if (typeof commandLine !== 'string')
      throw invalid('space', `commandLine: expected text, got ${shown(commandLine)}`)
    const group = groupId(options.group, this.context, 'space')
    return new Space(this.context, this.engine.mm.createSpace({ name, group, commandLine }))
  }

  /** What ps shows: a row for each space. Reads each command line under its space's mmap lock. */
  async ps(options: CallOptions = {}): Promise<PsRow[]> {
    this.checkOpen('ps')
    checkKeys(options, ['group', 'signal'], 'ps')
    const { ps } = this.engine.verbs
    const who = { name: 'ps', group: groupId(options.group, this.context, 'ps') }
    const call = { operation: 'ps', where: 'the machine', signal: options.signal }
    const { rows } = await this.underWay.during(() =>
      this.context.performer.perform(ps, ps.begin(), who, call),
    )
    return rows
  }

  /** Counts everything again, and says what doesn't add up, a sentence each. Nothing should, at any moment. */
  check(): string[] {
    return check(this.engine)
  }

  /** What ps and the groups count, as Prometheus reads it. */
  metrics(): string {
    return metrics(this.engine)
  }

  /** What it is doing at this moment: tasks and what each waits for and behind whom, locks, I/O, groups. */
  dump(): MachineDump {
    return dump(this.engine)
  }

  /** Syncs and closes everything. Throws the first error of a file that could not be written, after closing the rest. */
  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  [INSPECT](): string {
    return `Machine of ${this.context.engine.memory.total} pages of ${this.pageSize} bytes, ${[...this.files()].length} open files`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /**
   * The process ends without having closed it: what was stored is handed to the host at once. Returns a sentence for each
   * file that it could not be written to. Never throws.
   */
  leave(): readonly string[] {
    // A section that hasn't ended has no effect.
    this.context.sections.undo.rollback(0)
    return [...this.hostFiles.leave(), ...this.settleNow()]
  }

  /** What `settle` does, without the event loop, where that can be done. */
  private settleNow(): string[] {
    const { ending, driver } = this.context
    if (ending === undefined || !this.isUnsettled()) return []
    ending.end()
    const left = [...this.volumes].filter(volume => volume.isChanged && !this.gaveUp.has(volume))
    const syncs = left.flatMap(({ path, leave }) => leave().map(task => ({ path, task })))
    driver.runOut(
      () => ending.step(),
      () => syncs.every(({ task }) => task.state === 'ended'),
    )
    const failed = syncs.filter(({ task }) => task.state !== 'ended' || task.errno !== errno.OK)
    return [...new Set(failed.map(({ path }) => path))].map(
      path =>
        `${path}: the process ended without closing it, and what changed since its last sync may be lost`,
    )
  }

  /** Whether a volume has changes that aren't durable. */
  isUnsettled(): boolean {
    return [...this.volumes].some(volume => volume.isChanged && !this.gaveUp.has(volume))
  }

  /** Makes them durable; returns a sentence for each volume whose changes could not be made so. Never throws. */
  async settle(): Promise<readonly string[]> {
    const failed: string[] = []
    for (const volume of this.volumes)
      if (volume.isChanged && !this.gaveUp.has(volume))
        try {
          await volume.settle()
        } catch (error) {
          this.gaveUp.add(volume)
          failed.push(`the program ended without closing ${volume.path}: ${messageOf(error)}`)
        }
    return failed
  }

  private async end(): Promise<void> {
    const { engine, leaving, performer, driver, untold } = this.context
    const failed = (error: unknown) => void untold.push(error)
    this.underWay.beginToClose('the machine')
    // A fork that was under way may have made one more.
    for (const space of engine.mm.spaces.values()) await new Space(this.context, space).exit().catch(failed)
    await this.underWay.settled()
    for (const file of [...this.files()]) await file.close().catch(failed)
    // One may keep what another fetches: that one was opened later.
    for (const volume of [...this.volumes].reverse()) await volume.close().catch(failed)
    await Promise.all(leaving)
    closed(this)
    performer.close()
    driver.close()
    this.trace?.write()
    this.context.dax?.unmap()
    // What is on its way there is of no use to anybody: its descriptor goes when the host has ended it.
    void this.swap?.host.close()
    this.swap?.lock.release()
    if (untold.length > 0) throw untold[0]
  }

  private volumeOf(opening: Promise<OpenVolume>): Promise<Volume> {
    return this.underWay.during(async () => this.volume(await opening))
  }

  private volume(opened: OpenVolume): Volume {
    const volume = new Volume(this.context, opened, () => void this.volumes.delete(volume))
    this.volumes.add(volume)
    return volume
  }

  private *files(): Generator<File> {
    yield* this.hostFiles.opened
    yield* this.remoteFiles.opened
  }

  private checkOpen(operation: string): void {
    if (this.closing !== undefined) throw machineClosed(operation)
  }
}

/** Throws what is wrong with the options, before anything is taken; `more` are options of who asks. */
export function checkMachine(options: MachineOptions, more: readonly string[] = []): void {
  checkKeys(options, [...more, ...MACHINE_KEYS], 'start')
  framesOf(options)
  const { discipline = 'restart', readAhead, writeback, watcher } = options
  choice(
    discipline,
    DISCIPLINES.map(each => each.name),
    'discipline',
    'start',
  )
  if (readAhead !== undefined) bytes(readAhead, 'readAhead', 'start')
  writebackOf(writeback)
  checkWatcher(watcher)
}

/** How many frames the options ask for, with the zero page. */
function framesOf({ memory = MEMORY_DEFAULT, pageSize = 4096 }: MachineOptions): {
  readonly frames: number
  readonly pageSize: Bytes
} {
  if (
    typeof pageSize !== 'number' ||
    !Number.isInteger(Math.log2(pageSize)) ||
    pageSize < 4096 ||
    pageSize > 2 ** 24
  )
    throw invalid(
      'start',
      `pageSize: expected a power of two from 4096 to ${2 ** 24}, got ${shown(pageSize)}`,
    )
  const size = bytes(memory, 'memory', 'start')
  const frames = Math.floor(size / pageSize)
  if (frames < FRAMES_MIN || frames > FRAMES_MAX)
    throw invalid(
      'start',
      `memory: expected ${FRAMES_MIN} to ${FRAMES_MAX} pages of ${pageSize} bytes, got ${size} bytes`,
    )
  return { frames: frames + 1, pageSize }
}

function daxFor(
  path: unknown,
  frames: number,
  pageSize: Bytes,
  hardware: Hardware | undefined,
): DaxMemory | undefined {
  if (path === undefined) return undefined
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw invalid('start', `dax: expected the path of a volume, got ${shown(path)}`)
  if (hardware !== undefined)
    throw invalid('start', "dax: the hardware MMU can't show a volume's blocks; use the software one")
  return DaxMemory.map(path, frames, pageSize)
}

function memoryFor(frames: number, pageSize: Bytes): ArrayBuffer {
  try {
    return memoryBuffer(frames * pageSize)
  } catch (error) {
    const message = `memory: this process could not get ${(frames - 1) * pageSize} bytes; ask for less`
    throw new FaultlineError('ENOMEM', 'start', message, error)
  }
}

function writebackOf(given: Partial<WritebackSettings> = {}): WritebackSettings {
  checkKeys(given, Object.keys(WRITEBACK_DEFAULTS), 'writeback')
  const settings = { ...WRITEBACK_DEFAULTS, ...given }
  for (const [key, value] of Object.entries(settings))
    if (typeof value !== 'number' || !(value >= 0) || (key.endsWith('atio') && value > 1))
      throw invalid(
        'start',
        `writeback.${key}: expected ${key.endsWith('atio') ? 'a share of memory, 0 to 1' : 'nanoseconds from 0'}; got ${shown(value)}`,
      )
  if (settings.backgroundRatio > settings.ratio)
    throw invalid(
      'start',
      `writeback.backgroundRatio: expected at most ratio, which is ${settings.ratio}; got ${settings.backgroundRatio}`,
    )
  return settings
}

function checkWatcher(watcher: unknown): void {
  if (watcher === undefined) return
  for (const method of ['began', 'waits', 'resumes', 'ended'])
    if (typeof (watcher as Record<string, unknown> | null)?.[method] !== 'function')
      throw invalid('start', `watcher: expected an object with the methods began, waits, resumes and ended`)
}
