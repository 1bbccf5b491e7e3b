/**
 * A machine on real files: memory of its own, a page cache, groups, spaces. It takes none of the process's other memory
 * and holds nothing of the host but the files it has open.
 *
 * Invariants
 *   MC1 After close every page that was stored has been written, or close has told which file could not be.
 */
import type { Bytes } from '../base/index.ts'
import type { CachedFile, WritebackSettings } from '../cache/index.ts'
import { LinearFile } from '../fs/index.ts'
import type { Settings } from '../group/index.ts'
import { HostFile, type HostFileOptions, memoryBuffer } from '../host/index.ts'
import { Engine } from '../machine/index.ts'
import { DISCIPLINES, disciplineNamed } from '../mm/index.ts'
import type { PsRow } from '../proc/index.ts'
import { RealDriver, type Watcher } from '../sched/index.ts'
import type { Context } from './context.ts'
import { FaultlineError } from './error.ts'
import { File } from './file.ts'
import { Group } from './group.ts'
import { bytes, checkKeys, choice, invalid } from './options.ts'
import { Performer } from './performer.ts'
import { Space } from './space.ts'

export interface MachineOptions {
  /** Memory for pages: bytes, or a size like '64 MiB'. */
  readonly memory?: Bytes | string
  /** A power of two from 4096. */
  readonly pageSize?: Bytes
  /** The lock discipline of its faults; `restart` if left out. */
  readonly discipline?: string
  /** A file that anonymous pages may go to; it must exist, and its content is overwritten. */
  readonly swap?: string
  readonly writeback?: WritebackSettings
  /** Sees every task begin, wait, resume and end. */
  readonly watcher?: Watcher
}

export interface OpenOptions {
  readonly mode?: 'r' | 'r+'
  /** Bypass the host's page cache where the host allows. */
  readonly direct?: boolean
  /** A store to a page that is being written waits, as where pages are checksummed. */
  readonly stablePages?: boolean
}

export interface SpaceOptions {
  readonly name: string
  readonly group?: Group
  readonly commandLine?: string
}

const MEMORY_DEFAULT = '64 MiB'
/** Fewer pages than this and a store that copies can't make progress. */
const FRAMES_MIN = 8

const HOST_ERRORS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file; make it first, as long as it is to be'],
  ['EISDIR', 'it is a directory; expected a regular file'],
  ['EINVAL', 'it is not a regular file; expected one'],
  ['EACCES', "this process may not open it so; check its permissions, or open it with mode 'r'"],
  ['EROFS', "its filesystem is read-only; open it with mode 'r'"],
])
const MACHINE_KEYS = ['memory', 'pageSize', 'discipline', 'swap', 'writeback', 'watcher']

/** A file of the host as the machine has it, for all who opened it. */
interface Known {
  readonly host: HostFile
  readonly cached: CachedFile
  openings: number
}

export class Machine {
  readonly pageSize: Bytes
  /** The group of everything that was given none. */
  readonly root: Group
  private readonly context: Context
  private readonly known = new Map<string, Known>()
  private readonly opened = new Set<File>()
  private swapHost: HostFile | undefined
  private closed = false

  private constructor(context: Context, swapHost: HostFile | undefined) {
    this.context = context
    this.swapHost = swapHost
    this.pageSize = context.engine.memory.frames.pageSize
    this.root = Group.root(context)
  }

  static async start(options: MachineOptions = {}): Promise<Machine> {
    checkKeys(options, MACHINE_KEYS, 'start')
    const { pageSize = 4096, discipline: name = 'restart', writeback, swap, watcher } = options
    if (!Number.isInteger(Math.log2(pageSize)) || pageSize < 4096 || pageSize > 2 ** 24)
      throw invalid('start', `pageSize: expected a power of two from 4096 to ${2 ** 24}, got ${pageSize}`)
    const names = DISCIPLINES.map(each => each.name)
    const discipline = disciplineNamed(choice(name, names, 'discipline', 'start'))!
    const memory = bytes(options.memory ?? MEMORY_DEFAULT, 'memory', 'start')
    const frames = Math.floor(memory / pageSize)
    if (frames < FRAMES_MIN)
      throw invalid(
        'start',
        `memory: expected at least ${FRAMES_MIN} pages of ${pageSize} bytes, got ${memory} bytes`,
      )
    const driver = new RealDriver()
    const performer = new Performer(driver, watcher)
    const swapHost =
      swap === undefined ? undefined : openHost(swap, { mode: 'r+', direct: true, pump: () => driver.pump() })
    const engine = new Engine({
      driver,
      buffer: memoryBuffer((frames + 1) * pageSize),
      frames: frames + 1,
      pageSize,
      discipline,
      watcher: performer.watcher,
      ...(writeback === undefined ? {} : { writeback }),
      ...(swapHost === undefined ? {} : { swap: { device: swapHost, bytes: swapHost.length } }),
    })
    driver.attach(engine.scheduler)
    performer.attach(engine.scheduler)
    const context: Context = { engine, driver, performer, unmapped: new Map() }
    engine.mm.onLastUnmap = open => {
      const release = context.unmapped.get(open)
      context.unmapped.delete(open)
      release?.()
    }
    return new Machine(context, swapHost)
  }

  /** The parts inside, for reports and experiments. */
  get engine(): Engine {
    return this.context.engine
  }

  /** Makes a group below the root. Keys and meanings are cgroup2's. */
  group(name: string, settings: Settings = {}): Group {
    return this.root.group(name, settings)
  }

  /** Opens a regular file of the host. The same file opened twice has one set of pages. */
  async open(path: string, options: OpenOptions = {}): Promise<File> {
    this.check('open')
    checkKeys(options, ['mode', 'direct', 'stablePages'], 'open')
    const mode = choice(options.mode ?? 'r', ['r', 'r+'], 'mode', 'open')
    const { direct = false, stablePages = false } = options
    const host = openHost(path, { mode, direct, pump: () => this.context.driver.pump() })
    let known = this.known.get(host.inode)
    if (known === undefined) known = this.add(host, stablePages)
    else {
      host.close()
      if (mode === 'r+') asFaultline('open', path, () => known!.host.makeWritable())
    }
    known.openings++
    const file = new File(this.context, known.cached, mode === 'r', () => this.release(known))
    this.opened.add(file)
    return file
  }

  space(options: SpaceOptions): Space {
    this.check('space')
    checkKeys(options, ['name', 'group', 'commandLine'], 'space')
    const { name, group = this.root, commandLine = name } = options
    return new Space(this.context, this.engine.mm.createSpace({ name, group: group.id, commandLine }))
  }

  /** What ps shows: a row for each space. Reads each command line under its space's mmap lock. */
  async ps(options: { readonly group?: Group; readonly signal?: AbortSignal } = {}): Promise<PsRow[]> {
    this.check('ps')
    const { verbs } = this.engine
    const who = { name: 'ps', group: options.group?.id ?? this.root.id }
    const args = await this.context.performer.perform(
      verbs.ps,
      verbs.ps.begin(),
      who,
      'the machine',
      options.signal,
    )
    return args.rows
  }

  /** Syncs and closes everything. Throws the first error of a file that could not be written, after closing the rest. */
  async close(): Promise<void> {
    if (this.closed) return
    const errors: unknown[] = []
    for (const space of [...this.engine.mm.spaces.values()])
      await new Space(this.context, space).exit().catch((error: unknown) => errors.push(error))
    for (const file of this.opened) await file.close().catch((error: unknown) => errors.push(error))
    for (const known of [...this.known.values()]) {
      known.openings = 1
      await this.release(known).catch((error: unknown) => errors.push(error))
    }
    this.closed = true
    this.context.performer.close()
    this.context.driver.close()
    this.swapHost?.close()
    this.swapHost = undefined
    if (errors.length > 0) throw errors[0]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private add(host: HostFile, stablePages: boolean): Known {
    const { engine } = this.context
    const spaceFor = host.sparse ? 0 : Math.ceil(host.length / this.pageSize)
    const backing = new LinearFile(host, engine.io, engine.memory, { stablePages, spaceFor })
    const known: Known = { host, cached: engine.cache.add(host.name, host.length, backing), openings: 0 }
    this.known.set(host.inode, known)
    return known
  }

  private async release(known: Known): Promise<void> {
    if (--known.openings > 0 || !this.known.delete(known.host.inode)) return
    const { performer, engine } = this.context
    const who = { name: 'close', group: this.root.id }
    await performer.perform(engine.verbs.forget, { file: known.cached }, who, known.cached.name)
    known.host.close()
  }

  private check(operation: string): void {
    if (this.closed) throw new FaultlineError('EBADF', operation, 'the machine is closed; start another one')
  }
}

function openHost(path: string, options: HostFileOptions): HostFile {
  return asFaultline('open', path, () => HostFile.open(path, options))
}

/** The host's errors in the library's words. */
function asFaultline<T>(operation: string, path: string, ask: () => T): T {
  try {
    return ask()
  } catch (error) {
    const code = (error as { code?: unknown }).code
    if (typeof code !== 'string') throw error
    const what = HOST_ERRORS.get(code) ?? (error as Error).message
    throw new FaultlineError(code, operation, `${operation} of ${path} failed with ${code}: ${what}`, error)
  }
}
