/**
 * Faultline: memory-mapped files bigger than memory, whose faults hold no lock while they wait for I/O.
 *
 *     await using machine = await Machine.start({ memory: '64 MiB' })
 *     const file = await machine.open('/data/big.bin', { mode: 'r+' })
 *     const space = machine.space({ name: 'importer' })
 *     const map = await space.map(file, { prot: 'rw' })
 *     const sum = await map.run(view => view.u32(0) + view.u32(2 ** 30))
 */

export type { Settings } from './group/index.ts'
export {
  type AdviceName,
  type CallOptions,
  FaultlineError,
  File,
  Group,
  type GroupFace,
  Machine,
  type MachineOptions,
  type MapOptions,
  Mapping,
  type MappingHandle,
  type OpenOptions,
  type ProtName,
  type RangeOptions,
  type RunOptions,
  Space,
  type SpaceOptions,
} from './map/index.ts'
export type { View } from './mmu/index.ts'
export type { PsRow, Status } from './proc/index.ts'
export { type Attachment, attach, type StartOptions, start } from './uffd/index.ts'
