/**
 * A filesystem whose files share blocks: extents, references, copy-on-write. volume.ts has the sum of it, and
 * docs/volume-format.md what it looks like on a device and in a store.
 */

export type { SetHow } from './attributes.ts'
export { type BulkReadArgs, bulkReadArgs, bulkWriteArgs } from './bulk.ts'
export type { Changed } from './changed.ts'
export { ALL_PAGES, type Pages } from './changed-pages.ts'
export type { CheckReport } from './check.ts'
export { type CheckingArgs, checkingArgs } from './checking.ts'
export { type Checksum, MIX53 } from './checksum.ts'
export type { Claimable } from './claiming.ts'
export { Commits } from './commit.ts'
export { type CountingArgs, countingArgs, type Stat } from './counting.ts'
export { type DaxCallArgs, daxCallArgs } from './dax-calls.ts'
export { type DaxChangeArgs, type DaxChangePlan, daxChangeArgs } from './dax-change.ts'
export { DaxFile } from './dax-file.ts'
export { describeRecord } from './describe.ts'
export { PLAIN, UNWRITTEN, WRITTEN } from './extents.ts'
export { Absent, Damage, Failure, Unreadable } from './failure.ts'
export { Following, type FollowingArgs, followingArgs } from './following.ts'
export { inFormat1 } from './format-1.ts'
export { Growing, type GrowingArgs, growingArgs } from './growing.ts'
export { blockSizeIn, headerBlock, idIn } from './header.ts'
export {
  EPOCH,
  type Inode,
  type InodePlan,
  type Kind,
  planned,
  type Time,
} from './inode.ts'
export {
  Asking,
  type AskingArgs,
  type AttributeChange,
  askingArgs,
  type DirectoryPart,
  type Found,
  type Inodes,
  type VolumeStatistics,
} from './inodes.ts'
export { MemoryStore } from './memory-store.ts'
export type { Call, Client, Commit, Reply, Way } from './metadata-calls.ts'
export {
  type MakeArgs,
  type MakePlan,
  Making,
  type MountPlan,
  makeArgs,
  type OpenArgs,
  Opening,
  openArgs,
} from './mounting.ts'
export type { Last, Named, Place, RenameHow } from './names.ts'
export { NetworkedStore, type Role } from './networked-store.ts'
export { type Answer, Overlay } from './overlay.ts'
export { roomFor } from './parts.ts'
export { largeVolume } from './plot.ts'
export { type PreallocatingArgs, type PreallocationPlan, preallocatingArgs } from './preallocating.ts'
export { type RangeCopyingArgs, type RangeCopyPlan, rangeCopyingArgs } from './range-copying.ts'
export { decodeNumbers, encodeNumbers, FORMAT, HEADER_KEY, type Header, ROOT_INO } from './records.ts'
export { Region } from './region.ts'
export { type RemapPlan, type RemappingArgs, remappingArgs } from './remapping.ts'
export { type Repaired, type RepairScope, repair } from './repair.ts'
export { Seeking, type SeekingArgs, seekingArgs } from './seeking.ts'
export { type ShiftingArgs, type ShiftPlan, shiftingArgs } from './shifting.ts'
export { Shrinking, type ShrinkingArgs, shrinkingArgs } from './shrinking.ts'
export { type SnapshotArgs, snapshotArgs } from './snapshot.ts'
export { after, lower, SortedMap } from './sorted-map.ts'
export { type Reuse, Space } from './space.ts'
export { bytesOf, spelt, textOf, unspelt } from './spelling.ts'
export { type Basis, type Change, type Entry, type Lease, type News, SOLE, type Store } from './store.ts'
export { SHARE } from './stores-in-order.ts'
export { type UnsharePlan, type UnsharingArgs, unsharingArgs } from './unsharing.ts'
export { Upgrading, type UpgradingArgs, upgradingArgs } from './upgrading.ts'
export { type Usage, Volume } from './volume.ts'
export { VolumeFile } from './volume-file.ts'
