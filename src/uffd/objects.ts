/** Groups, files and spaces of a hardware machine, as its caller holds them. What they do is done in the pager. */
import type {
  AnonymousOptions,
  CallEvent,
  CallOptions,
  CloseOptions,
  FileFace,
  GroupFace,
  MapOptions,
  SpaceFace,
} from '../api/index.ts'
import type { Bytes } from '../base/index.ts'
import { checkBytes, checkKept, told } from '../calls/index.ts'
import { checkClosing } from '../files/index.ts'
import type { Settings } from '../group/index.ts'
import type { ProcFile, Status } from '../proc/index.ts'
import type { FileCalls, GroupCalls, SpaceCalls } from './calls.ts'
import type { Connection } from './connection.ts'
import { HardwareMapping } from './mapping.ts'
import type { Programs } from './programs.ts'
import { Remote } from './remote.ts'
import type { FileFacts, GroupFacts, SpaceFacts } from './wire.ts'

export class HardwareGroup extends Remote<GroupCalls> implements GroupFace {
  readonly path: string

  constructor(connection: Connection, facts: GroupFacts) {
    super(connection, facts)
    this.path = facts.path
  }

  group(name: string, settings: Settings = {}): HardwareGroup {
    return new HardwareGroup(this.connection, this.ask('group', name, settings))
  }

  set(key: string, value: unknown): void {
    this.ask('set', key, value)
  }

  read(key: string): string {
    return this.ask('read', key)
  }
}

export class HardwareFile extends Remote<FileCalls> implements FileFace {
  readonly name: string
  readonly readOnly: boolean
  private closing: Promise<void> | undefined

  constructor(connection: Connection, facts: FileFacts) {
    super(connection, facts)
    this.name = facts.name
    this.readOnly = facts.readOnly
  }

  get size(): Bytes {
    return this.ask('size')
  }

  async read(target: Uint8Array, position: Bytes | bigint, options: CallOptions = {}): Promise<Bytes> {
    checkBytes('read', target)
    const { length } = target
    const bytes = await this.call('read', length, position, options)
    checkKept('read', target, length)
    target.set(bytes)
    return bytes.length
  }

  async write(source: Uint8Array, position: Bytes | bigint, options: CallOptions = {}): Promise<void> {
    checkBytes('write', source)
    // A view would be sent with all of its buffer.
    await this.call('write', new Uint8Array(source), position, options)
  }

  async append(source: Uint8Array, options: CallOptions = {}): Promise<Bytes> {
    checkBytes('append', source)
    return await this.call('append', new Uint8Array(source), options)
  }

  async truncate(size: Bytes | bigint, options: CallOptions = {}): Promise<void> {
    await this.call('truncate', size, options)
  }

  async refresh(options: CallOptions = {}): Promise<void> {
    await this.call('refresh', options)
  }

  async punch(position: Bytes | bigint, length: Bytes | bigint, options: CallOptions = {}): Promise<void> {
    await this.call('punch', position, length, options)
  }

  async sync(options: CallOptions = {}): Promise<void> {
    await told('sync', this.event, () => this.call('sync', options))
  }

  async close(options: CloseOptions = {}): Promise<void> {
    checkClosing(options)
    this.closing ??= told('close', this.event, () => this.call('close', options))
    await this.closing
  }

  private get event(): CallEvent {
    return { name: this.name, mmu: 'hardware' }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

export class HardwareSpace extends Remote<SpaceCalls> implements SpaceFace {
  readonly pid: number
  readonly name: string
  private readonly programs: Programs

  constructor(connection: Connection, programs: Programs, facts: SpaceFacts) {
    super(connection, facts)
    this.programs = programs
    this.pid = facts.pid
    this.name = facts.name
  }

  async map(file: FileFace, options: MapOptions = {}): Promise<HardwareMapping> {
    const facts = await this.call('map', file, options)
    return new HardwareMapping(this.connection, this.programs, this, facts, options.mmu ?? 'auto')
  }

  async mapAnonymous(options: AnonymousOptions): Promise<never> {
    return await this.call('mapAnonymous', options)
  }

  async fork(
    options: { readonly name?: string; readonly signal?: AbortSignal } = {},
  ): Promise<HardwareSpace> {
    return new HardwareSpace(this.connection, this.programs, await this.call('fork', options))
  }

  async proc(file: ProcFile, options: { readonly signal?: AbortSignal } = {}): Promise<string> {
    return await this.call('proc', file, options)
  }

  status(): Status {
    return this.ask('status')
  }

  async exit(): Promise<void> {
    await this.call('exit')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exit()
  }
}
