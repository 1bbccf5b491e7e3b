/**
 * Physical memory: frames, who is charged for them, and how recently they were used.
 *
 * It knows nothing of files or spaces. What must be done when memory runs out hangs on `Memory.pressure`.
 */
export {
  ACTIVE,
  ANON,
  CACHE,
  DETACHED,
  DEVICE,
  DIRTY,
  FREE,
  Frames,
  IN_FLIGHT,
  LAZYFREE,
  LOCKED,
  ON_LRU,
  type PageStore,
  READAHEAD,
  REFERENCED,
  UNEVICTABLE,
  UPTODATE,
  WORKINGSET,
  WRITEBACK,
} from './frames.ts'
export { Ledger, type MemoryEvents, type MemoryLimits, type MemoryStat } from './ledger.ts'
export { type LruKind, Memory, type Relief } from './memory.ts'
