/**
 * Memory management: spaces and their VMAs, who maps what, the disciplines, the fault path, and reclaim.
 *
 * fault.ts is the loop of attempts with its locks; fault-page.ts is one attempt; disciplines.ts is the table of designs.
 */
export {
  DISCIPLINES,
  type Discipline,
  disciplineNamed,
  RESTART,
  type Rule,
  ruleFor,
  type Stash,
} from './disciplines.ts'
export { Fault, type FaultArgs, faultArgs, renewFault } from './fault.ts'
export { isMovable, migrate } from './migrate.ts'
export { Mm, type MmParts } from './mm.ts'
export { shrink } from './reclaim.ts'
export { resumeUserMode } from './resume-user-mode.ts'
export { Rmap } from './rmap.ts'
export { type Family, Space, type SpacePlan, type SpaceStat, worksOn } from './space.ts'
export { Swapping } from './swapping.ts'
export { cool, lazilyFree, pageOut } from './unwanted.ts'
export {
  allows,
  anonIndexOf,
  anonOffsetOfBoth,
  continues,
  flagsOf,
  indexOf,
  newOpening,
  newVma,
  type OpenFile,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  type Prot,
  type Vma,
  type VmaFlags,
  type VmaPlan,
  ZERO_PAGE,
} from './vma.ts'
