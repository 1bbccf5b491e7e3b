/** A volume that is open in a machine: names, files that share blocks, snapshots. */
import type { Bytes } from '../base/index.ts'
import type { CheckReport, Named, Stat, Usage, VolumeStatistics } from '../volume/index.ts'
import type { CallOptions, FileFace } from './file.ts'
import type {
  CheckOptions,
  CloneOptions,
  GetFileOptions,
  LinkOptions,
  MakeOptions,
  NodeOptions,
  PutOptions,
  RenameOptions,
  SetAttributeOptions,
  SnapshotOptions,
  Source,
  TimesOfFile,
  TransferOptions,
  VolumeFileOptions,
} from './volume-options.ts'

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
   * Lets the volume hold less: `size` bytes of data. What lies in the blocks that go moves to others, shared blocks once, and the tail goes in
   * one commit: a crash leaves the old size or the new one. None of its files is open. A file that holds the data is cut then.
   *
   * Errors: EINVAL (more than it has), ENOSPC (what it holds doesn't fit), EBUSY (a file is open), EROFS.
   */
  shrink(size: Bytes): Promise<void>
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
  remove(path: string, options?: Pick<CallOptions, 'signal'>): Promise<void>
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
   * Takes whole blocks out of a file: what lies behind them moves down, and the file is so much shorter. No byte is copied.
   *
   * Errors: EINVAL (says which rule: whole blocks, before the end), EACCES, EROFS.
   */
  collapse(file: FileFace, position: Bytes, length: Bytes): Promise<void>
  /** Puts a hole into the midst of a file: what lies there moves up. Errors: as those of `collapse`, and EFBIG. */
  insert(file: FileFace, position: Bytes, length: Bytes): Promise<void>
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
