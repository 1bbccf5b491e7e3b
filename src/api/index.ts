/**
 * The library's interfaces, its options and their words, written once. The software machine (map) and the hardware one (uffd)
 * implement them; calls between the threads of the latter are typed by them. Errors are FaultlineErrors on both; a call that was
 * refused has changed nothing.
 *
 * Costs are told where they aren't those of an ordinary call: a call that returns a promise takes a turn of the event loop at
 * least, and what it waits for without holding a lock.
 */
export { FaultlineError } from '../base/index.ts'
export type { CallEvent, FaultEvent } from './events.ts'
export type { CallOptions, CloseOptions, FileFace } from './file.ts'
export type { GroupFace } from './group.ts'
export type { MachineFace, MachineOptions, SpaceOptions } from './machine.ts'
export type { HeaderFields, HostPath, OpenOptions, RemoteOptions } from './opening.ts'
export type {
  AdviceName,
  AnonymousOptions,
  MapOptions,
  MappingFace,
  MappingHandle,
  MmuName,
  ProtName,
  RangeOptions,
  RemapOptions,
  RunOptions,
  SpaceFace,
} from './space.ts'
export type { ViewFace } from './view.ts'
export type { RangeOfFiles, VolumeFace } from './volume.ts'
export type { CreateVolumeOptions, OpenVolumeOptions, SharedPlaceOptions } from './volume-opening.ts'
export type {
  CheckOptions,
  CloneOptions,
  Existing,
  GetFileOptions,
  LinkOptions,
  MakeOptions,
  NodeOptions,
  PutOptions,
  RenameOptions,
  RepairReport,
  SetAttributeOptions,
  SnapshotOptions,
  Source,
  TimesOfFile,
  TransferOptions,
  VolumeFileOptions,
} from './volume-options.ts'
export type { WatchedTask, WatchedWait, Watcher } from './watcher.ts'
