/** The ground floor: units, errors of the world and of ours, chance, lists. It imports nothing. */
export { AssertionError, assert, broken } from './assert.ts'
export * as errno from './errno.ts'
export { type Errno, errnoName } from './errno.ts'
export { FaultlineError } from './faultline-error.ts'
export { GroupTree, ROOT } from './group-tree.ts'
export { hang } from './hook.ts'
export { END, IndexLists } from './index-lists.ts'
export { IndexSet } from './index-set.ts'
export { byName, namesOf } from './named.ts'
export { NumberMap } from './number-map.ts'
export { OrderedList } from './ordered-list.ts'
export { printable } from './printable.ts'
export { Prng } from './prng.ts'
export { SLICE_PAGES, type Slice } from './slice.ts'
export { codeOf, messageOf, numberOf } from './thrown.ts'
export {
  type Bytes,
  type FileId,
  type GroupId,
  MS,
  type Ns,
  type PageIndex,
  type PageRange,
  type Pfn,
  pagesOf,
  SECOND,
  type SpaceId,
  type TaskId,
  type Unit,
  US,
  type Vpn,
} from './units.ts'
export { solidParts } from './zeros.ts'
