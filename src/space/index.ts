/** The verbs on an address space, one file each. All of them are attempts under the locks of the space. */

export { Advise, type AdviseArgs, type MemoryAdvice } from './advise.ts'
export { Collapse, collapseArgs } from './collapse.ts'
export { Exit, type ExitArgs } from './exit.ts'
export { Fork, type ForkArgs } from './fork.ts'
export { type LockArgs, LockPages } from './lock.ts'
export { type MapArgs, MapVerb } from './map.ts'
export { residentPages } from './mincore.ts'
export { Mremap, type MremapArgs, mremapArgs } from './mremap.ts'
export {
  type Bringing,
  bringing,
  bringingAsWritable,
  Populate,
  type PopulateArgs,
  populateArgs,
} from './populate.ts'
export { Protect, type ProtectArgs } from './protect.ts'
export { Msync, type MsyncArgs, type MsyncFlag, msyncArgs } from './sync.ts'
export { Unmap, type UnmapArgs } from './unmap.ts'
export { addVma, lockForReading, lockRange } from './vmas.ts'
