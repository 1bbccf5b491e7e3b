/**
 * Faultline: memory-mapped files bigger than memory, whose faults hold no lock while they wait for I/O.
 *
 *     await using machine = await Machine.start({ memory: '64 MiB' })
 *     const file = await machine.open('/data/big.bin', { mode: 'r+' })
 *     const space = machine.space({ name: 'importer' })
 *     const map = await space.map(file, { prot: 'rw' })
 *     const sum = await map.run(view => view.u32(0) + view.u32(2 ** 30))
 *
 * This is all that a program may rely on: `Machine.start`, `attach`, the error, and the types of what calls take and return.
 * The objects are interfaces; which class is behind one depends on the MMU.
 *
 * @module
 */

export type { Bytes, GroupId, Ns, SpaceId, TaskId, Unit } from './base/index.ts'
export type { Settled, WritebackSettings } from './cache/index.ts'
export type { DumpedBio, DumpedGroup, DumpedLock, DumpedTask, MachineDump } from './engine/index.ts'
export type {
  IoLatencySetting,
  IoMaxSetting,
  IoProtectSetting,
  IoWeightSetting,
  Settings as GroupSettings,
  Size,
} from './group/index.ts'
export type { Existing } from './map/index.ts'
export {
  type AdviceName,
  type AnonymousOptions,
  type CallEvent,
  type CallFace as CallOptions,
  type CheckOptions,
  type CloneOptions,
  type CloseOptions,
  type CreateVolumeOptions,
  type Elements,
  type FaultEvent,
  FaultlineError,
  type FileFace as File,
  type GetFileOptions,
  type GroupFace as Group,
  type HostPath,
  type LinkOptions,
  type MakeOptions,
  type MapOptions,
  type MappingFace as Mapping,
  type MappingHandle,
  type MmuName,
  type NodeOptions,
  type Offsets,
  type OpenOptions,
  type OpenVolumeOptions,
  type ProtName,
  type PutOptions,
  type RangeOfFiles,
  type RangeOptions,
  type RemoteOptions,
  type RenameOptions,
  type RepairReport,
  type RunOptions,
  type SetAttributeOptions,
  type SnapshotOptions,
  type Source,
  type SpaceFace as Space,
  type SpaceOptions,
  type TimesOfFile,
  type TransferOptions,
  type ViewFace as View,
  type VolumeFace as Volume,
  type VolumeFileOptions,
  type WatchedTask,
  type WatchedWait,
  type Watcher,
} from './map/index.ts'
export type { ProcFile, PsRow, Status } from './proc/index.ts'
export type { Fetch, Pin, S3Credentials } from './remote/index.ts'
export type { Why } from './sched/index.ts'
export {
  type Attachment,
  attach,
  type HardwareOptions,
  Machine,
  type OnError,
  type StartOptions as MachineOptions,
  start,
} from './uffd/index.ts'
export type {
  CheckReport,
  Kind as InodeKind,
  Named as DirectoryEntry,
  Stat as VolumeFileStat,
  Time,
  Usage as VolumeUsage,
  VolumeStatistics,
} from './volume/index.ts'
