/**
 * Scenarios of files that share blocks: what the mail asked for, a pageMkwrite that changes the physical page, and whom it
 * lets wait. Each has the two beside it that make an inversion seen: a fork or a munmap, and a reader of /proc.
 */
import type { MappingSpec, Plan } from './scenario.ts'

const DAX = { blocks: 12, open: 'dax' } as const
const CACHED = { blocks: 12, open: 'cached' } as const

/** `a` and its clone `b`, of one page each, mapped in a space each. */
const SHARED: Pick<Plan, 'files' | 'mappings' | 'before'> = {
  files: { a: {}, b: { pages: 0 } },
  mappings: { a: { file: 'a' }, b: { file: 'b', space: 'other' } },
  before: ['clone a b'],
}

/** `a` and its clone `b`, stored to up to page 8: from there on two pages are copied together. */
const IN_ORDER: Pick<Plan, 'files' | 'mappings' | 'before' | 'volume'> = {
  volume: { ...DAX, blocks: 36 },
  files: { a: { pages: 10 }, b: { pages: 0 } },
  mappings: { a: { file: 'a', pages: 10 }, b: { file: 'b', space: 'other' } },
  before: ['clone a b', ...Array.from({ length: 8 }, (_, page) => `store a ${page}`)],
}

const HEAP: Partial<MappingSpec> = { share: 'private' }

export const VOLUME_PLANS: readonly Plan[] = [
  {
    ...SHARED,
    name: 'dax-two-stores',
    about: 'two stores to one shared block: one of them has it copied, and both are on the copy',
    from: 'Chinner, 2018: unconditionally retriable page faults, for DAX with reflinked extents; generic/578',
    volume: DAX,
    mappings: { a: { file: 'a' }, again: { file: 'a', space: 'other' }, b: { file: 'b', space: 'other' } },
    tasks: ['store a 0', 'store again 0', 'load b 0', 'fork', 'proc maps'],
  },
  {
    ...SHARED,
    name: 'dax-both-store',
    about:
      'both files of a shared block are stored to: each is on a block of its own, and a crash changes nothing',
    from: 'generic/140; DX1 of volume/dax-file.ts',
    volume: DAX,
    tasks: ['store a 0', 'store b 0', 'fork', 'proc cmdline'],
  },
  {
    ...SHARED,
    name: 'dax-store-load',
    about: 'a page is loaded while its block is copied: it shows the old one, and then the new one',
    from: 'generic/413, generic/428; stale loads through entries of the old block',
    volume: DAX,
    tasks: ['store a 0', 'load a 0', 'load b 0', 'fork', 'proc maps'],
  },
  {
    name: 'dax-clone-store',
    about:
      'a file is stored to while it is cloned: the clone has the store, or it doesn’t, and the file has it',
    from: 'generic/671, generic/672',
    volume: DAX,
    files: { a: {}, b: { pages: 0 } },
    mappings: { a: { file: 'a' }, b: { file: 'b', space: 'other' } },
    before: ['store a 0'],
    tasks: ['clone a b', 'store a 0', 'fork', 'proc maps', 'commit'],
  },
  {
    name: 'dax-store-truncate',
    about: 'a file is truncated while a block of it is copied, and what was to be stored to is gone',
    from: 'generic/503, case 28; a truncation against a fault that waits for allocation',
    volume: DAX,
    files: { a: { pages: 2 }, b: { pages: 0 } },
    mappings: { a: { file: 'a', pages: 2 } },
    before: ['clone a b'],
    tasks: ['store a 1', 'truncate a 1', 'fork', 'proc maps'],
    kills: [1],
  },
  {
    name: 'dax-dedupe-store',
    about: 'a file is stored to while it is found to be like another one: the store is in one of them',
    from: 'generic/630, FIDEDUPERANGE against stores through mappings',
    volume: DAX,
    files: { a: {}, b: { pages: 0 } },
    mappings: { a: { file: 'a' }, b: { file: 'b' } },
    before: ['clone a b', 'unshare b'],
    tasks: ['dedupe a b', 'store b 0', 'store a 0', 'fork', 'proc maps'],
  },
  {
    name: 'dax-enospc',
    about: 'two pages share their blocks and one block is left: one store fails, and changes nothing',
    from: 'generic/173; VM_FAULT_SIGBUS from a fault that had to allocate',
    volume: { ...DAX, blocks: 4 },
    files: { a: { pages: 2 }, b: { pages: 0 } },
    mappings: { a: { file: 'a', pages: 2 } },
    before: ['clone a b'],
    tasks: ['store a 0', 'store a 1', 'fork', 'proc maps'],
  },
  {
    ...IN_ORDER,
    name: 'dax-neighbour',
    about: 'a page is stored to that is copied with the one before, whose store had both copied',
    from: 'NB1 of volume/stores-in-order.ts; cowextsize of XFS, xfs_reflink_allocate_cow',
    tasks: ['store a 8', 'store a 9', 'load a 9', 'fork', 'proc maps'],
  },
  {
    ...IN_ORDER,
    name: 'dax-neighbour-truncate',
    about:
      'a file is truncated between two pages that are copied together, and the one that stays gets the store',
    from: 'DC1 of volume/dax-copy.ts; generic/503 with a copy that reaches past the new end',
    tasks: ['store a 8', 'truncate a 9', 'store a 9'],
    kills: [0],
  },
  {
    ...IN_ORDER,
    name: 'dax-neighbour-clone',
    about: 'a file is cloned while two pages are copied together: the clone has the stores, or it doesn’t',
    from: 'DX1 of volume/dax-file.ts; generic/671 with a copy of pages that nobody has asked for',
    tasks: ['store a 8', 'clone a b', 'commit'],
  },
  {
    ...SHARED,
    name: 'dax-eio',
    about:
      'the old block can’t be read: the stores that asked for the copy fail, the old block stands, nothing leaks',
    from: 'generic/279, generic/281; DC2 of volume/dax-copy.ts',
    volume: DAX,
    tasks: ['store a 0', 'store a 0', 'fork', 'proc maps'],
    fails: [{ operation: 'read', times: 1 }],
  },
  {
    ...SHARED,
    name: 'dax-kill',
    about: 'stores are killed while their block is copied: the copy is seen through, and is nobody’s loss',
    from: 'FAULT_FLAG_KILLABLE, with an operation that outlives the fault that asked for it',
    volume: DAX,
    tasks: ['store a 0', 'store a 0', 'clone a b', 'proc maps'],
    kills: [0, 2],
  },
  {
    name: 'dax-prepared',
    about: 'a page that fallocate set aside is stored to: no block is left, and none is needed',
    from: 'generic/371; UNWRITTEN in volume/extents.ts',
    volume: { ...DAX, blocks: 3 },
    files: { a: {} },
    mappings: { a: { file: 'a' } },
    before: ['punch a 0', 'commit', 'allocate a'],
    tasks: ['store a 0', 'store a 0', 'punch a 0', 'fork', 'proc maps'],
  },
  {
    name: 'clone-store',
    about:
      'a mapped and dirty file is cloned over another while both are stored to, their pages in the cache',
    from: 'generic/670, generic/671; xfs_reflink_remap_prep waits for the pages of both',
    volume: CACHED,
    files: { a: {}, b: {} },
    mappings: { a: { file: 'a' }, b: { file: 'b' } },
    before: ['store a 0', 'load b 0'],
    tasks: ['clone a b', 'store a 0', 'store b 0', 'fork', 'proc maps'],
  },
  {
    name: 'sliced-clone',
    about:
      'a file is cloned over another extent by extent: a load sees the old page or the new one, a crash all or nothing',
    from: 'xfs_reflink_remap_range: a transaction for each extent; RP4 of volume/remapping.ts',
    volume: CACHED,
    files: { a: { pages: 3 }, b: { pages: 3 } },
    mappings: { a: { file: 'a', pages: 3 }, b: { file: 'b', pages: 3 } },
    before: ['punch a 1', 'load b 0', 'commit'],
    tasks: ['clone a b', 'load b 2', 'commit'],
    kills: [0],
    slicePages: 1,
  },
  {
    name: 'sliced-clone-longer',
    about:
      'a file is cloned over a shorter one extent by extent: a check in between finds none behind the end',
    from: 'xfs_reflink_remap_extent sets the size with each extent; RP5 of volume/remapping.ts',
    volume: CACHED,
    files: { a: { pages: 5 }, b: {} },
    mappings: { a: { file: 'a', pages: 5 }, b: { file: 'b' } },
    before: ['punch a 1', 'punch a 3', 'load b 0', 'commit'],
    tasks: ['clone a b', 'load b 0', 'commit'],
    kills: [0],
    slicePages: 1,
  },
  {
    name: 'sliced-cut',
    about: 'a file in pieces is cut short extent by extent: nobody is given a page that has gone',
    from: 'xfs_itruncate_extents: a transaction for each extent; RS3 of volume/reshaping.ts',
    volume: CACHED,
    files: { a: { pages: 4 } },
    mappings: { a: { file: 'a', pages: 4 } },
    before: ['punch a 1', 'load a 0', 'load a 3', 'commit'],
    tasks: ['truncate a 0', 'load a 2', 'store a 3', 'commit'],
    kills: [0],
    slicePages: 1,
  },
  {
    name: 'sliced-allocate',
    about:
      'the holes of a file get blocks one by one while a page of one is stored to: nothing of it is promised twice',
    from: 'xfs_alloc_file_space: a transaction for each extent; PA1 of volume/preallocating.ts',
    volume: CACHED,
    files: { a: { pages: 3 } },
    mappings: { a: { file: 'a', pages: 3 } },
    before: ['punch a 0', 'punch a 2', 'commit'],
    tasks: ['allocate a', 'store a 2', 'commit'],
    kills: [0],
    slicePages: 1,
  },
  {
    name: 'sliced-snapshot',
    about:
      'all files are copied, name by name and extent by extent, while one is stored to: a crash leaves a snapshot or none',
    from: 'SN1 of volume/snapshot.ts; a commit between two slices must not make half of them durable',
    volume: CACHED,
    files: { a: {} },
    mappings: { a: { file: 'a' } },
    before: ['store a 0'],
    tasks: ['snapshot', 'store a 0', 'commit'],
    kills: [0],
    slicePages: 1,
  },
  {
    name: 'dedupe-store',
    about: 'two files are found to be alike while both are stored to, their pages in the cache',
    from: 'generic/630; vfs_dedupe_file_range compares under the locks of both',
    volume: CACHED,
    files: { a: {}, b: { pages: 0 } },
    mappings: { a: { file: 'a' }, b: { file: 'b' } },
    before: ['clone a b', 'unshare b'],
    tasks: ['dedupe a b', 'store b 0', 'proc cmdline', 'fork'],
  },
  {
    name: 'unshare-store',
    about: 'a file is given blocks of its own while it is stored to and punched',
    from: 'generic/649; FALLOC_FL_UNSHARE_RANGE is a store of what is there',
    volume: CACHED,
    files: { a: {}, b: { pages: 0 } },
    mappings: { a: { file: 'a' } },
    before: ['clone a b'],
    tasks: ['unshare a', 'store a 0', 'punch a 0', 'proc maps'],
  },
  {
    name: 'cow-enospc',
    about:
      'a page of the cache is written to a new block each time: the store that finds none left fails, none later does',
    from: 'generic/172, generic/173, generic/211',
    volume: { ...CACHED, blocks: 4 },
    files: { a: { pages: 2 }, b: { pages: 0 } },
    mappings: { a: { file: 'a', pages: 2 }, heap: HEAP },
    before: ['clone a b'],
    tasks: ['store a 0', 'store a 1', 'munmap heap', 'proc maps'],
  },
  {
    name: 'cow-eio',
    about:
      'a page can’t be written to its new block: it stays dirty with its promise, the old block stands, the sync tells',
    from: 'generic/265, generic/279; WR2 of volume/writing.ts',
    volume: CACHED,
    files: { a: {}, b: { pages: 0 } },
    mappings: { a: { file: 'a' } },
    before: ['clone a b', 'store a 0'],
    tasks: ['sync a', 'store a 0', 'fork', 'proc maps'],
    fails: [{ operation: 'write', times: 1 }],
  },
]
