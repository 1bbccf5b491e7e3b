/**
 * A hardware machine, as its caller holds it: mappings are plain Uint8Arrays, and a touch of a missing page stops only
 * the thread that touched it. The machine itself runs in the pager's thread.
 */
import type {
  CallOptions,
  CreateVolumeOptions,
  HostPath,
  MachineFace,
  MachineOptions,
  OpenOptions,
  OpenVolumeOptions,
  RepairReport,
  SpaceOptions,
  TransferOptions,
} from '../api/index.ts'
import type { Bytes } from '../base/index.ts'
import { FaultlineError, hostPath, invalid, textPath, told } from '../calls/index.ts'
import type { MachineDump } from '../engine/index.ts'
import { remoteAddress, remoteName } from '../files/index.ts'
import type { Settings } from '../group/index.ts'
import type { PsRow } from '../proc/index.ts'
import type { MachineCalls } from './calls.ts'
import { Connection } from './connection.ts'
import { closed, type Ending, started } from './ending.ts'
import { HardwareFile, HardwareGroup, HardwareSpace } from './objects.ts'
import { Programs } from './programs.ts'
import { Remote } from './remote.ts'
import { HardwareVolume } from './volume.ts'
import { watch } from './watch.ts'
import type { OnError } from './wire.ts'

/** What concerns hardware faults alone. */
export interface HardwareOptions {
  /** What becomes of a thread that touched a page which can't be had; `abort` if left out. */
  readonly onError?: OnError
  /** A worker was stopped for good, by `terminate-worker`: Node's number of it, and why. */
  readonly onWorkerLost?: (threadId: number, error: FaultlineError) => void
}

export class HardwareMachine extends Remote<MachineCalls> implements MachineFace {
  readonly mmu = 'hardware'
  readonly pageSize: Bytes
  readonly root: HardwareGroup
  private readonly programs: Programs
  private readonly ending: Ending
  private closing: Promise<void> | undefined

  private constructor(connection: Connection) {
    super(connection, { ref: connection.started.machine })
    this.pageSize = connection.started.pageSize
    this.root = new HardwareGroup(connection, { ref: connection.started.root, path: '/' })
    this.programs = new Programs(connection)
    const { programs } = this
    this.ending = {
      leave: () => this.leave(),
      abandon: () => connection.abandon(),
      get isShared() {
        return programs.isShared
      },
      get hasLost() {
        return connection.hasLost
      },
    }
    started(this.ending)
    watch({ pager: connection.signals.buffer })
  }

  static async start(options: MachineOptions & HardwareOptions): Promise<HardwareMachine> {
    const { onError = 'abort', onWorkerLost = () => {}, ...rest } = options
    if (rest.watcher !== undefined)
      throw invalid(
        'start',
        "watcher: a hardware machine runs in a thread of its own; start with mmu 'software'",
      )
    if (rest.swap !== undefined)
      throw invalid(
        'start',
        "swap: a hardware machine has no memory of its own to swap; start with mmu 'software'",
      )
    return new HardwareMachine(await Connection.open({ options: rest, onError, onLost: onWorkerLost }))
  }

  group(name: string, settings: Settings = {}): HardwareGroup {
    return new HardwareGroup(this.connection, this.ask('group', name, settings))
  }

  async open(path: HostPath, options: OpenOptions = {}): Promise<HardwareFile> {
    const address = remoteAddress(path)
    const place = address === undefined ? hostPath(path, 'open') : address.href
    const event = {
      name: address === undefined ? String(place) : remoteName(address),
      mmu: 'hardware',
    } as const
    const facts = await told('open', event, () => this.call('open', place, options))
    return new HardwareFile(this.connection, facts)
  }

  async createVolume(path: HostPath, options: CreateVolumeOptions = {}): Promise<HardwareVolume> {
    return new HardwareVolume(
      this.connection,
      await this.call('createVolume', textPath(path, 'createVolume'), options),
    )
  }

  async openVolume(path: HostPath, options: OpenVolumeOptions = {}): Promise<HardwareVolume> {
    return new HardwareVolume(
      this.connection,
      await this.call('openVolume', textPath(path, 'openVolume'), options),
    )
  }

  async repairVolume(path: HostPath, options: TransferOptions = {}): Promise<RepairReport> {
    return await this.call('repairVolume', textPath(path, 'repairVolume'), options)
  }

  space(options: SpaceOptions): HardwareSpace {
    return new HardwareSpace(this.connection, this.programs, this.ask('space', options))
  }

  async ps(options: CallOptions = {}): Promise<PsRow[]> {
    return await this.call('ps', options)
  }

  check(): readonly string[] {
    return this.ask('check')
  }

  metrics(): string {
    return this.ask('metrics')
  }

  dump(): MachineDump {
    return this.ask('dump')
  }

  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async end(): Promise<void> {
    // What a section begins happens after it.
    if (this.programs.sections.isRunning) await undefined
    for (const mapping of [...this.programs.mappings]) mapping.detach()
    try {
      await this.call('close')
    } finally {
      closed(this.ending)
      await this.connection.end()
    }
  }

  /** The process ends, and nobody has closed it. */
  private leave(): readonly string[] {
    // A section that hasn't ended has no effect.
    this.programs.sections.undo.rollback(0)
    try {
      return this.ask('leave')
    } catch (error) {
      // It was being closed, and by now it is.
      if (error instanceof FaultlineError && error.code === 'EBADF') return []
      throw error
    }
  }
}
