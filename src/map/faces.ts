/**
 * The faces of the library: what a program may ask of a machine and its objects, whichever MMU shows the memory. The
 * software machine (machine.ts) runs in the thread that asks; the hardware one in the pager's. Errors are
 * FaultlineErrors on both.
 */
import type { Bytes } from '../base/index.ts'
import type { Settings } from '../group/index.ts'
import type { View } from '../mmu/index.ts'
import type { ProcFile, PsRow, Status } from '../proc/index.ts'
import type { CheckReport, Named, Stat, Usage } from '../volume/index.ts'
import type { CreateVolumeOptions, OpenOptions, OpenVolumeOptions } from './machine.ts'
import type { AdviceName, ProtName, RangeOptions } from './mapping.ts'
import type { RunOptions } from './sections.ts'
import type { AnonymousOptions, MapOptions } from './space.ts'
import type { CheckOptions, VolumeFileOptions } from './volume.ts'

export interface MachineFace extends AsyncDisposable {
  readonly mmu: 'software' | 'hardware'
  readonly pageSize: Bytes
  /** The group of everything that was given none. */
  readonly root: GroupFace
  /** Makes a group below the root. Keys and meanings are cgroup2's. */
  group(name: string, settings?: Settings): GroupFace
  /** Opens a regular file of the host. The same file opened twice has one set of pages. */
  open(path: string, options?: OpenOptions): Promise<FileFace>
  createVolume(path: string, options?: CreateVolumeOptions): Promise<VolumeFace>
  openVolume(path: string, options?: OpenVolumeOptions): Promise<VolumeFace>
  space(options: {
    readonly name: string
    readonly group?: GroupFace
    readonly commandLine?: string
  }): SpaceFace
  /** What ps shows: a row for each space. */
  ps(options?: { readonly group?: GroupFace; readonly signal?: AbortSignal }): Promise<PsRow[]>
  /** Syncs and closes everything. */
  close(): Promise<void>
}

/** A volume: names, and files that share blocks. The streams of a software machine's volume aren't among them. */
export interface VolumeFace extends AsyncDisposable {
  readonly path: string
  readonly readOnly: boolean
  readonly damage: readonly string[]
  readonly usage: Usage
  open(path: string, options?: VolumeFileOptions): Promise<FileFace>
  create(path: string): Promise<void>
  mkdir(path: string): Promise<void>
  list(path: string): Promise<Named[]>
  stat(path: string): Promise<Stat>
  rename(from: string, to: string): Promise<void>
  link(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  clone(from: string, to: string, options?: { readonly signal?: AbortSignal }): Promise<void>
  snapshot(from: string, to: string): Promise<number>
  fallocate(file: FileFace, position: Bytes, length: Bytes): Promise<void>
  sync(): Promise<void>
  check(options?: Omit<CheckOptions, 'progress'>): Promise<CheckReport>
  close(): Promise<void>
}

export interface GroupFace {
  readonly path: string
  group(name: string, settings?: Settings): GroupFace
  set(key: string, value: unknown): void
  read(key: string): string
}

/** Who is charged for a call, and what aborts it. */
export interface CallFace {
  readonly group?: GroupFace
  readonly signal?: AbortSignal
}

export interface FileFace extends AsyncDisposable {
  readonly name: string
  readonly size: Bytes
  readonly readOnly: boolean
  /** Fills `target` from `position`. Returns how many bytes there were before the end of the file. */
  read(target: Uint8Array, position: Bytes, options?: CallFace): Promise<Bytes>
  /** Writes all of `source` at `position`, and makes the file longer if it must. */
  write(source: Uint8Array, position: Bytes, options?: CallFace): Promise<void>
  truncate(size: Bytes, options?: CallFace): Promise<void>
  punch(position: Bytes, length: Bytes, options?: CallFace): Promise<void>
  sync(options?: CallFace): Promise<void>
  close(): Promise<void>
}

export interface SpaceFace extends AsyncDisposable {
  readonly pid: number
  readonly name: string
  map(file: FileFace, options?: MapOptions): Promise<MappingFace>
  mapAnonymous(options: AnonymousOptions): Promise<MappingFace>
  fork(options?: { readonly name?: string; readonly signal?: AbortSignal }): Promise<SpaceFace>
  proc(file: ProcFile, options?: { readonly signal?: AbortSignal }): Promise<string>
  status(): Status
  exit(): Promise<void>
}

export interface MappingFace extends AsyncDisposable {
  readonly space: SpaceFace
  readonly name: string
  readonly length: Bytes
  /** Where it begins in its space, in bytes: the number that /proc shows. */
  readonly address: Bytes
  /** The mapping itself, if the hardware MMU shows it: a touch of a missing page stops the thread until it is there. */
  readonly bytes: Uint8Array
  /** For worker threads: posted to one, `attach` makes the same array there. */
  readonly handle: MappingHandle
  run<T>(section: (view: View) => T, options?: RunOptions): T | Promise<T>
  prefetch(
    ranges: readonly { readonly offset: Bytes; readonly length: Bytes }[],
    options?: RunOptions,
  ): Promise<void>
  sync(options?: RangeOptions): Promise<void>
  protect(prot: ProtName, options?: RangeOptions): Promise<void>
  advise(advice: AdviceName, options?: RangeOptions): Promise<void>
  populate(options?: RangeOptions): Promise<void>
  lock(options?: RangeOptions): Promise<void>
  unlock(options?: RangeOptions): Promise<void>
  unmap(): Promise<void>
  /** The same pages in a space that was forked from this mapping's. */
  inFork(child: SpaceFace): MappingFace
}

/** What a worker thread needs to make the array of a mapping. Plain data that can be posted. */
export interface MappingHandle {
  readonly process: number
  readonly name: string
  readonly host: number
  readonly length: Bytes
  readonly control: SharedArrayBuffer
}
