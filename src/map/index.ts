/** The library: machines, groups, files, spaces and mappings on real files, and the one error they throw. */
export { FaultlineError } from './error.ts'
export { type CallOptions, File } from './file.ts'
export { Group } from './group.ts'
export {
  type CreateVolumeOptions,
  Machine,
  type MachineOptions,
  type OpenOptions,
  type OpenVolumeOptions,
  type SpaceOptions,
} from './machine.ts'
export { type AdviceName, Mapping, type ProtName, type RangeOptions, type RunOptions } from './mapping.ts'
export { type MapOptions, Space } from './space.ts'
export type { TransferOptions } from './streams.ts'
export { type RangeOfFiles, Volume, type VolumeFileOptions } from './volume.ts'
