/** What every call of the library goes through: checked options, groups, tasks as promises, sections, and the one error it throws. */

export { Appends } from './appends.ts'
export { isWatched, told } from './call-events.ts'
export type { Context } from './context.ts'
export { aborted, FaultlineError, fromErrno, fromHost } from './error.ts'
export { Group, groupId } from './group.ts'
export { hostPath, textPath } from './host-path.ts'
export { INSPECT } from './inspect.ts'
export {
  addressPage,
  bytes,
  checkBytes,
  checkKept,
  checkKeys,
  checkObject,
  choice,
  flag,
  invalid,
  pageAligned,
} from './options.ts'
export { type Call, isAborted, machineClosed, Performer, type Who } from './performer.ts'
export { type Brought, type Participant, Sections } from './sections.ts'
export { UnderWay } from './under-way.ts'
