/** A volume of a hardware machine, as its caller holds it. Its files are mapped as any other's. */
import type { Bytes } from '../base/index.ts'
import {
  type CheckOptions,
  type CloneOptions,
  FaultlineError,
  type FileFace,
  type RangeOfFiles,
  type SnapshotOptions,
  type VolumeFace,
  type VolumeFileOptions,
} from '../map/index.ts'
import type { CheckReport, Named, Stat, Usage } from '../volume/index.ts'
import type { FileFacts, VolumeFacts } from './desk.ts'
import type { Line } from './line.ts'
import { HardwareFile } from './objects.ts'
import { Remote } from './remote.ts'

export class HardwareVolume extends Remote implements VolumeFace {
  readonly path: string
  private closing: Promise<void> | undefined

  constructor(line: Line, facts: VolumeFacts) {
    super(line, facts)
    this.path = facts.path
  }

  get readOnly(): boolean {
    return this.ask('readOnly') as boolean
  }

  get damage(): readonly string[] {
    return this.ask('damage') as readonly string[]
  }

  get usage(): Usage {
    return this.ask('usage') as Usage
  }

  async open(path: string, options: VolumeFileOptions = {}): Promise<HardwareFile> {
    return new HardwareFile(this.line, (await this.call('open', path, options)) as FileFacts)
  }

  async create(path: string): Promise<void> {
    await this.call('create', path)
  }

  async mkdir(path: string): Promise<void> {
    await this.call('mkdir', path)
  }

  async list(path: string): Promise<Named[]> {
    return (await this.call('list', path)) as Named[]
  }

  async stat(path: string): Promise<Stat> {
    return (await this.call('stat', path)) as Stat
  }

  async rename(from: string, to: string): Promise<void> {
    await this.call('rename', from, to)
  }

  async link(from: string, to: string): Promise<void> {
    await this.call('link', from, to)
  }

  async unlink(path: string): Promise<void> {
    await this.call('unlink', path)
  }

  async exists(path: string): Promise<boolean> {
    return (await this.call('exists', path)) as boolean
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
    return (await this.call('dedupe', range)) as boolean
  }

  async put(): Promise<never> {
    throw streams('put')
  }

  // biome-ignore lint/correctness/useYield: it fails at the first part.
  async *get(): AsyncGenerator<Uint8Array, void, undefined> {
    throw streams('get')
  }

  async getFile(): Promise<never> {
    throw streams('getFile')
  }

  async snapshot(from: string, to: string, options: SnapshotOptions = {}): Promise<number> {
    return (await this.call('snapshot', from, to, options)) as number
  }

  async fallocate(file: FileFace, position: Bytes, length: Bytes): Promise<void> {
    await this.call('fallocate', file, position, length)
  }

  async sync(): Promise<void> {
    await this.call('sync')
  }

  async check(options: CheckOptions = {}): Promise<CheckReport> {
    return (await this.call('check', options)) as CheckReport
  }

  close(): Promise<void> {
    this.closing ??= this.call('close').then(() => {})
    return this.closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function streams(operation: string): FaultlineError {
  return new FaultlineError(
    'ENOTSUP',
    operation,
    `${operation}: a hardware machine brings no streams into a volume or out of it; open the volume with a software machine for that`,
  )
}
