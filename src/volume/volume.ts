/**
 * A volume that is open: names lead to inodes, inodes to extents, extents to blocks of the device.
 *
 *     Names (tree of names)                       \
 *     Extents (a file's pages) -- Space (blocks)   > Overlay (what is so now) -- Commits --> Store (what is durable)
 *     FileDevice, VolumeBacking (pages of a file) /                                    \--> Disk (data, flushed first)
 *
 * Names change at once and are durable with the next commit; `sync` asks for one. Nothing is written to the device but
 * data, and once, when the volume was made, its first block.
 *
 * Invariants
 *   VO1 A file is in the cache once, however often it is open, and lives until the last has closed it, unlinked or not.
 *   VO2 A volume that is damaged is read-only from then on, and `damage` says what was found.
 */
import { assert, type Bytes, errno, hang, type Pfn } from '../base/index.ts'
import type { CopyArgs, PageCache } from '../cache/index.ts'
import type { Io } from '../io/index.ts'
import { again, done, type Outcome, type Ticket, type Verb } from '../sched/index.ts'
import { VolumeBacking } from './backing.ts'
import { BulkRead, BulkWrite } from './bulk.ts'
import type { Changed } from './changed.ts'
import { type CheckReport, check } from './check.ts'
import { Checking } from './checking.ts'
import type { Checksum } from './checksum.ts'
import { Commits } from './commit.ts'
import { Counting, type Stat } from './counting.ts'
import { DaxRead, DaxWrite } from './dax-calls.ts'
import { DaxChange } from './dax-change.ts'
import { DaxCopying, type DaxPlace } from './dax-copy.ts'
import { DaxFile, zeroTail } from './dax-file.ts'
import type { Disk } from './disk.ts'
import { Erasing } from './erasing.ts'
import { Extents } from './extents.ts'
import { Failure, verify } from './failure.ts'
import { FileDevice, Transfers } from './file-device.ts'
import { EPOCH, type InodePlan, type Kind, planned, type Time } from './inode.ts'
import { type Found, Inodes } from './inodes.ts'
import { type Last, type Named, Names, type RenameHow } from './names.ts'
import { type Answer, Overlay, refusal } from './overlay.ts'
import { canBeLong, type Node, type Parts, unreserve } from './parts.ts'
import { Preallocating } from './preallocating.ts'
import { RangeCopying } from './range-copying.ts'
import { FORMAT, type Header, NUMBERS_MAX, numberIn, orphanKey, ROOT_INO } from './records.ts'
import type { Region } from './region.ts'
import { Remapping } from './remapping.ts'
import { Reserved } from './reserved.ts'
import { Seeking } from './seeking.ts'
import { Shifting } from './shifting.ts'
import { Snapshot } from './snapshot.ts'
import { type Reuse, Space } from './space.ts'
import type { Store } from './store.ts'
import { SyncVolume } from './sync.ts'
import { Unsharing } from './unsharing.ts'
import { VolumeFile } from './volume-file.ts'

/** Sentences about damage that are kept; more are only counted. */
const DAMAGE_MAX = 100

/** A record takes as long as so many pages: of either an attempt of a long call changes a slice at most. */
const PAGES_A_RECORD = 8

/** What to take an orphan away takes at least. */
const ORPHAN_RECORDS = 8

/** Files may be taken away in a row: each may have an eighth of a slice's records to be erased at once. */
const ERASED_TOGETHER = 8

/** Blocks of a volume: free + used + reserved = size. */
export interface Usage {
  /** Bytes of a block. */
  readonly blockSize: Bytes
  /** Blocks for data. */
  readonly size: number
  /** Blocks that are nobody's. */
  readonly free: number
  /** Blocks that files have. */
  readonly used: number
  /** Blocks that are promised to pages that have none yet. */
  readonly reserved: number
}

export interface VolumeSetting {
  readonly cache: PageCache
  readonly io: Io
  /** read(2) and write(2) on files in the cache. */
  readonly calls: { readonly read: Verb<CopyArgs>; readonly write: Verb<CopyArgs> }
  readonly disk: Disk
  readonly store: Store
  readonly checksum: Checksum
  /** Where the device's blocks are frames of memory, if they are. */
  readonly region: Region | undefined
  readonly reuse: Reuse
}

export class Volume {
  readonly parts: Parts
  /** Changes once, if the volume is upgraded. */
  header: Header
  /** Clone and dedupe of a range (FICLONERANGE, FIDEDUPERANGE). */
  readonly remapping: Remapping
  /** fallocate: blocks for holes, and zeros for a range. */
  readonly preallocating: Preallocating
  /** fallocate: a range taken out of a file, or a hole put in. */
  readonly shifting: Shifting
  readonly unsharing: Unsharing
  /** copy_file_range. */
  readonly copying: RangeCopying
  readonly bulkRead: BulkRead
  readonly bulkWrite: BulkWrite
  readonly snapshot: Snapshot
  /** stat, with how many blocks are shared, in slices. */
  readonly counting: Counting
  /** SEEK_DATA and SEEK_HOLE. */
  readonly seeking: Seeking
  readonly syncing: SyncVolume
  /** Check, of the data too. */
  readonly checking: Checking
  /** Size and holes of DAX files; those of cached ones are the cache's matter. */
  readonly daxChange: DaxChange
  readonly daxRead: DaxRead
  readonly daxWrite: DaxWrite
  /** What was found damaged, a sentence each. */
  readonly damage: string[] = []
  damageCount = 0
  /** A reader has gone on to what others have committed. */
  readonly onFollowed: (changed: Changed) => void = () => {}
  /** What a daemon of a filesystem asks: by the number of an inode, or a name in a directory. */
  readonly inodes: Inodes
  private readonly cache: PageCache
  private readonly io: Io
  private readonly store: Store
  private readonly transfers: Transfers
  private readonly files = new Map<number, VolumeFile>()
  private readonly daxFiles = new Map<number, DaxFile>()
  private readonly daxCopying: DaxCopying
  private readonly place: DaxPlace | undefined
  /** How far `recover` has come. */
  private recovered = { blocks: 0, orphans: 0 }

  constructor(setting: VolumeSetting, header: Header) {
    const { cache, io, calls, disk, store, checksum, region, reuse } = setting
    const { scheduler } = cache
    this.cache = cache
    this.io = io
    this.store = store
    this.header = header
    const sliceRecords = Math.max(1, Math.floor(cache.slicePages / PAGES_A_RECORD))
    const overlay = new Overlay(store, checksum)
    const space = new Space(overlay, header.blocks, store.at, reuse)
    const names = new Names(overlay, ino => this.unlinked(ino))
    const commits = new Commits(scheduler, disk, store, overlay, space, sliceRecords)
    const erasing = new Erasing(scheduler, {
      overlay,
      names,
      sliceRecords,
      extents: ino => this.extents(ino),
    })
    const damaged = (what: string) => this.damaged(what)
    const isReadOnly = () => this.isReadOnly
    const headerNow = () => this.header
    hang(overlay, 'onDamage', damaged)
    this.parts = {
      scheduler,
      disk,
      checksum,
      overlay,
      space,
      names,
      commits,
      erasing,
      damaged,
      get header() {
        return headerNow()
      },
      sliceRecords,
      get readOnly() {
        return isReadOnly()
      },
    }
    this.inodes = new Inodes(this.parts, {
      change: change => this.change(change),
      found: ino => this.found(ino),
      letGo: ino => {
        if (!this.files.has(ino) && !this.daxFiles.has(ino)) this.eraseUnnamed(ino)
      },
    })
    this.transfers = new Transfers(this.parts)
    this.remapping = new Remapping(this.parts, this.transfers)
    this.preallocating = new Preallocating(this.parts, this.transfers)
    this.shifting = new Shifting(this.parts)
    this.unsharing = new Unsharing(this.parts, cache)
    this.bulkRead = new BulkRead(this.parts, cache, this.transfers)
    this.bulkWrite = new BulkWrite(this.parts, cache, this.transfers)
    this.syncing = new SyncVolume(commits)
    this.checking = new Checking(this.parts)
    const extents = (ino: number) => this.extents(ino)
    this.counting = new Counting(this.parts, { extents, found: ino => this.found(ino) })
    this.seeking = new Seeking(this.parts)
    const openFiles = () => [...this.files.values(), ...this.daxFiles.values()]
    this.snapshot = new Snapshot(this.parts, { openFiles, extents })
    this.daxChange = new DaxChange(this.parts, this.transfers)
    this.daxRead = new DaxRead(this.parts)
    this.daxWrite = new DaxWrite(this.parts)
    const { daxRead, daxWrite } = this
    this.copying = new RangeCopying(this.parts, this.remapping, {
      read: calls.read,
      write: calls.write,
      daxRead,
      daxWrite,
    })
    this.daxCopying = new DaxCopying(this.parts)
    if (region !== undefined) {
      const { mappers, slicePages, frames } = cache
      const bytes = (frame: Pfn) => frames.bytes(frame)
      this.place = { first: region.first, mappers, slicePages, bytes, row: blocks => region.row(blocks) }
    }
  }

  /** Whether its blocks are frames of memory: files can be open for DAX. */
  get hasRegion(): boolean {
    return this.place !== undefined
  }

  /** Files that are open with their pages in the cache. */
  get cachedFiles(): Iterable<VolumeFile> {
    return this.files.values()
  }

  /** Files with pages that aren't on the device. */
  *dirtyFiles(): Generator<VolumeFile> {
    for (const file of this.files.values()) if (this.isDirty(file)) yield file
  }

  /** Whether something was stored that isn't in the file's blocks. */
  isDirty({ cached }: VolumeFile): boolean {
    return cached.dirtiedAt !== Infinity || cached.underWriteback > 0
  }

  /** Whether something was stored or changed that isn't durable. */
  get isChanged(): boolean {
    const { overlay } = this.parts
    return overlay.changed || overlay.committing || this.dirtyFiles().next().done === false
  }

  /** Whether a file is open, or the device's blocks may be mapped. */
  get isInUse(): boolean {
    return this.files.size > 0 || this.hasRegion
  }

  /** Whatever a task of this volume may be at. */
  get verbs(): ReadonlySet<unknown> {
    const {
      transfers,
      remapping,
      preallocating,
      shifting,
      unsharing,
      copying,
      bulkRead,
      bulkWrite,
      snapshot,
    } = this
    return new Set([
      ...Object.values(transfers),
      this.parts.commits,
      this.parts.erasing,
      remapping,
      preallocating,
      shifting,
      unsharing,
      copying,
      bulkRead,
      bulkWrite,
      snapshot,
      this.counting,
      this.seeking,
      this.syncing,
      this.checking,
      this.daxChange,
      this.daxRead,
      this.daxWrite,
      this.daxCopying,
    ])
  }

  /** Whether what it lies on takes writes. */
  get isWritable(): boolean {
    const { disk, commits } = this.parts
    return !this.store.readOnly && !disk.readOnly && commits.broken === errno.OK
  }

  /** Damaged, of an older format, or on what can't be written. */
  get isReadOnly(): boolean {
    return !this.isWritable || this.damageCount > 0 || this.header.format < FORMAT
  }

  get usage(): Usage {
    const { space, disk } = this.parts
    const { size, available: free, used, reserved } = space
    assert(
      free >= 0 && free + used + reserved === size,
      'VS1: free, used and reserved blocks are all there are',
    )
    return { blockSize: disk.blockSize, size, free, used, reserved }
  }

  /** The same, where the counts may be damaged. */
  usageNow(): Answer<Usage> {
    return this.parts.overlay.ask(() => this.usage)
  }

  /** The ticket of a commit: everything that was changed before is durable when it completes well. */
  sync(): Ticket {
    return this.parts.commits.request()
  }

  // ---- names

  /** At once; `counting` does the same in slices. */
  stat(path: string, last: Last = 'followed'): Answer<Stat> {
    return this.parts.overlay.ask(() => this.counting.all(path, last))
  }

  /** The number of what is at the path. It takes as long as the path is, where `stat` goes over the extents. */
  find(path: string, last: Last = 'followed'): Answer<number> {
    const { overlay, names } = this.parts
    return overlay.ask(() => {
      const { ino } = names.find(path, last)
      names.inode(ino)
      return ino
    })
  }

  /** At once; `inodes.readdir` does the same in parts. */
  list(path: string): Answer<Named[]> {
    return this.parts.overlay.ask(() => [...this.parts.names.list(path)])
  }

  /** Makes an inode under a new name. Returns its number. */
  create(path: string, plan: InodePlan | Kind, now: Time = EPOCH): Answer<number> {
    const whole = typeof plan === 'string' ? planned(plan) : plan
    return this.change(() => this.inodes.create(this.parts.names.place(path), whole, now))
  }

  /** Where a symbolic link leads. */
  readlink(path: string): Answer<string> {
    const { names } = this.parts
    return this.parts.overlay.ask(() => names.target(names.find(path, 'itself').ino))
  }

  link(from: string, to: string, now: Time = EPOCH): Answer<void> {
    const { names } = this.parts
    return this.change(() => names.link(names.find(from, 'itself').ino, names.place(to), now))
  }

  rename(from: string, to: string, how: RenameHow = 'replace', now: Time = EPOCH): Answer<void> {
    const { names } = this.parts
    return this.change(() => names.rename(names.place(from), names.place(to), how, now))
  }

  unlink(path: string, now: Time = EPOCH): Answer<void> {
    const { names } = this.parts
    return this.change(() => names.unlink(names.place(path), 'either', now))
  }

  /** Up to `most` names of a tree (Names.removeTree). */
  removeTree(path: string, most: number, now: Time = EPOCH): Answer<'some are left' | 'gone'> {
    const { names } = this.parts
    return this.change(() => names.removeTree(names.place(path), most, now))
  }

  /** Why what is at the path can't be changed, if it can't. */
  mayChange(path: string): Answer<void> {
    return this.change(() => this.parts.names.believeOpen(path))
  }

  // ---- files

  /** A new file that no name leads to, open (O_TMPFILE): `publish` gives it one, and the last close takes it away. */
  createUnnamed(name: string, plan: InodePlan = planned('file'), now: Time = EPOCH): Answer<VolumeFile> {
    return this.change(() => this.opened(this.parts.names.createUnnamed(ROOT_INO, plan, now), name))
  }

  publish(
    { node }: VolumeFile,
    path: string,
    existing: 'stays' | 'is replaced',
    now: Time = EPOCH,
  ): Answer<void> {
    const { names } = this.parts
    return this.change(() => names.publish(node.ino, names.place(path), existing, now))
  }

  /** The file at the path, once more. Whoever opens it closes it. */
  open(path: string): Answer<VolumeFile> {
    return this.calm(() => this.opened(this.parts.names.find(path).ino, path))
  }

  /** The same by the number of its inode, which may have lost its names. */
  openInode(ino: number, name: string): Answer<VolumeFile> {
    return this.calm(() => this.opened(ino, name))
  }

  /**
   * The file at the path as the device's own blocks, once more. EBUSY: it is open with its pages in the cache, EINVAL: the
   * device isn't memory. `durable`, asked for once, holds until all have closed it (MAP_SYNC).
   */
  openDax(path: string, { durable }: { readonly durable: boolean }): Answer<DaxFile> {
    return this.calm(() => {
      const { ino } = this.parts.names.find(path)
      this.believeFile(ino)
      if (this.place === undefined) throw new Failure(errno.EINVAL)
      if (this.files.has(ino)) throw new Failure(errno.EBUSY)
      let file = this.daxFiles.get(ino)
      if (file === undefined) {
        const plan = { id: this.cache.newId(), node: this.nodeOf(ino, path), size: this.sizeOf(ino), durable }
        zeroTail(this.parts, this.place, plan.node, plan.size)
        file = new DaxFile(this.parts, this.place, this.daxCopying, plan)
        this.daxFiles.set(ino, file)
      }
      file.durable ||= durable
      file.openings++
      return file
    })
  }

  /** One opening less. After the last one nothing maps it, and if no name leads to it, it goes. EBUSY: a copy is on its way. */
  closeDax(file: DaxFile): Answer<void> {
    const { overlay } = this.parts
    if (file.openings > 1) {
      file.openings--
      return overlay.ask(() => {})
    }
    if (file.copies.size > 0) return refusal(errno.EBUSY)
    const closed = overlay.ask(() => {
      zeroTail(this.parts, file.place, file.node, file.size)
      this.eraseUnnamed(file.node.ino)
    })
    if (closed.outcome.kind === 'wait') return closed
    file.openings--
    file.place.mappers.unmapRange(file.id, 0, NUMBERS_MAX, 'shared pages')
    this.daxFiles.delete(file.node.ino)
    return closed
  }

  /** One opening less. After the last one the caller runs Forget on the cached file, and then `forget`. */
  close(file: VolumeFile): 'still open' | 'closed' {
    file.openings--
    return file.openings > 0 ? 'still open' : 'closed'
  }

  /** The file has no page left. If no name leads to it, it goes. */
  forget(file: VolumeFile): Answer<void> {
    const { node } = file
    assert(file.openings === 0, 'VO1: a file is forgotten when nobody has it open')
    const forgotten = this.parts.overlay.ask(() => this.eraseUnnamed(node.ino))
    if (forgotten.outcome.kind === 'wait') return forgotten
    this.files.delete(node.ino)
    while (unreserve(this.parts, node, { start: 0, end: NUMBERS_MAX }) !== 'all');
    return forgotten
  }

  /**
   * What is left of the life before, when a volume is opened: blocks pending free, and files that nobody can reach. One slice: `again`
   * until all has gone.
   */
  recover(): Outcome {
    const { overlay, space, sliceRecords } = this.parts
    const said = overlay.ask(() => {
      if (this.recovered.blocks !== Infinity)
        return {
          ...this.recovered,
          blocks: space.giveBack(this.store, 'allocated too', this.recovered.blocks, sliceRecords),
        }
      let ino = this.recovered.orphans
      for (let left = sliceRecords; left > 0; left -= ORPHAN_RECORDS) {
        const next = overlay.first(orphanKey(ino), orphanKey(NUMBERS_MAX - 1))
        if (next === undefined) return { blocks: Infinity, orphans: Infinity }
        this.erase(numberIn(next.key))
        ino = numberIn(next.key) + 1
      }
      return { blocks: Infinity, orphans: ino }
    })
    if (said.value === undefined) return said.outcome
    this.recovered = said.value
    return this.recovered.orphans === Infinity ? done : again
  }

  /** Recomputes the metadata, and says what is wrong with it. What isn't durable yet is looked at too. */
  check(): CheckReport {
    return check(this.parts.overlay, this.header).report
  }

  /** Whether the change may be made, and its making. */
  change<T>(change: () => T): Answer<T> {
    return this.isReadOnly ? refusal(errno.EROFS) : this.calm(change)
  }

  /** The same, for what may be done on a volume that is read-only: when no snapshot is being copied. */
  private calm<T>(act: () => T): Answer<T> {
    return this.snapshot.finish() ?? this.parts.overlay.ask(act)
  }

  extents(ino: number): Extents {
    return new Extents(this.parts.overlay, this.parts.space, ino)
  }

  private nodeOf(ino: number, name: string): Node {
    return { ino, name, extents: this.extents(ino), reserved: new Reserved() }
  }

  private sizeOf(ino: number): Bytes {
    const { size } = this.parts.names.inode(ino)
    verify(canBeLong(size), `inode ${ino} has ${size} bytes, more than a file can have`)
    return size
  }

  private enter(ino: number, name: string): VolumeFile {
    const size = this.sizeOf(ino)
    const node = this.nodeOf(ino, name)
    if (this.place !== undefined) zeroTail(this.parts, this.place, node, size)
    const device = new FileDevice(this.parts, this.transfers, node)
    const backing = new VolumeBacking(this.parts, this.io, node, device)
    return new VolumeFile(this.parts, this.cache, node, this.cache.add(name, size, backing))
  }

  private opened(ino: number, name: string): VolumeFile {
    this.believeFile(ino)
    if (this.daxFiles.has(ino)) throw new Failure(errno.EBUSY)
    let file = this.files.get(ino)
    if (file === undefined) {
      file = this.enter(ino, name)
      this.files.set(ino, file)
    }
    file.openings++
    return file
  }

  /** Fails for what holds no bytes: a FIFO, a socket and a device are nobody's here to open (ENXIO). */
  private believeFile(ino: number): void {
    const { kind } = this.parts.names.known(ino)
    if (kind === 'directory') throw new Failure(errno.EISDIR)
    if (kind === 'symlink') throw new Failure(errno.ELOOP)
    if (kind !== 'file') throw new Failure(errno.ENXIO)
  }

  /** What is so now of an inode: with what open files have that isn't written yet. */
  private found(ino: number): Found {
    const inode = this.parts.names.known(ino)
    const file = this.files.get(ino)
    if (file === undefined) return { ino, ...inode, size: this.daxFiles.get(ino)?.size ?? inode.size }
    return { ino, ...inode, size: file.cached.size, blocks: inode.blocks + file.node.reserved.inHoles }
  }

  private unlinked(ino: number): void {
    if (this.files.has(ino) || this.daxFiles.has(ino) || this.inodes.isHeld(ino))
      this.parts.names.keepOrphan(ino)
    else this.erase(ino)
  }

  /** Takes an inode away that nobody has open any more, unless it is held or a name leads to it. */
  private eraseUnnamed(ino: number): void {
    if (this.inodes.isHeld(ino) || this.isReadOnly) return
    if (this.parts.names.inode(ino).links === 0) this.erase(ino)
  }

  /** At once, or, if it lies in many pieces, in slices. */
  private erase(ino: number): void {
    const page = this.extents(ino).removeSome(
      0,
      NUMBERS_MAX,
      Math.ceil(this.parts.sliceRecords / ERASED_TOGETHER),
    )
    if (page === Infinity) this.parts.names.forgetInode(ino)
    else {
      this.parts.names.keepOrphan(ino)
      this.parts.erasing.add(ino, page)
    }
  }

  private damaged(what: string): void {
    this.damageCount++
    if (this.damage.length < DAMAGE_MAX) this.damage.push(what)
  }
}
