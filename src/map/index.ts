/** The library: machines, groups, files, spaces and mappings on real files, and the one error they throw. */
export { FaultlineError } from './error.ts'
export { type CallOptions, File } from './file.ts'
export { Group } from './group.ts'
export { Machine, type MachineOptions, type OpenOptions, type SpaceOptions } from './machine.ts'
export { type AdviceName, Mapping, type ProtName, type RangeOptions, type RunOptions } from './mapping.ts'
export { type MapOptions, Space } from './space.ts'
