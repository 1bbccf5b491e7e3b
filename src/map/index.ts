/** The library: machines, groups, files, spaces and mappings on real files, and the one error they throw. */

export type { Elements, Offsets } from '../mmu/index.ts'
export { type CallEvent, type FaultEvent, isWatched, told } from './call-events.ts'
export { FaultlineError } from './error.ts'
export type {
  CallFace,
  FileFace,
  GroupFace,
  MachineFace,
  MappingFace,
  MappingHandle,
  RangeOfFiles,
  SpaceFace,
  SpaceOptions,
  ViewFace,
  VolumeFace,
  WatchedTask,
  WatchedWait,
  Watcher,
} from './faces.ts'
export { type CallOptions, type CloseOptions, checkClosing, File } from './file.ts'
export { Group } from './group.ts'
export type { OpenOptions } from './host-open.ts'
export { type HostPath, hostPath, textPath } from './host-path.ts'
export type { Existing } from './host-target.ts'
export {
  type CreateVolumeOptions,
  checkMachine,
  Machine,
  type MachineOptions,
  type OpenVolumeOptions,
  type Platform,
} from './machine.ts'
export { type AdviceName, Mapping, type ProtName, type RangeOptions } from './mapping.ts'
export { bytes, checkBytes, checkKept, checkKeys, checkObject, choice, invalid } from './options.ts'
export { machineClosed, Performer } from './performer.ts'
export { type RemoteOptions, remoteAddress, remoteName } from './remote-files.ts'
export { dumpVolume, type RepairReport, volumeBlockSize } from './repair-volume.ts'
export { type Brought, type Participant, type RunOptions, Sections } from './sections.ts'
export { type AnonymousOptions, type MapOptions, MMUS, type MmuName, Space } from './space.ts'
export type { Source, TransferOptions } from './streams.ts'
export {
  type CheckOptions,
  type CloneOptions,
  type GetFileOptions,
  type PutOptions,
  type SnapshotOptions,
  Volume,
  type VolumeFileOptions,
} from './volume.ts'
export type {
  LinkOptions,
  MakeOptions,
  NodeOptions,
  RenameOptions,
  SetAttributeOptions,
  TimesOfFile,
} from './volume-attributes.ts'
export { checkProgress } from './volume-calls.ts'
