/** The engine held against the kernel that runs: the table of differences, and campaigns. */
export { MADVICE, MREMAP_FIXED, MREMAP_MAYMOVE, type SystemCall } from './abi.ts'
export { type Campaign, campaign, type Failure, type Result, replay } from './campaign.ts'
export { Coverage, KINDS, kindsOf, neverWell } from './coverage.ts'
export { DIFFERENCES, type Difference, FILESYSTEMS, type FilesystemName } from './differences.ts'
export { Filesystem, NotHere } from './filesystem.ts'
export type { Stage } from './story.ts'
export { type Tracee, Tracer } from './tracee.ts'
export { assertZeroPage } from './zero-page.ts'
