/**
 * The kernel's FUSE: requests of /dev/fuse as objects, and their answers. It knows nothing of what is mounted.
 *
 * session.ts has the loop, wire.ts the format, mounting.ts what is done to the mount itself.
 */
export { Aside, invalidateEntry, invalidateInode } from './aside.ts'
export { FusermountFailed } from './fusermount.ts'
export type { MountPlan } from './mount-plan.ts'
export {
  FILESYSTEM,
  type MountEntry,
  mountAs,
  mountinfo,
  mountOver,
  mountsAt,
  mountsBelow,
  parseMountinfo,
  type User,
  unmount,
  usersOf,
} from './mounting.ts'
export { WRITE_MAX } from './negotiation.ts'
export { type HandedOver, PageWriters } from './page-writers.ts'
export {
  type Answered,
  answer,
  type Handler,
  lasting,
  type Payload,
  type Pieces,
  Request,
  room,
  SILENT,
} from './request.ts'
export { type Operations, Session, type SessionEnd } from './session.ts'
export type { Values } from './struct.ts'
export * as wire from './wire.ts'
