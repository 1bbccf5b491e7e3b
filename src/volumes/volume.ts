/**
 * A volume that is open in a machine: names, files that share blocks, snapshots. What it opens are Files as those of the host
 * are: spaces map them, and calls read and write them.
 *
 *     const volume = await machine.openVolume('/data/vol', { mode: 'r+' })
 *     const file = await volume.open('/a', { mode: 'r+' })
 *     const map = await space.map(file, { prot: 'rw' })
 *     await volume.clone('/a', '/b')
 *
 * Names change at once; what is durable is what was synced: by `sync` of the volume, or of a file of it, which takes all
 * that was done before with it.
 *
 * Invariants
 *   VL3 close syncs all, and gives the lock back whatever happens.
 */
import { setImmediate } from 'node:timers/promises'
import type {
  CheckOptions,
  CloneOptions,
  FileFace,
  GetFileOptions,
  LinkOptions,
  MakeOptions,
  NodeOptions,
  PutOptions,
  RangeOfFiles,
  RenameOptions,
  SetAttributeOptions,
  SnapshotOptions,
  Source,
  TimesOfFile,
  TransferOptions,
  VolumeFace,
  VolumeFileOptions,
} from '../api/index.ts'
import { type Bytes, codeOf, errno } from '../base/index.ts'
import {
  aborted,
  type Context,
  checkBytes,
  checkKeys,
  choice,
  FaultlineError,
  flag,
  fromHost,
  INSPECT,
  invalid,
  isAborted,
} from '../calls/index.ts'
import type { File } from '../files/index.ts'
import type { Task } from '../sched/index.ts'
import {
  type AttributeChange,
  type CheckReport,
  type Volume as Core,
  type InodePlan,
  type Named,
  preallocatingArgs,
  remappingArgs,
  type Stat,
  shiftingArgs,
  snapshotArgs,
  Upgrading,
  type Usage,
  upgradingArgs,
  type VolumeStatistics,
} from '../volume/index.ts'
import { writeWhole } from './host-target.ts'
import type { OpenVolume } from './open-volume.ts'
import { bringIn, originOf, takeOut } from './streams.ts'
import {
  checkAttribute,
  checkId,
  checkMode,
  checkTimes,
  lastOf,
  linkPlan,
  nodePlan,
  now,
  planOf,
  renameHow,
} from './volume-attributes.ts'
import { checkPath, checkProgress, checkWhole, VolumeCalls } from './volume-calls.ts'
import { type Examined, examine } from './volume-check.ts'
import { OpenFiles } from './volume-files.ts'
import { listOf, lookAt, seekIn, statOf } from './volume-questions.ts'

/** Names that are taken away before the event loop turns. */
const REMOVED_AT_ONCE = 32

export class Volume implements VolumeFace {
  readonly path: string
  /** The engine's own part of it. */
  readonly core: Core
  private readonly opened: OpenVolume
  private readonly calls: VolumeCalls
  private readonly onClosed: () => void
  private readonly files: OpenFiles
  /** How many of the sentences about damage are on the disk. */
  private noted: number
  private closing: Promise<void> | undefined

  constructor(context: Context, opened: OpenVolume, onClosed: () => void) {
    this.opened = opened
    this.core = opened.core
    this.path = opened.path
    this.calls = new VolumeCalls(context, opened.core, () => opened.ground.trouble())
    this.files = new OpenFiles(context, this.calls, () => this.note())
    this.onClosed = onClosed
    this.noted = opened.noted
  }

  get readOnly(): boolean {
    return this.core.isReadOnly
  }

  /** For the machine: whether it takes calls no more. */
  get isClosed(): boolean {
    return this.closing !== undefined
  }

  /** What was found damaged, a sentence each. A volume with any is read-only. */
  get damage(): readonly string[] {
    return this.core.damage
  }

  /** Blocks: free + used + reserved = size. */
  get usage(): Usage {
    this.checkCall('usage')
    return this.calls.usage(this.path)
  }

  /** Opens a file. Opened twice it has one set of pages. */
  async open(path: string, options: VolumeFileOptions = {}): Promise<File> {
    this.checkCall('open', path)
    checkKeys(options, ['mode', 'dax', 'mapSync'], 'open')
    const dax = flag(options.dax, 'dax', 'open')
    const mapSync = flag(options.mapSync, 'mapSync', 'open')
    if (mapSync && !dax) throw invalid('open', 'mapSync: it is for files that are opened with dax: true')
    const mode = choice(options.mode ?? 'r', ['r', 'r+'], 'mode', 'open')
    if (mode === 'r+') await this.calls.ask(() => this.core.mayChange(path), 'open', path)
    if (!dax) return this.during(() => this.files.open('open', path, mode, () => this.core.open(path)))
    if (!this.core.hasRegion)
      throw new FaultlineError(
        'EINVAL',
        'open',
        `open of ${path} for DAX: the blocks of ${this.path} aren't memory of this machine; start it with { dax: '${this.path}' }`,
      )
    return this.during(() =>
      this.files.open('open', path, mode, () => this.core.openDax(path, { durable: mapSync })),
    )
  }

  /** Makes an empty file. */
  async create(path: string, options: MakeOptions = {}): Promise<void> {
    await this.make('create', path, planOf('file', options, 'create'))
  }

  async mkdir(path: string, options: MakeOptions = {}): Promise<void> {
    await this.make('mkdir', path, planOf('directory', options, 'mkdir'))
  }

  /** Makes a FIFO, a socket, a device or an empty file. */
  async mknod(path: string, options: NodeOptions = {}): Promise<void> {
    await this.make('mknod', path, nodePlan(options, 'mknod'))
  }

  /** Makes a symbolic link that leads to `target`, whatever that is. */
  async symlink(target: string, path: string): Promise<void> {
    await this.make('symlink', path, linkPlan(target, 'symlink'))
  }

  /** Where a symbolic link leads. */
  async readlink(path: string): Promise<string> {
    this.checkCall('readlink', path)
    return this.calls.ask(() => this.core.readlink(path), 'readlink', path)
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.setattr('chmod', path, { mode: checkMode(mode, 'chmod') }, {})
  }

  async chown(path: string, uid: number, gid: number, options: LinkOptions = {}): Promise<void> {
    const owner = { uid: checkId(uid, 'uid', 'chown'), gid: checkId(gid, 'gid', 'chown') }
    await this.setattr('chown', path, owner, options)
  }

  async utimes(path: string, times: TimesOfFile, options: LinkOptions = {}): Promise<void> {
    await this.setattr('utimes', path, checkTimes(times, 'utimes'), options)
  }

  /** The names of what programs keep beside the file (listxattr(2)), in order. */
  async listxattr(path: string, options: LinkOptions = {}): Promise<readonly string[]> {
    const ino = await this.inoOf('listxattr', path, options)
    return this.calls.ask(() => this.core.inodes.listxattr(ino), 'listxattr', path)
  }

  async getxattr(path: string, name: string, options: LinkOptions = {}): Promise<Uint8Array> {
    checkAttribute(name, 'getxattr')
    const ino = await this.inoOf('getxattr', path, options)
    return this.calls.ask(() => this.core.inodes.getxattr(ino, name), 'getxattr', path)
  }

  async setxattr(
    path: string,
    name: string,
    value: Uint8Array,
    { how = 'set', ...options }: SetAttributeOptions & LinkOptions = {},
  ): Promise<void> {
    checkAttribute(name, 'setxattr')
    checkBytes('setxattr', value)
    const checked = choice(how, ['set', 'create', 'replace'], 'how', 'setxattr')
    const ino = await this.inoOf('setxattr', path, options)
    if (this.calls.isCopying) await this.calm('setxattr')
    await this.calls.ask(() => this.core.inodes.setxattr(ino, name, value, checked, now()), 'setxattr', path)
  }

  async removexattr(path: string, name: string, options: LinkOptions = {}): Promise<void> {
    checkAttribute(name, 'removexattr')
    const ino = await this.inoOf('removexattr', path, options)
    if (this.calls.isCopying) await this.calm('removexattr')
    await this.calls.ask(() => this.core.inodes.removexattr(ino, name, now()), 'removexattr', path)
  }

  /** Where data, or a hole, begins from a position on; undefined: nowhere before the end. */
  async seek(file: FileFace, position: Bytes, what: 'data' | 'hole'): Promise<Bytes | undefined> {
    checkWhole(position, 'position', 'seek')
    const sought = choice(what, ['data', 'hole'], 'what', 'seek')
    this.checkCall('seek')
    const mine = this.files.mine(file, 'seek', 'for reading')
    return this.during(() => seekIn(this.calls, mine, position, sought))
  }

  /** What statfs(2) says. */
  async statfs(): Promise<VolumeStatistics> {
    this.checkCall('statfs')
    return this.calls.ask(() => this.core.inodes.statfs(), 'statfs', this.path)
  }

  /** Which format it has: 1 opens to be read, and becomes 2 by `upgrade`. */
  get format(): number {
    this.checkCall('format')
    return this.core.header.format
  }

  /** Makes a volume of an older format one of today's, in place: after a crash it has one or the other. All in it is `owner`'s then. */
  async upgrade(owner: Pick<MakeOptions, 'uid' | 'gid'> = {}): Promise<void> {
    checkKeys(owner, ['uid', 'gid'], 'upgrade')
    this.checkCall('upgrade')
    const { uid, gid } = planOf('file', owner, 'upgrade')
    const args = upgradingArgs({ volume: this.core, uid, gid, now: now() })
    await this.during(() =>
      this.calls.perform(new Upgrading(), args, { operation: 'upgrade', where: this.path }),
    )
  }

  /** Lets it hold more: its file gets the host's space, or the device it lies on has grown. `size`: bytes of its data. */
  async grow(size: Bytes): Promise<void> {
    checkWhole(size, 'size', 'grow')
    this.checkCall('grow')
    await this.during(() => this.opened.ground.grow(this.calls, size))
  }

  /** Lets it hold less: what lies in the blocks that go moves to others. None of its files is open. */
  async shrink(size: Bytes): Promise<void> {
    checkWhole(size, 'size', 'shrink')
    this.checkCall('shrink')
    await this.during(() => this.opened.ground.shrink(this.calls, size))
  }

  /** What a directory holds, in order. */
  async list(path: string): Promise<Named[]> {
    this.checkCall('list', path)
    return this.during(() => listOf(this.calls, path))
  }

  async stat(path: string): Promise<Stat> {
    this.checkCall('stat', path)
    return this.during(() => statOf(this.calls, 'stat', path, 'followed'))
  }

  /** The same, of a symbolic link itself. */
  async lstat(path: string): Promise<Stat> {
    this.checkCall('lstat', path)
    return this.during(() => statOf(this.calls, 'lstat', path, 'itself'))
  }

  /** Whether there is something at the path. */
  async exists(path: string): Promise<boolean> {
    this.checkCall('exists', path)
    const found = await this.calls.answered(() => this.core.find(path))
    if (found.errno === errno.ENOENT || found.errno === errno.ENOTDIR) return false
    this.calls.said(found, 'exists', path)
    return true
  }

  async rename(from: string, to: string, options: RenameOptions = {}): Promise<void> {
    const how = renameHow(options, 'rename')
    this.checkCall('rename', from, to)
    if (this.calls.isCopying) await this.calm('rename')
    await this.calls.ask(() => this.core.rename(from, to, how, now()), 'rename', `${from} to ${to}`)
  }

  /** One name more for a file. */
  async link(from: string, to: string): Promise<void> {
    this.checkCall('link', from, to)
    if (this.calls.isCopying) await this.calm('link')
    await this.calls.ask(() => this.core.link(from, to, now()), 'link', `${from} to ${to}`)
  }

  /** Takes a file's name away, or an empty directory. A file without names lives until it is closed. */
  async unlink(path: string): Promise<void> {
    this.checkCall('unlink', path)
    if (this.calls.isCopying) await this.calm('unlink')
    await this.calls.ask(() => this.core.unlink(path, now()), 'unlink', path)
  }

  /** Takes a file's name away, or a directory's with all that is below it. */
  async remove(path: string, options: Pick<TransferOptions, 'signal'> = {}): Promise<void> {
    checkKeys(options, ['signal'], 'remove')
    this.checkCall('remove', path)
    if (path === '/') throw invalid('remove', `remove of /: the root of a volume has no name that could go`)
    await this.during(async () => {
      for (;;) {
        if (options.signal?.aborted === true) throw aborted('remove', path, options.signal.reason)
        if (this.calls.isCopying) await this.calls.calm()
        if (
          (await this.calls.ask(() => this.core.removeTree(path, REMOVED_AT_ONCE, now()), 'remove', path)) ===
          'gone'
        )
          return
        await setImmediate()
      }
    })
  }

  /** A file that lies where another does: time and space for its extents, not for its bytes. */
  async clone(from: string, to: string, options: CloneOptions = {}): Promise<void> {
    checkKeys(options, ['existing', 'signal'], 'clone')
    const existing = choice(options.existing ?? 'stays', ['stays', 'is replaced'], 'existing', 'clone')
    this.checkCall('clone', from, to)
    const call = { operation: 'clone', where: `${from} to ${to}`, signal: options.signal }
    const plan = await this.planLike(from)
    await this.during(() =>
      this.files.using('clone', from, source =>
        this.files.make('clone', to, existing, plan, async target => {
          const range = { source, target, from: 0, to: 0, length: source.size }
          await this.calls.perform(this.core.remapping, remappingArgs({ how: 'clone', ...range }), call)
        }),
      ),
    )
  }

  /** Lets a range of one open file lie where a range of another does. */
  async cloneRange(range: RangeOfFiles): Promise<void> {
    await this.remap('clone', range)
  }

  /** The same if both hold the same bytes; returns whether they do. Atomic against writers. */
  async dedupe(range: RangeOfFiles): Promise<boolean> {
    const { differs } = await this.remap('dedupe', range)
    return !differs
  }

  /** Gives the holes of a range blocks of their own, which read as zeros; makes the file longer if it must. */
  async fallocate(file: FileFace, position: Bytes, length: Bytes): Promise<void> {
    checkWhole(position, 'position', 'fallocate')
    checkWhole(length, 'length', 'fallocate')
    if (length === 0) throw invalid('fallocate', 'length: expected at least one byte, got 0')
    this.checkCall('fallocate')
    const mine = this.files.mine(file, 'fallocate', 'for writing')
    const args = preallocatingArgs({ file: mine, position, length, how: 'allocate', size: 'grows' })
    const call = { operation: 'fallocate', where: file.name }
    await this.during(() => this.calls.perform(this.core.preallocating, args, call))
  }

  /** Takes whole blocks out of a file. */
  async collapse(file: FileFace, position: Bytes, length: Bytes): Promise<void> {
    await this.shift('collapse', file, position, length)
  }

  /** Puts a hole into the midst of a file. */
  async insert(file: FileFace, position: Bytes, length: Bytes): Promise<void> {
    await this.shift('insert', file, position, length)
  }

  /** Everything below a directory, as it is at one moment, below a new one. Returns how many files are in it. */
  async snapshot(from: string, to: string, options: SnapshotOptions = {}): Promise<number> {
    checkKeys(options, ['mode'], 'snapshot')
    const mode = choice(options.mode ?? 'r+', ['r', 'r+'], 'mode', 'snapshot')
    this.checkCall('snapshot', from, to)
    const call = { operation: 'snapshot', where: `${from} to ${to}` }
    const args = snapshotArgs({ from, to, mode }, now())
    await this.during(() => this.calls.perform(this.core.snapshot, args, call))
    return args.files
  }

  /**
   * Brings a file of the host in, or a stream: of any length, in constant memory. Its name appears when all of it is
   * there, and is durable when the promise is kept; if anything fails nothing is left of it. Returns its length.
   */
  async put(source: Source, to: string, options: PutOptions = {}): Promise<Bytes> {
    const { mode, uid, gid, ...rest } = options
    checkKeys(rest, ['existing', 'signal', 'progress', 'until'], 'put')
    const until = choice(options.until ?? 'durable', ['durable', 'written'], 'until', 'put')
    const plan = planOf(
      'file',
      {
        ...(mode !== undefined && { mode }),
        ...(uid !== undefined && { uid }),
        ...(gid !== undefined && { gid }),
      },
      'put',
    )
    const existing = choice(options.existing ?? 'stays', ['stays', 'is replaced'], 'existing', 'put')
    const origin = originOf(source)
    checkProgress(options.progress, 'put')
    this.checkCall('put', to)
    const transfer = { ...options, signal: this.calls.underWay.endedBy(options.signal) }
    return this.during(async () => {
      let length = 0
      await this.files.make('put', to, existing, plan, async file => {
        length = await bringIn(this.calls, file, origin, transfer)
      })
      if (until === 'written') return length
      try {
        await this.calls.commitPut(to)
      } catch (error) {
        // Nothing but its name was made since; of a file that was replaced the new one stays.
        if (existing === 'stays') await this.calls.answered(() => this.core.unlink(to, now()))
        throw error
      }
      return length
    })
  }

  /**
   * What a file holds, in parts that are good until the next is asked for; in constant memory. Each has been compared with
   * its checksums.
   */
  get(from: string, options: TransferOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    return this.parts('get', from, options)
  }

  /** The same, into a file of the host, which appears when it is whole. Returns its length. */
  async getFile(from: string, target: string | URL, options: GetFileOptions = {}): Promise<Bytes> {
    checkKeys(options, ['existing', 'signal', 'progress'], 'getFile')
    const { existing = 'stays', ...transfer } = options
    const what = choice(existing, ['stays', 'is replaced'], 'existing', 'getFile')
    this.checkCall('getFile', from)
    return this.during(async () => {
      const { size, blocks } = await lookAt(this.calls, 'getFile', from)
      const holes = blocks * this.core.header.blockSize < size ? 'kept' : 'filled'
      return writeWhole(target, what, this.parts('getFile', from, transfer), holes)
    })
  }

  /** Makes durable everything that was done before: what was stored to its files, through whatever mapping, and names. */
  async sync(): Promise<void> {
    this.checkCall('sync')
    await this.settle()
  }

  /** For the machine: whether something was stored or changed that isn't durable. */
  get isChanged(): boolean {
    return this.closing === undefined && !this.readOnly && this.core.isChanged
  }

  /**
   * For the machine: the process ends, and no event loop turns any more. Returns the tasks that make durable what was changed and
   * what was stored.
   */
  readonly leave = (): Task[] => {
    this.opened.ground.leave()
    return this.calls.syncTasks(this.core.dirtyFiles())
  }

  /** For the machine: makes durable what was changed and what was stored, through whatever mapping. */
  async settle(): Promise<void> {
    await this.during(() => this.calls.settle(this.path))
  }

  /**
   * Recomputes the metadata and, unless told not to, reads all data; says what is wrong, a sentence each. Mends nothing;
   * others may go on. `progress` hears of the bytes that have been read.
   */
  async check(options: CheckOptions = {}): Promise<CheckReport> {
    const { report } = await this.inspect(options)
    return report
  }

  /** The same, with the blocks whose data is bad. */
  async inspect(options: CheckOptions): Promise<Examined> {
    this.checkCall('check')
    return this.during(() => examine(this.calls, this.opened, options))
  }

  /**
   * Closes the files that are open yet, makes everything durable, and lets go of the volume. Throws EBUSY, and changes
   * nothing, while a file of it is mapped.
   */
  async close(): Promise<void> {
    if (this.closing === undefined) {
      this.checkUnmapped()
      this.closing = this.end()
    }
    await this.closing
  }

  [INSPECT](): string {
    const state = this.readOnly ? 'open to be read' : 'open'
    return `Volume ${this.path}, ${this.closing === undefined ? state : 'closed'}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async end(): Promise<void> {
    const { ground, path } = this.opened
    const { underWay } = this.calls
    underWay.beginToClose(`the volume ${path}`)
    do {
      await underWay.settled()
      await this.files.settled()
    } while (!underWay.isCalm)
    try {
      // A file may have been mapped by a call that was under way.
      this.checkUnmapped()
    } catch (error) {
      this.closing = undefined
      underWay.stayOpen()
      this.files.stayOpen()
      throw error
    }
    let failed: unknown
    const told = (error: unknown) => {
      failed ??= fromHost(error, 'close', path)
    }
    await this.files.close(told)
    // One that takes no more changes, since a flush failed or damage was found, has to say what became of those before.
    if (!this.readOnly || this.core.isChanged) await this.calls.sync('close', path).catch(told)
    await this.calls.drained()
    for (const step of [() => this.note(), ...ground.endings])
      try {
        await step()
      } catch (error) {
        told(error)
      }
    this.onClosed()
    if (failed !== undefined) throw failed
  }

  private checkUnmapped(): void {
    const mapped = this.files.mapped()
    if (mapped.length === 0) return
    const more = mapped.length > 1 ? `, and ${mapped.length - 1} more` : ''
    throw new FaultlineError(
      'EBUSY',
      'close',
      `close of ${this.path}: ${mapped[0]} is mapped${more}; unmap first, or close the machine`,
    )
  }

  private async make(operation: string, path: string, plan: InodePlan): Promise<void> {
    this.checkCall(operation, path)
    if (this.calls.isCopying) await this.calm(operation)
    await this.calls.ask(() => this.core.create(path, plan, now()), operation, path)
  }

  /** A copy may be used as what it is copied from, and belongs to who makes it. */
  private async planLike(path: string): Promise<InodePlan> {
    const { value: ino } = await this.calls.answered(() => this.core.find(path))
    const found =
      ino === undefined ? undefined : await this.calls.answered(() => this.core.inodes.getattr(ino))
    return planOf('file', { mode: (found?.value?.mode ?? 0o644) & 0o777 }, 'clone')
  }

  private async inoOf(operation: string, path: string, options: LinkOptions): Promise<number> {
    const last = lastOf(options, operation)
    this.checkCall(operation, path)
    return this.calls.ask(() => this.core.find(path, last), operation, path)
  }

  private async setattr(
    operation: string,
    path: string,
    change: AttributeChange,
    options: LinkOptions,
  ): Promise<void> {
    const ino = await this.inoOf(operation, path, options)
    if (this.calls.isCopying) await this.calm(operation)
    await this.calls.ask(() => this.core.inodes.setattr(ino, change, now()), operation, path)
  }

  private during<T>(act: () => Promise<T>): Promise<T> {
    return this.calls.underWay.during(act)
  }

  private async *parts(
    operation: string,
    from: string,
    options: TransferOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    checkKeys(options, ['signal', 'progress'], operation)
    checkProgress(options.progress, operation)
    this.checkCall(operation, from)
    const plan = { ...options, signal: this.calls.underWay.endedBy(options.signal) }
    const file = await this.during(() => this.files.open(operation, from, 'r', () => this.core.open(from)))
    const checkGoing = () => {
      if (isAborted(plan.signal)) throw aborted(operation, from, plan.signal.reason)
    }
    try {
      checkGoing()
      if (this.core.isDirty(this.files.cached(file))) await this.during(() => file.sync())
      checkGoing()
      const parts = takeOut(this.calls, operation, this.files.cached(file), plan)
      // The close of the volume waits for each part on its way, and not for those who are at work on one.
      for (;;) {
        const { done, value } = await this.during(() => parts.next())
        if (done === true) return
        yield value
      }
    } finally {
      await file.close()
    }
  }

  private async remap(how: 'clone' | 'dedupe', range: RangeOfFiles) {
    this.checkCall(how)
    checkKeys(range, ['source', 'target', 'from', 'to', 'length'], how)
    const { from = 0, to = 0 } = range
    const source = this.files.mine(range.source, how, 'for reading')
    const target = this.files.mine(range.target, how, 'for writing')
    checkWhole(from, 'from', how)
    checkWhole(to, 'to', how)
    if (range.length !== undefined) checkWhole(range.length, 'length', how)
    const where = `${range.source.name} to ${range.target.name}`
    const plan = { how, source, target, from, to, length: range.length ?? ('to the end' as const) }
    const rule = this.core.remapping.brokenRule(plan)
    if (rule !== undefined) throw invalid(how, `${how} of ${where}: ${rule}`)
    const args = remappingArgs(plan)
    await this.during(() => this.calls.perform(this.core.remapping, args, { operation: how, where }))
    return args
  }

  private async shift(how: 'collapse' | 'insert', file: FileFace, position: Bytes, length: Bytes) {
    checkWhole(position, 'position', how)
    checkWhole(length, 'length', how)
    this.checkCall(how)
    const mine = this.files.mine(file, how, 'for writing')
    const plan = { how, file: mine, position, length }
    const rule = this.core.shifting.brokenRule(plan)
    if (rule !== undefined) throw invalid(how, `${how} in ${file.name}: ${rule}`)
    const call = { operation: how, where: file.name }
    await this.during(() => this.calls.perform(this.core.shifting, shiftingArgs(plan), call))
    await this.calls.ask(() => this.core.inodes.wrote(mine.node.ino, 'privileged', now()), how, file.name)
  }

  /** What was found damaged is written down, where that can be, so that the volume opens to be read next time. */
  private note(): void {
    const { damage } = this.core
    const { purpose, ground } = this.opened
    if (damage.length === this.noted || purpose === 'repair') return
    try {
      ground.noteDamage(damage.slice(this.noted))
    } catch (error) {
      if (!['EACCES', 'EPERM', 'EROFS', 'ENOSPC'].includes(codeOf(error) ?? '')) throw error
    }
    this.noted = damage.length
  }

  /** No snapshot is being copied: names may be changed. */
  private async calm(operation: string): Promise<void> {
    await this.during(() => this.calls.calm())
    this.checkCall(operation)
  }

  private checkCall(operation: string, ...paths: readonly string[]): void {
    if (this.closing !== undefined)
      throw new FaultlineError('EBADF', operation, `the volume ${this.path} is closed; open it again`)
    for (const path of paths) checkPath(path, operation)
  }
}
