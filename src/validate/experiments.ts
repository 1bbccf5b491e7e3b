/**
 * The experiments of the mail, as data: a process stores to a page of a frozen filesystem, and waits in page_mkwrite
 * until it is thawed; another thread of it makes one call; seven readers read its files in /proc.
 */

export const READERS = ['cmdline', 'environ', 'maps', 'smaps', 'smaps_rollup', 'numa_maps', 'stat'] as const

export type Reader = (typeof READERS)[number]

export const CALLS = [
  'fork',
  'munmap',
  'mprotect',
  'mremap',
  'madvise',
  'munmap beside',
  'mprotect beside',
  'thread',
] as const

export type Call = (typeof CALLS)[number]

export interface Experiment {
  readonly name: string
  readonly filesystem: 'ext4' | 'xfs' | 'btrfs'
  /** What the other thread does: to the mapping that is stored to, to one beside it, or to none. */
  readonly call: Call
}

export const EXPERIMENTS: readonly Experiment[] = (['ext4', 'xfs', 'btrfs'] as const).flatMap(filesystem =>
  CALLS.map(call => ({ name: `${filesystem}, store while frozen, ${call}`, filesystem, call })),
)

/** Milliseconds from the store to the call, to the readers, and to the thaw. */
export const CALL_AT = 30
export const READ_AT = 80
export const THAW_AT = 700
export const PAGES = 16

/** What is timed, in this order. */
export const TIMED = ['store', 'call', ...READERS] as const
