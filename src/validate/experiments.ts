/**
 * The experiments, as data: a thread takes a fault that must wait, another thread of its process makes one call, and
 * readers of other processes read its files in /proc. Any fault on any filesystem goes with any call and any readers.
 *
 *     frozen      a store to a mapped page of a frozen filesystem; it is thawed after a while
 *     writeback   a store to a mapped page that is being written to a limited device
 *     read        a load of a page that isn't in memory, from a limited device
 *     swap-in     a load of a page that is in a swap file, on a limited device
 *     reclaim     stores to memory of a group that is full of pages that are being written to a limited device
 */

export const FILESYSTEMS = ['ext4', 'xfs', 'btrfs'] as const
export type FilesystemName = (typeof FILESYSTEMS)[number]

export const FAULTS = ['frozen', 'writeback', 'read', 'swap-in', 'reclaim'] as const
export type FaultName = (typeof FAULTS)[number]

/** What the other thread does to the mapping that the fault is in, to one beside it, or to neither. */
export const WRITERS = [
  'none',
  'fork',
  'munmap',
  'mprotect',
  'mremap',
  'madvise',
  'munmap-beside',
  'mprotect-beside',
  'thread',
] as const
export type WriterName = (typeof WRITERS)[number]

export const READERS = ['cmdline', 'environ', 'maps', 'smaps', 'smaps_rollup', 'numa_maps', 'stat'] as const
export type ReaderName = (typeof READERS)[number]

export interface Experiment {
  readonly name: string
  readonly filesystem: FilesystemName
  readonly fault: FaultName
  readonly writer: WriterName
  readonly readers: readonly ReaderName[]
}

/** What is wanted of each; undefined: nothing was said. */
export interface Wanted {
  readonly filesystems?: readonly FilesystemName[] | undefined
  readonly faults?: readonly FaultName[] | undefined
  readonly writers?: readonly WriterName[] | undefined
  readonly readers?: readonly ReaderName[] | undefined
}

const WORDS: Readonly<Record<FaultName, string>> = {
  frozen: 'store while frozen',
  writeback: 'store under writeback',
  read: 'load from a limited device',
  'swap-in': 'load from a limited swap file',
  reclaim: 'store in a full group',
}

/** Milliseconds from the fault to the call, to the readers, and about to the end of the wait. */
export const CALL_AT = 30
export const READ_AT = 80
export const WAIT_MS = 700
/** Pages of each mapping. */
export const PAGES = 16
/** Pages that are written while a group is full of them. */
export const FULL_PAGES = 256
export const PAGE_BYTES = 4096

/** Without words every call beside a frozen filesystem, and of the other faults those that differ most. */
const OF_EACH: Readonly<Record<FaultName, readonly WriterName[]>> = {
  frozen: ['fork', 'munmap', 'mprotect', 'mremap', 'madvise', 'munmap-beside', 'mprotect-beside', 'thread'],
  writeback: ['fork', 'munmap'],
  read: ['fork', 'mprotect'],
  'swap-in': ['fork', 'madvise'],
  reclaim: ['fork', 'munmap-beside'],
}

/** All that was named, each with each; what wasn't named is all there is, or the usual if nothing was. */
export function experimentsOf({ filesystems, faults, writers, readers }: Wanted): readonly Experiment[] {
  const usual = filesystems === undefined && faults === undefined && writers === undefined
  return (filesystems ?? FILESYSTEMS).flatMap(filesystem =>
    (faults ?? FAULTS).flatMap(fault =>
      (writers ?? (usual ? OF_EACH[fault] : WRITERS)).map(writer => ({
        name: `${filesystem}, ${WORDS[fault]}, ${writer === 'none' ? 'nobody beside it' : writer}`,
        filesystem,
        fault,
        writer,
        readers: readers ?? READERS,
      })),
    ),
  )
}

/** Who is timed, in this order. */
export function timedOf({ fault, writer, readers }: Experiment): readonly string[] {
  const access = fault === 'read' || fault === 'swap-in' ? 'load' : 'store'
  return [access, ...(writer === 'none' ? [] : ['call']), ...readers]
}

/** Bytes a second under which so many bytes take WAIT_MS. */
export function rateFor(bytes: number): number {
  return Math.round((bytes * 1000) / WAIT_MS)
}
