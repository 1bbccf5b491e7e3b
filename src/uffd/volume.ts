/** A volume of a hardware machine, as its caller holds it. Its files are mapped as any other's. */

import { fileURLToPath } from 'node:url'
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
import type { Bytes } from '../base/index.ts'
import { checkKeys, FaultlineError } from '../calls/index.ts'
import type { CheckReport, Named, Stat, Usage, VolumeStatistics } from '../volume/index.ts'
import { checkProgress } from '../volumes/index.ts'
import type { VolumeCalls } from './calls.ts'
import type { Connection } from './connection.ts'
import { HardwareFile } from './objects.ts'
import { Remote } from './remote.ts'
import type { VolumeFacts } from './wire.ts'

export class HardwareVolume extends Remote<VolumeCalls> implements VolumeFace {
  readonly path: string
  private closing: Promise<void> | undefined

  constructor(connection: Connection, facts: VolumeFacts) {
    super(connection, facts)
    this.path = facts.path
  }

  get readOnly(): boolean {
    return this.ask('readOnly')
  }

  get damage(): readonly string[] {
    return this.ask('damage')
  }

  get usage(): Usage {
    return this.ask('usage')
  }

  async open(path: string, options: VolumeFileOptions = {}): Promise<HardwareFile> {
    return new HardwareFile(this.connection, await this.call('open', path, options))
  }

  async create(path: string, options: MakeOptions = {}): Promise<void> {
    await this.call('create', path, options)
  }

  async mkdir(path: string, options: MakeOptions = {}): Promise<void> {
    await this.call('mkdir', path, options)
  }

  async mknod(path: string, options: NodeOptions = {}): Promise<void> {
    await this.call('mknod', path, options)
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.call('symlink', target, path)
  }

  async readlink(path: string): Promise<string> {
    return await this.call('readlink', path)
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.call('chmod', path, mode)
  }

  async chown(path: string, uid: number, gid: number, options: LinkOptions = {}): Promise<void> {
    await this.call('chown', path, uid, gid, options)
  }

  async utimes(path: string, times: TimesOfFile, options: LinkOptions = {}): Promise<void> {
    await this.call('utimes', path, times, options)
  }

  async listxattr(path: string, options: LinkOptions = {}): Promise<readonly string[]> {
    return await this.call('listxattr', path, options)
  }

  async getxattr(path: string, name: string, options: LinkOptions = {}): Promise<Uint8Array> {
    return await this.call('getxattr', path, name, options)
  }

  async setxattr(
    path: string,
    name: string,
    value: Uint8Array,
    options: SetAttributeOptions & LinkOptions = {},
  ): Promise<void> {
    await this.call('setxattr', path, name, value, options)
  }

  async removexattr(path: string, name: string, options: LinkOptions = {}): Promise<void> {
    await this.call('removexattr', path, name, options)
  }

  async seek(file: FileFace, position: Bytes, what: 'data' | 'hole'): Promise<Bytes | undefined> {
    return await this.call('seek', file, position, what)
  }

  async statfs(): Promise<VolumeStatistics> {
    return await this.call('statfs')
  }

  get format(): number {
    return this.ask('format')
  }

  async grow(size: Bytes): Promise<void> {
    await this.call('grow', size)
  }

  async shrink(size: Bytes): Promise<void> {
    await this.call('shrink', size)
  }

  async upgrade(owner: Pick<MakeOptions, 'uid' | 'gid'> = {}): Promise<void> {
    await this.call('upgrade', owner)
  }

  async list(path: string): Promise<Named[]> {
    return await this.call('list', path)
  }

  async stat(path: string): Promise<Stat> {
    return await this.call('stat', path)
  }

  async lstat(path: string): Promise<Stat> {
    return await this.call('lstat', path)
  }

  async rename(from: string, to: string, options: RenameOptions = {}): Promise<void> {
    await this.call('rename', from, to, options)
  }

  async link(from: string, to: string): Promise<void> {
    await this.call('link', from, to)
  }

  async unlink(path: string): Promise<void> {
    await this.call('unlink', path)
  }

  async exists(path: string): Promise<boolean> {
    return await this.call('exists', path)
  }

  async remove(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.call('remove', path, options)
  }

  async clone(from: string, to: string, options: CloneOptions = {}): Promise<void> {
    await this.call('clone', from, to, options)
  }

  async cloneRange(range: RangeOfFiles): Promise<void> {
    await this.call('cloneRange', range)
  }

  async dedupe(range: RangeOfFiles): Promise<boolean> {
    return await this.call('dedupe', range)
  }

  async put(source: Source, to: string, options: PutOptions = {}): Promise<Bytes> {
    return await this.call('put', sendable(source), to, options)
  }

  /** By calls that read: its pages come and go as those of any file that is read. */
  async *get(from: string, options: TransferOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    checkKeys(options, ['signal', 'progress'], 'get')
    const { signal, progress } = options
    checkProgress(progress, 'get')
    const file = await this.open(from)
    try {
      for (let at = 0; ; ) {
        const part = new Uint8Array(Math.min(PART_BYTES, file.size - at))
        const got = part.length === 0 ? 0 : await file.read(part, at, signal === undefined ? {} : { signal })
        if (got === 0) return
        yield part.subarray(0, got)
        at += got
        progress?.(at)
      }
    } finally {
      await file.close()
    }
  }

  async getFile(from: string, target: string | URL, options: GetFileOptions = {}): Promise<Bytes> {
    return await this.call('getFile', from, plain(target), options)
  }

  async snapshot(from: string, to: string, options: SnapshotOptions = {}): Promise<number> {
    return await this.call('snapshot', from, to, options)
  }

  async fallocate(file: FileFace, position: Bytes, length: Bytes): Promise<void> {
    await this.call('fallocate', file, position, length)
  }

  async collapse(file: FileFace, position: Bytes, length: Bytes): Promise<void> {
    await this.call('collapse', file, position, length)
  }

  async insert(file: FileFace, position: Bytes, length: Bytes): Promise<void> {
    await this.call('insert', file, position, length)
  }

  async sync(): Promise<void> {
    await this.call('sync')
  }

  async check(options: CheckOptions = {}): Promise<CheckReport> {
    return await this.call('check', options)
  }

  close(): Promise<void> {
    this.closing ??= this.call('close')
    return this.closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** What reads through the cache has of memory at once. */
const PART_BYTES: Bytes = 128 * 1024

/** A source that can be sent to the pager: it comes as a path, or as its bytes. What is none the pager refuses. */
function sendable(source: Source): string | Uint8Array {
  const given = plain(source)
  if (typeof given !== 'object' || given === null || given instanceof Uint8Array) return given
  if (!(Symbol.asyncIterator in given || Symbol.iterator in given)) return given
  throw new FaultlineError(
    'ENOTSUP',
    'put',
    "put: a hardware machine runs in a thread of its own, to which a stream can't be sent; give it the path of a file, or bytes, or open the volume with a software machine",
  )
}

/** An address of a file goes as its path. */
function plain<Given>(given: Given | URL): Given | string {
  return given instanceof URL && given.protocol === 'file:' ? fileURLToPath(given) : (given as Given)
}
