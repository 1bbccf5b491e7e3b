/**
 * A volume as a filesystem of Linux: each family of operations in a file of its own, over the engine's tasks. mounted.ts has
 * the whole, docs/mount.md what it is for people.
 */
export { askMounted, mountOf } from './asking.ts'
export type { ControlCalls, ControlName, MountStatus, PathRange } from './control-wire.ts'
export {
  type Busy,
  COMMIT_DEFAULT,
  MEMORY_DEFAULT,
  MountedVolume,
  type MountOptions,
} from './mounted.ts'
export type { NumberedRequest, RequestWait, SlowRequest } from './slow-requests.ts'
export { type Unmounted, unmountVolume } from './unmounting.ts'
