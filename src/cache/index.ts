/**
 * The page cache: the pages of files, and everything that happens to them between the device and the page tables.
 *
 * page-cache.ts has the states of a page and the table of who meets whom. The verbs (sync, truncate, read, write) and
 * the two attempts of a fault (filemap.ts) are made of its functions.
 */
export type { Backing } from './backing.ts'
export { CachedFile, type Invalidation } from './cached-file.ts'
export { type Copying, partAt, requestAt } from './copying.ts'
export { type Dropping, dropSome, newDropping, unmapSome } from './dropping.ts'
export { Forget, type ForgetArgs } from './forget.ts'
export { lend } from './lending.ts'
export { type CacheSizes, PageCache } from './page-cache.ts'
export { type CopyArgs, copyArgs, ReadCall, WriteCall } from './read-write.ts'
export { windowFor } from './readahead.ts'
export { Refresh, refreshArgs } from './refresh.ts'
export { type ErrorCursor, type Settled, Sync, type SyncArgs, syncArgs } from './sync.ts'
export { Truncate, type TruncateArgs, truncateArgs } from './truncate.ts'
export { WRITEBACK_DEFAULTS, Writeback, type WritebackSettings } from './writeback.ts'
