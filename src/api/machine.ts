/** A machine: memory for pages, and all that can be asked of it, whichever MMU shows the memory. */
import type { Bytes } from '../base/index.ts'
import type { WritebackSettings } from '../cache/index.ts'
import type { MachineDump } from '../engine/index.ts'
import type { Settings } from '../group/index.ts'
import type { PsRow } from '../proc/index.ts'
import type { CallOptions, FileFace } from './file.ts'
import type { GroupFace } from './group.ts'
import type { HostPath, OpenOptions, RemoteOptions } from './opening.ts'
import type { SpaceFace } from './space.ts'
import type { VolumeFace } from './volume.ts'
import type { CreateVolumeOptions, OpenVolumeOptions } from './volume-opening.ts'
import type { RepairReport, TransferOptions } from './volume-options.ts'
import type { Watcher } from './watcher.ts'

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
  ps(options?: CallOptions): Promise<PsRow[]>
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

/** What a machine is made of. */
export interface MachineOptions {
  /** Memory for pages: bytes, or a size like '64 MiB'. */
  readonly memory?: Bytes | string
  /** A power of two from 4096. */
  readonly pageSize?: Bytes
  /** How far readahead goes: bytes, or a size like '4 MiB'; 128 KiB if left out. Linux: read_ahead_kb of a disk. */
  readonly readAhead?: Bytes | string
  /** The lock discipline of its faults; `restart` if left out. */
  readonly discipline?: string
  /** A file that anonymous pages may go to; it must exist, have all its space, and its content is overwritten. */
  readonly swap?: string
  /** When dirty pages are written: Linux's defaults, and what is given instead of them. Times in nanoseconds. */
  readonly writeback?: Partial<WritebackSettings>
  /** Sees every task begin, wait, resume and end. */
  readonly watcher?: Watcher
  /** The path of a volume whose blocks are to be memory of this machine, so that its files can be opened for DAX. */
  readonly dax?: string
}
