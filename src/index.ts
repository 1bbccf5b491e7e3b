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

export type {
  AdviceName,
  AnonymousOptions,
  CallEvent,
  CallOptions,
  CheckOptions,
  CloneOptions,
  CloseOptions,
  CreateVolumeOptions,
  Existing,
  FaultEvent,
  FileFace as File,
  GetFileOptions,
  GroupFace as Group,
  HeaderFields,
  HostPath,
  LinkOptions,
  MakeOptions,
  MapOptions,
  MappingFace as Mapping,
  MappingHandle,
  MmuName,
  NodeOptions,
  OpenOptions,
  OpenVolumeOptions,
  ProtName,
  PutOptions,
  RangeOfFiles,
  RangeOptions,
  RemapOptions,
  RemoteOptions,
  RenameOptions,
  RepairReport,
  RunOptions,
  SetAttributeOptions,
  SharedPlaceOptions,
  SnapshotOptions,
  Source,
  SpaceFace as Space,
  SpaceOptions,
  TimesOfFile,
  TransferOptions,
  ViewFace as View,
  VolumeFace as Volume,
  VolumeFileOptions,
  WatchedTask,
  WatchedWait,
  Watcher,
} from './api/index.ts'
export type { Bytes, GroupId, Ns, SpaceId, TaskId, Unit } from './base/index.ts'
export type { Settled, WritebackSettings } from './cache/index.ts'
export { FaultlineError } from './calls/index.ts'
export type { DumpedBio, DumpedGroup, DumpedLock, DumpedTask, MachineDump } from './engine/index.ts'
export type {
  IoLatencySetting,
  IoMaxSetting,
  IoProtectSetting,
  IoWeightSetting,
  Settings as GroupSettings,
  Size,
} from './group/index.ts'
export type { Elements, Offsets } from './mmu/index.ts'
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
