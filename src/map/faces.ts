/**
 * The faces of the library: what a program may ask of a machine and its objects, whichever MMU shows the memory. The
 * software machine (machine.ts) runs in the thread that asks; the hardware one in the pager's. Errors are
 * FaultlineErrors on both; a call that was refused has changed nothing.
 *
 * Costs are told where they aren't those of an ordinary call: a call that returns a promise takes a turn of the event loop
 * at least, and what it waits for without holding a lock.
 */
import type { Bytes, GroupId, Ns, TaskId } from '../base/index.ts'
import type { MachineDump } from '../engine/index.ts'
import type { Settings } from '../group/index.ts'
import type { Elements, Offsets } from '../mmu/index.ts'
import type { ProcFile, PsRow, Status } from '../proc/index.ts'
import type { Why } from '../sched/index.ts'
import type { CheckReport, Named, Stat, Usage, VolumeStatistics } from '../volume/index.ts'
import type { CloseOptions } from './file.ts'
import type { OpenOptions } from './host-open.ts'
import type { HostPath } from './host-path.ts'
import type { CreateVolumeOptions, OpenVolumeOptions } from './machine.ts'
import type { AdviceName, ProtName, RangeOptions } from './mapping.ts'
import type { RemoteOptions } from './remote-files.ts'
import type { RepairReport } from './repair-volume.ts'
import type { RunOptions } from './sections.ts'
import type { AnonymousOptions, MapOptions } from './space.ts'
import type { Source, TransferOptions } from './streams.ts'
import type {
  CheckOptions,
  CloneOptions,
  GetFileOptions,
  PutOptions,
  SnapshotOptions,
  VolumeFileOptions,
} from './volume.ts'
import type {
  LinkOptions,
  MakeOptions,
  NodeOptions,
  RenameOptions,
  SetAttributeOptions,
  TimesOfFile,
} from './volume-attributes.ts'

/**
 * Memory for pages, a page cache, groups, and spaces in which files are mapped. It takes none of the process's other memory.
 *
 * Close it: `await using`, or `close()`. One machine serves a process; two have nothing in common.
 */
export interface MachineFace extends AsyncDisposable {
  /** Which MMU shows the memory of its mappings. */
  readonly mmu: 'software' | 'hardware'
  /** Bytes in a page, for all that it maps. */
  readonly pageSize: Bytes
  /** The group of everything that was given none. It has counters and takes no settings. */
  readonly root: GroupFace
  /**
   * Makes a group below the root. Keys and meanings are cgroup2's; sizes are bytes or text like '4 MiB', times microseconds.
   *
   * Errors: EEXIST, EINVAL (names the key and what it takes), ENOENT for a key that there is none of (names the nearest), EACCES
   * for a counter, ENODEV for a disk that there is none of, EBADF after close.
   */
  group(name: string, settings?: Settings): GroupFace
  /**
   * Opens a regular file of the host, or makes one if `mode` says so; its name is durable then. The same file opened twice, by
   * whatever name, has one set of pages. A path is text, a file: URL or a Buffer, as in node:fs.
   *
   * Or a file on a server, by an address of http, https or s3, to be read: what was opened is one version of it, and once it
   * has changed there, pages that aren't in memory are ESTALE.
   *
   * Errors: those of open(2), with what to do; EBUSY for the machine's own swap file, and for the data of a volume that is open; EFBIG. Of servers: ENOENT, EACCES,
   * ENOTSUP (no ranges, no ETag), EPROTO, EREMOTEIO, ETIMEDOUT; later ESTALE, EKEYREJECTED.
   * Cost: no page is read yet; of a server's file the first 64 KiB.
   */
  open(path: HostPath, options?: OpenOptions & RemoteOptions): Promise<FileFace>
  /**
   * Makes a volume, a directory with metadata and data in it, and those above it, and opens it for writing. Needs the package `lmdb`.
   *
   * Errors: EEXIST, ENOSPC, EINVAL, those of the host; nothing is left of what failed.
   * Cost: the host's space for all of its data is taken now.
   */
  createVolume(path: HostPath, options?: CreateVolumeOptions): Promise<VolumeFace>
  /**
   * Opens a volume: one process to write, or many to read. One that is damaged opens to be read, whatever is asked.
   * Opening for writing needs the package `lmdb`.
   *
   * Errors: ENOENT, EBUSY (says who has it open, since when), EUCLEAN, EINVAL if its block size isn't the machine's page size.
   */
  openVolume(path: HostPath, options?: OpenVolumeOptions): Promise<VolumeFace>
  /**
   * Mends what can be mended of a volume without guessing, and says what was wrong and what was given up. Nobody may have it
   * open.
   *
   * Errors: EBUSY; EUCLEAN if too little is left, and then nothing was changed.
   * Cost: reads all of the volume.
   */
  repairVolume(path: HostPath, options?: TransferOptions): Promise<RepairReport>
  /**
   * Makes an address space: what is mapped in it is charged to its group, and `ps` shows it.
   *
   * Errors: EINVAL, EBADF after close.
   */
  space(options: SpaceOptions): SpaceFace
  /** What ps shows: a row for each space. Reads each command line under its space's mmap lock, as the kernel does. */
  ps(options?: CallFace): Promise<PsRow[]>
  /**
   * Counts everything again that the machine keeps running counts of, and says what doesn't add up, a sentence each. Nothing
   * should, at any moment; what does is a fault of ours, worth a report.
   *
   * Cost: a look at every page of its memory.
   */
  check(): readonly string[]
  /**
   * What `ps` and the groups count, in the text that Prometheus scrapes: `faultline_space_…` with labels pid and space,
   * `faultline_group_…` with label group, of which each counts what is below it too. Bytes and seconds.
   *
   * Cost: a look at every task for each space, and at the groups below for each group.
   */
  metrics(): string
  /**
   * What it is doing at this moment, as plain data: tasks and what each waits for and behind whom, who holds and who queues
   * for each lock, the I/O that is under way, the groups. It takes no lock, so a machine that hangs can be asked.
   */
  dump(): MachineDump
  /**
   * Syncs and closes everything: spaces, files, volumes. Throws the first error of a file that could not be written, after
   * closing the rest. Closing twice is closing once.
   */
  close(): Promise<void>
}

/** What a space is to be called, and who pays for it. */
export interface SpaceOptions {
  /** As `ps` and messages show it: a line of text. */
  readonly name: string
  /** Who is charged and limited; the root group if left out. */
  readonly group?: GroupFace
  /** What /proc/<pid>/cmdline shows; the name if left out. */
  readonly commandLine?: string
}

/** A volume: names, files that share blocks, snapshots. Names change at once; what is durable is what was synced. */
export interface VolumeFace extends AsyncDisposable {
  /** Of the volume's directory, as it was given. */
  readonly path: string
  /** Whether it was opened to be read, or found damaged. */
  readonly readOnly: boolean
  /** What was found damaged, a sentence each. A volume with any is read-only until it is repaired. */
  readonly damage: readonly string[]
  /** Blocks: free + used + reserved = size. */
  readonly usage: Usage
  /**
   * Opens a file of the volume; it is mapped, read and written as a file of the host. Opened twice it has one set of pages.
   *
   * Errors: ENOENT, ENOTDIR, EISDIR, EROFS, EBUSY (open for DAX, or not), EINVAL.
   */
  open(path: string, options?: VolumeFileOptions): Promise<FileFace>
  /** Makes an empty file. Errors: EEXIST, ENOENT, ENOTDIR, ENOSPC, EROFS. */
  create(path: string, options?: MakeOptions): Promise<void>
  /** Makes a directory. Errors: EEXIST, ENOENT, ENOTDIR, ENOSPC, EROFS. */
  mkdir(path: string, options?: MakeOptions): Promise<void>
  /** Makes a FIFO, a socket, a device or an empty file: what it is for is known to who mounts the volume. Errors: as create. */
  mknod(path: string, options?: NodeOptions): Promise<void>
  /** Makes a symbolic link at `path` that leads to `target`. Errors: as create; ENAMETOOLONG above 4095 bytes. */
  symlink(target: string, path: string): Promise<void>
  /** Where a symbolic link leads. Errors: ENOENT, EINVAL (no link). */
  readlink(path: string): Promise<string>
  /** Who may do what with it: the lower 12 bits of st_mode. Errors: ENOENT, EROFS. */
  chmod(path: string, mode: number): Promise<void>
  /** Whose it is. Set-uid and set-gid go from a file. Errors: ENOENT, EROFS. */
  chown(path: string, uid: number, gid: number, options?: LinkOptions): Promise<void>
  /** When it was read and changed; what is left out stays. Errors: ENOENT, EROFS. */
  utimes(path: string, times: TimesOfFile, options?: LinkOptions): Promise<void>
  /** The names of what programs keep beside the file, in order. */
  listxattr(path: string, options?: LinkOptions): Promise<readonly string[]>
  /** What is kept under the name. Errors: ENODATA, ENOTSUP (names begin with user., trusted., security., or are access lists). */
  getxattr(path: string, name: string, options?: LinkOptions): Promise<Uint8Array>
  /** Keeps up to 64 KiB under a name. Errors: E2BIG, ENOSPC (of names), EEXIST, ENODATA, EPERM (user.* of what holds no bytes), ENOTSUP. */
  setxattr(
    path: string,
    name: string,
    value: Uint8Array,
    options?: SetAttributeOptions & LinkOptions,
  ): Promise<void>
  /** Errors: ENODATA, ENOTSUP. */
  removexattr(path: string, name: string, options?: LinkOptions): Promise<void>
  /** Where data, or a hole, of an open file begins from a position on (SEEK_DATA, SEEK_HOLE); undefined: nowhere before its end. */
  seek(file: FileFace, position: Bytes, what: 'data' | 'hole'): Promise<Bytes | undefined>
  /** What statfs(2) says of the volume. */
  statfs(): Promise<VolumeStatistics>
  /** Which format it has. One of format 1 opens to be read until it is upgraded. */
  readonly format: number
  /**
   * Lets the volume hold more: `size` bytes of data. Of data in a file the host's space is taken; a device must have grown.
   *
   * Errors: EINVAL (less than it has, or than the device), ENOSPC, EROFS.
   */
  grow(size: Bytes): Promise<void>
  /**
   * Makes a volume of format 1 one of format 2, in place: after a crash it has the one or the other. Everything in it gets this owner,
   * this time, and the mode 0644 or 0755. One of format 2 stays as it is.
   *
   * Errors: EUCLEAN (damaged: repair it), EROFS (opened with 'r').
   * Cost: memory for all inodes.
   */
  upgrade(owner?: Pick<MakeOptions, 'uid' | 'gid'>): Promise<void>
  /** What a directory holds, in order of names. Errors: ENOENT, ENOTDIR. */
  list(path: string): Promise<Named[]>
  /** What it is, whose, since when, and the blocks that it takes; of a symbolic link, of what that leads to. Errors: ENOENT, ENOTDIR, ELOOP. */
  stat(path: string): Promise<Stat>
  /** The same of a symbolic link itself. Errors: ENOENT, ENOTDIR. */
  lstat(path: string): Promise<Stat>
  /** Whether there is something at the path. Errors: EIO, EUCLEAN. */
  exists(path: string): Promise<boolean>
  /** Gives a file or a directory another name; an existing file is replaced. Errors: those of rename(2). */
  rename(from: string, to: string, options?: RenameOptions): Promise<void>
  /** One name more for a file. Errors: EEXIST, ENOENT, EPERM (a directory), EROFS. */
  link(from: string, to: string): Promise<void>
  /** Takes a file's name away, or an empty directory. A file without names lives until it is closed. Errors: ENOENT, ENOTEMPTY, EROFS. */
  unlink(path: string): Promise<void>
  /**
   * Takes a file's name away, or a directory's with all that is below it, snapshots too. What is open lives until it is closed. Some
   * hundred names at a time: what has gone when it is aborted stays away.
   *
   * Errors: ENOENT, EINVAL (the root), EROFS, ABORT_ERR.
   */
  remove(path: string, options?: Pick<CallFace, 'signal'>): Promise<void>
  /**
   * Makes a file that lies where another does: the blocks are shared, and a store to either copies its page. With
   * `existing: 'is replaced'` a file that has the name gives it up, as a whole or not at all.
   *
   * Errors: EEXIST, ENOENT, EISDIR, ENOSPC (of metadata), EROFS.
   * Cost: time and space for its extents, not for its bytes.
   */
  clone(from: string, to: string, options?: CloneOptions): Promise<void>
  /**
   * Lets a range of one open file lie where a range of another does; the target grows if it must. A length of 0 changes nothing.
   *
   * Errors: EINVAL (says which rule: whole blocks, inside the source, no overlap), EACCES, EFBIG, ENOSPC, EROFS.
   */
  cloneRange(range: RangeOfFiles): Promise<void>
  /**
   * Whether both ranges hold the same bytes, each of them compared; if so, their whole blocks are shared afterwards, the last
   * one of both files too. Atomic against writers. Of ranges that differ nothing is changed.
   *
   * Errors: EINVAL (says which rule: offsets of whole blocks, inside both files, no overlap), EACCES, EIO, EROFS.
   * Cost: reads both ranges.
   */
  dedupe(range: RangeOfFiles): Promise<boolean>
  /**
   * Everything below a directory, as it is at one moment, below a new one. Returns how many files are in it. With `mode: 'r'`
   * nothing below the new one can be changed; it goes by `remove`.
   *
   * Errors: EEXIST, ENOENT, ENOTDIR, EINVAL (below itself), ENOSPC, EROFS.
   */
  snapshot(from: string, to: string, options?: SnapshotOptions): Promise<number>
  /** Gives the holes of [position, position + length) blocks, which read as zeros; makes the file longer if it must. Errors: ENOSPC. */
  fallocate(file: FileFace, position: Bytes, length: Bytes): Promise<void>
  /**
   * Brings a file of the host in, or a stream: of any length, in constant memory. Its name appears when all of it is there,
   * and is durable when the promise is kept; if anything fails nothing is left of it. Returns its length.
   *
   * Errors: EEXIST, ENOSPC, EROFS, those of the source, ABORT_ERR; ENOTSUP for a stream on a hardware machine.
   */
  put(source: Source, to: string, options?: PutOptions): Promise<Bytes>
  /**
   * What a file holds, in parts that are good until the next is asked for; in constant memory. Each has been compared with
   * its checksums.
   *
   * Errors: ENOENT, EIO (lost or damaged), ABORT_ERR.
   */
  get(from: string, options?: TransferOptions): AsyncGenerator<Uint8Array, void, undefined>
  /**
   * The same, into a file of the host, which appears when it is whole and durable. Returns its length. A symbolic link stays:
   * the file that it leads to is replaced.
   *
   * Errors: EEXIST (a file that is there stays, unless `existing` is 'is replaced'), EINVAL (a device, FIFO or socket), EISDIR,
   * ENOSPC and others of the host, and those of get.
   */
  getFile(from: string, target: string | URL, options?: GetFileOptions): Promise<Bytes>
  /** Makes durable everything that was done to names, and all that was written to the device. Errors: EIO, ENOSPC. */
  sync(): Promise<void>
  /**
   * Recomputes the metadata and, unless told not to, reads all data; says what is wrong, a sentence each. Mends nothing;
   * others may go on.
   *
   * Cost: reads all of the volume; about 2 s of processor time for 10^6 extents.
   */
  check(options?: CheckOptions): Promise<CheckReport>
  /**
   * Closes the files that are open yet, makes everything durable, and lets go of the volume. Throws EBUSY, and changes
   * nothing, while a file of it is mapped.
   */
  close(): Promise<void>
}

/** Two ranges of open files of one volume, in bytes. */
export interface RangeOfFiles {
  /** Where the bytes are: open for reading. */
  readonly source: FileFace
  /** Where they are to be: open for writing. */
  readonly target: FileFace
  /** Bytes into the source, a multiple of the block size; 0 if left out. */
  readonly from?: Bytes
  /** Bytes into the target, a multiple of the block size; 0 if left out. */
  readonly to?: Bytes
  /** Bytes; to the end of the source if left out. Of a clone a multiple of the block size, unless the range ends both files. */
  readonly length?: Bytes
}

/** Whose limits apply and who is charged, under cgroup2's names. A group may have groups below it. */
export interface GroupFace {
  /** From the root, as in cgroup2: '/batch/import'. */
  readonly path: string
  /** Makes a group below this one. Errors: those of `machine.group`. */
  group(name: string, settings?: Settings): GroupFace
  /**
   * Changes a setting: `group.set('memory.max', '16 MiB')`.
   *
   * Errors: EINVAL (what the key takes), ENOENT for a key that there is none of (names the nearest), EACCES for the root and
   * for a counter, ENODEV for a disk that there is none of.
   */
  set(key: string, value: unknown): void
  /**
   * A counter or setting, in the form of the kernel's file: `group.read('io.stat')`.
   *
   * Errors: ENOENT for a key that there is none of (names the nearest).
   */
  read(key: string): string
}

/** Who is charged for a call, and what aborts it. */
export interface CallFace {
  /** Who is charged and limited; the root group if left out. */
  readonly group?: GroupFace
  /** Aborts the call, which then fails with ABORT_ERR; what it began in the machine ends or is undone. */
  readonly signal?: AbortSignal
}

/** An open file of the host or of a volume: calls through the page cache, and what spaces map. */
export interface FileFace extends AsyncDisposable {
  /** Its path, as it was opened. */
  readonly name: string
  /** Bytes, with what was written and not synced yet. */
  readonly size: Bytes
  /** Whether it was opened with mode 'r'. */
  readonly readOnly: boolean
  /** Fills `target` from `position`, in bytes. Returns how many bytes there were before the end of the file. Errors: EIO, ENOMEM, EBADF. */
  read(target: Uint8Array, position: Bytes | bigint, options?: CallFace): Promise<Bytes>
  /**
   * Writes all of `source` at `position`, in bytes, and makes the file longer if it must. It is in the page cache then, and
   * durable after `sync`.
   *
   * Errors: EACCES, ENOSPC, EDQUOT, EFBIG, EIO: the pages before the one that failed were written.
   */
  write(source: Uint8Array, position: Bytes | bigint, options?: CallFace): Promise<void>
  /**
   * Writes all of `source` at the end of the file as it is when the appends that were asked for before have ended, through
   * whichever openings of this machine. Returns where it went, in bytes. Another process that writes to the file isn't seen.
   *
   * Errors: as write.
   */
  append(source: Uint8Array, options?: CallFace): Promise<Bytes>
  /** Makes the file `size` bytes long. Mapped pages past the end are taken away; loads of them fail with ENXIO. */
  truncate(size: Bytes | bigint, options?: CallFace): Promise<void>
  /**
   * Sees what other processes have written to a file of the host since its pages were read, and how long it is by now. What was
   * stored here and isn't synced stays. Of files of volumes and of servers nothing else can be seen, and nothing is done.
   *
   * Errors: EBADF after close; the host's. Cost: the clean pages of the file, which are read anew when they are touched.
   */
  refresh(options?: CallFace): Promise<void>
  /** Makes [position, position + length) read as zeros. A volume frees the blocks; on a file of the host zeros are written. */
  punch(position: Bytes | bigint, length: Bytes | bigint, options?: CallFace): Promise<void>
  /** Makes everything stored and written so far durable, and tells an error of writeback that wasn't told before. */
  sync(options?: CallFace): Promise<void>
  /**
   * Syncs and closes; or only writes, and closes. Mappings of the file go on working.
   *
   * Errors: those of sync.
   */
  close(options?: CloseOptions): Promise<void>
}

/** An address space: mappings, who pays for them, and what /proc shows. */
export interface SpaceFace extends AsyncDisposable {
  /** Its number in `ps`. */
  readonly pid: number
  /** As `ps` shows it. */
  readonly name: string
  /**
   * Maps a file. Pages are brought when they are touched.
   *
   * Errors: EACCES (a shared store to a file opened with 'r'), EINVAL, ENOMEM, EFBIG; ENOTSUP for what this MMU can't show.
   * Cost: 4 bytes for each page that is touched; none for the others.
   */
  map(file: FileFace, options?: MapOptions): Promise<MappingFace>
  /** Maps memory: zeros, private to this space and its forks, or shared with them. Errors: as map; ENOTSUP on a hardware machine. */
  mapAnonymous(options: AnonymousOptions): Promise<MappingFace>
  /** A space with the same mappings; private pages are copied when one side stores. Cost: an entry for each mapped page. */
  fork(options?: { readonly name?: string; readonly signal?: AbortSignal }): Promise<SpaceFace>
  /** /proc/<pid>/cmdline, maps or smaps. Waits for the mmap lock as the kernel does. */
  proc(file: ProcFile, options?: { readonly signal?: AbortSignal }): Promise<string>
  /** What needs no lock: sizes and counts. */
  status(): Status
  /** Ends the space: its waiting faults are killed, its mappings go. */
  exit(): Promise<void>
}

/** Pages of a file, or of memory, as a section of a program sees them, and what can be asked of their range. */
export interface MappingFace extends AsyncDisposable {
  /** Where it is mapped. */
  readonly space: SpaceFace
  /** What it maps, for messages. */
  readonly name: string
  /** Bytes. */
  readonly length: Bytes
  /** Where it begins in its space, in bytes: the number that /proc shows. */
  readonly address: Bytes
  /**
   * The mapping itself, if the hardware MMU shows it: a touch of a missing page stops the thread until it is there. It has
   * length 0 after `unmap`.
   *
   * Errors: ENOTSUP if the software MMU shows it; EBADF after unmap.
   * Cost: a resident page costs what memory costs; a missing one tens of microseconds and its read.
   */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** For worker threads: posted to one, `attach` makes the same array there. Errors: as bytes. */
  readonly handle: MappingHandle
  /**
   * Calls `section` with a view of the mapping. The section is synchronous and may be called more than once: if a page is
   * missing its stores are undone, the page is brought, and it runs again. What it stores takes effect once; what it does
   * elsewhere (a counter, a log) it does each time. Returns its value, or a promise of it if a page had to be brought. Inside
   * another section it is part of that one, and always returns its value.
   *
   * Errors: EACCES, ENXIO (past the end of the file), EIO, ENOSPC, ENOMEM, EBADF, ABORT_ERR, and what the section throws;
   * a RangeError of the view for an offset outside of the mapping.
   * Cost: when every page is in memory nothing is allocated and nothing is awaited. It is called again at most twice for each
   * page that it touches.
   */
  run<T>(section: (view: ViewFace) => T, options?: RunOptions): T | Promise<T>
  /** Brings pages that sections will need, all at once, and waits until they are there. Offsets and lengths in bytes. */
  prefetch(
    ranges: readonly { readonly offset: Bytes; readonly length: Bytes }[],
    options?: RunOptions,
  ): Promise<void>
  /** Makes what was stored through this range durable. Errors: EIO, ENOSPC: what isn't durable is told, once to each open file. */
  sync(options?: RangeOptions): Promise<void>
  /** Changes what may be done with the range. Errors: EACCES, ENOMEM (a hole in the range). */
  protect(prot: ProtName, options?: RangeOptions): Promise<void>
  /** madvise(2): how the range will be used, or what is to be done with its pages. Errors: EINVAL for a part that is locked. */
  advise(advice: AdviceName, options?: RangeOptions): Promise<void>
  /** Brings every page of the range: advise('populate-read'). */
  populate(options?: RangeOptions): Promise<void>
  /** Brings every page of the range and keeps it in memory: mlock(2). Errors: ENOMEM. */
  lock(options?: RangeOptions): Promise<void>
  /** Lets the pages of the range go again when memory is short. */
  unlock(options?: RangeOptions): Promise<void>
  /**
   * mincore(2): for each page of the range 1 if it is in memory, mapped here or in the page cache only, else 0. It is old when
   * it is told.
   *
   * Cost: a look at each page of the range, and a byte.
   */
  resident(options?: RangeOptions): Promise<Uint8Array>
  /**
   * Makes the mapping longer or shorter, as mremap(2) with MREMAP_MAYMOVE: its pages stay, its `address` may change, and sections
   * that are under way go on. What it has past the end of the file fails with ENXIO until the file is as long. Other calls for
   * its range that are under way meanwhile may fail as if a part of it weren't mapped.
   *
   * Errors: EFAULT (a part of it was made different from the rest), ENOMEM, EFBIG, EINVAL; ENOTSUP on a hardware machine.
   * Cost: a step for each page that is mapped, if it moves or gets shorter.
   */
  resize(length: Bytes | string): Promise<void>
  /** Takes the mapping away. What was stored is in the file, and durable after a sync of the file. */
  unmap(): Promise<void>
  /** The same pages in a space that was forked from this mapping's. */
  inFork(child: SpaceFace): MappingFace
}

/**
 * A mapping inside a section: loads and stores at byte offsets of the mapping, aligned or not, little-endian. Good only
 * while the section runs.
 *
 * Errors: an offset outside of the mapping is a RangeError; EINVAL for an argument of another kind; EBADF outside of its section;
 * the others are told by `run`. A load of a page that lies in a row takes what a DataView takes for an offset, NaN for 0.
 * Cost: a load of a resident page is a look-up and an access of a typed array.
 */
export interface ViewFace {
  /** Of the mapping, in bytes. */
  readonly length: Bytes
  /** Loads a byte, signed. */
  i8(offset: Bytes): number
  /** Loads 16 bits, signed. */
  i16(offset: Bytes): number
  /** Loads 64 bits, signed. Allocates a BigInt. */
  i64(offset: Bytes): bigint
  /** Loads a byte. */
  u8(offset: Bytes): number
  /** Loads 16 bits, unsigned. */
  u16(offset: Bytes): number
  /** Loads 32 bits, unsigned. */
  u32(offset: Bytes): number
  /** Loads 32 bits, signed. */
  i32(offset: Bytes): number
  /** Loads 64 bits, unsigned. Allocates a BigInt. */
  u64(offset: Bytes): bigint
  /** Loads a float of 32 bits. */
  f32(offset: Bytes): number
  /** Loads a float of 64 bits. */
  f64(offset: Bytes): number
  /** A copy of [offset, offset + length). All of its pages are asked for before the first is copied. */
  bytes(offset: Bytes, length: Bytes): Uint8Array
  /** Fills `target` from `offset`. All of its pages are asked for before the first is copied. */
  read(offset: Bytes, target: Uint8Array): void
  /** [offset, offset + length) as UTF-8; what isn't is U+FFFD, and a byte order mark stays. Cost: a copy, and the text. */
  text(offset: Bytes, length: Bytes): string
  /**
   * How the bytes from `offset` on stand to as many of `bytes`, as memcmp(3) says: -1 before, 0 equal, 1 after. Needs no page
   * behind the first difference.
   */
  compare(offset: Bytes, bytes: Uint8Array): -1 | 0 | 1
  /**
   * The offset at which `bytes` lie first, as a whole within [from, to); -1 if nowhere. `from` is 0 and `to` the length of the
   * mapping if left out.
   *
   * Cost: at a missing page the section begins anew, with as much of the range as half of memory holds. Search what is bigger
   * by a section for each part.
   */
  indexOf(bytes: Uint8Array, from?: Bytes, to?: Bytes): Bytes
  /**
   * [offset, offset + length) as it lies in memory, piece by piece, to be read: nothing is copied, and a piece goes on as long as
   * pages lie in a row. A piece is good until the next is asked for; a store to one isn't seen as a store, and may be lost.
   *
   * Cost: at a missing page the section begins anew, with as much of the range as half of memory holds.
   */
  runs(offset: Bytes, length: Bytes): Iterable<Uint8Array>
  /**
   * Loads as many elements as `target` has, each from its offset in bytes; in a mapping they are little-endian. All that is
   * missing is brought together, so that N cold pages cost one round trip. Errors: EINVAL if there are more of one than of the other.
   */
  gather(offsets: Offsets, target: Elements): void
  /** Stores a byte, signed. */
  setI8(offset: Bytes, value: number): void
  /** Stores 16 bits, signed. */
  setI16(offset: Bytes, value: number): void
  /** Stores 64 bits, signed. */
  setI64(offset: Bytes, value: bigint): void
  /** Stores a byte. */
  setU8(offset: Bytes, value: number): void
  /** Stores 16 bits. */
  setU16(offset: Bytes, value: number): void
  /** Stores 32 bits. */
  setU32(offset: Bytes, value: number): void
  /** Stores 32 bits, signed. */
  setI32(offset: Bytes, value: number): void
  /** Stores 64 bits. */
  setU64(offset: Bytes, value: bigint): void
  /** Stores a float of 32 bits. */
  setF32(offset: Bytes, value: number): void
  /** Stores a float of 64 bits. */
  setF64(offset: Bytes, value: number): void
  /** Copies `source` to `offset`. All of its pages are asked for before the first byte is stored. */
  write(offset: Bytes, source: Uint8Array): void
  /**
   * Stores each element of `source` to its offset in bytes, in order, little-endian. All that is missing is brought together before
   * the first is stored. Errors: as those of `gather`.
   */
  scatter(offsets: Offsets, source: Elements): void
  /**
   * Says that the section will read [offset, offset + length). It never unwinds: what is missing is brought together
   * with the page at which the section stops next, so that N cold pages cost one round trip.
   */
  want(offset: Bytes, length: Bytes): void
  /** Stops here if a page that was asked for by `want` is missing. */
  settle(): void
}

/** What a worker thread needs to make the array of a mapping. Plain data that can be posted to threads of this process. */
export interface MappingHandle {
  /** The process that made it. */
  readonly process: number
  /** What is mapped. */
  readonly name: string
  /** The address in this process. */
  readonly host: number
  /** Bytes. */
  readonly length: Bytes
  /** What the threads that hold the array share. */
  readonly control: SharedArrayBuffer
  /** What a thread needs to know that outlives the machine. */
  readonly machine: {
    /** What the machine's threads tell one another. */
    readonly signals: SharedArrayBuffer
    /** Its descriptor. */
    readonly userfaultfd: number
    /** Bytes in a page. */
    readonly pageSize: Bytes
    /** What becomes of a thread that touched a page which can't be had. */
    readonly onError: 'abort' | 'terminate-worker'
    /** The thread that started it, as Node numbers it. */
    readonly starter: number
  }
}

/** Sees every task of a software machine begin, wait, resume and end. It is called inside the machine: it must be quick and call nothing of it. */
export interface Watcher {
  /** A task began. */
  began(task: WatchedTask): void
  /** It waits from now on. */
  waits(task: WatchedTask, wait: WatchedWait): void
  /** Its wait is over; `waited` is in nanoseconds. */
  resumes(task: WatchedTask, wait: WatchedWait, waited: Ns): void
  /** It has ended. */
  ended(task: WatchedTask): void
}

/** A task, as a watcher sees it: a fault, a call, a pass of writeback. */
export interface WatchedTask {
  /** Its number; given once in a machine. */
  readonly id: TaskId
  /** Whom it works for, or what it does. */
  readonly name: string
  /** The number of the group that pays. */
  readonly group: GroupId
}

/** A wait, as a watcher sees it. */
export interface WatchedWait {
  /** The kind. */
  readonly why: Why
  /** What it waits for, in words: "read of data.bin page 7". */
  readonly ticket: {
    /** In words. */
    readonly what: string
  }
}
