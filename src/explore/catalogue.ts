/**
 * The scenarios that come with the lab. Each is small enough to be explored completely under every discipline, and each
 * comes from somewhere: a kernel commit, a measured stall, or a test of xfstests (named as there, generic/173). The small
 * ones come first.
 */
import {
  FILE_DEFAULTS,
  type FileSpec,
  MAPPING_DEFAULTS,
  type MappingSpec,
  SCENARIO_DEFAULTS,
  type Scenario,
} from './scenario.ts'
import { VOLUME_PLANS } from './volume/catalogue.ts'

/** A scenario, without what is as usual. */
export type Plan = Pick<Scenario, 'name' | 'about' | 'from' | 'tasks'> &
  Partial<Omit<Scenario, 'files' | 'mappings'>> & {
    readonly files: Readonly<Record<string, Partial<FileSpec>>>
    readonly mappings: Readonly<Record<string, Partial<MappingSpec>>>
  }

/** A scenario from what it says, and the defaults for what it doesn't. */
export function scenarioOf({ files, mappings, ...plan }: Plan): Scenario {
  return {
    ...SCENARIO_DEFAULTS,
    ...plan,
    files: filled(files, FILE_DEFAULTS),
    mappings: filled(mappings, MAPPING_DEFAULTS),
  }
}

function filled<Spec>(specs: Readonly<Record<string, Partial<Spec>>>, defaults: Spec): Record<string, Spec> {
  return Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, { ...defaults, ...spec }]))
}

const HEAP: Partial<MappingSpec> = { share: 'private' }

const PLANS: readonly Plan[] = [
  {
    name: 'fault-writer-proc',
    about: 'a monitor reads /proc while one task faults and another maps memory elsewhere in the space',
    from: 'Linux 6b4c9f446981 (5.1): ps hangs behind a throttled fault, because a writer queues between them',
    files: { data: {} },
    mappings: { data: { file: 'data' }, heap: HEAP },
    tasks: ['load data 0', 'munmap heap', 'proc cmdline', 'proc maps'],
  },
  {
    name: 'mkwrite-fork-proc',
    about: 'a store waits for writeback, the process forks, and a monitor reads /proc: the stall of 4.0 s',
    from: 'measured on Linux 6.18 with btrfs and blkio: fork holds mmap_lock and waits for the VMA of the store',
    files: { data: { pages: 2, stable: true } },
    mappings: { data: { file: 'data', pages: 2 } },
    before: ['store data 0'],
    tasks: ['sync data', 'store data 0', 'fork', 'proc maps'],
  },
  {
    name: 'fault-munmap',
    about:
      'a mapping is taken away while faults on it wait for the disk, and nobody else should wait for that',
    from: 'Linux d065bd810b6d (2.6.37): munmap behind random reads, 55 times a second instead of 15,000',
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2 } },
    tasks: ['load data 0', 'store data 0', 'store data 1', 'munmap data', 'proc maps'],
  },
  {
    name: 'two-faults',
    about:
      'three faults meet on one page: one reads it, the others wait for that read, and nobody reads it again',
    from: 'generic/340, generic/344',
    files: { data: {} },
    mappings: { data: { file: 'data' }, again: { file: 'data', share: 'private' } },
    tasks: ['load data 0', 'load data 0', 'store data 0', 'store again 0'],
  },
  {
    name: 'fork-cow',
    about: 'parent and child store to the page that they share since the fork, while the parent forks again',
    from: 'do_wp_page and dup_mmap: VMA write locks of fork; CVE-2020-29374',
    files: {},
    mappings: { heap: { ...HEAP, pages: 2 } },
    before: ['store heap 0', 'fork'],
    tasks: ['store heap 0', 'store child/heap 0', 'load heap 1', 'fork', 'exit child'],
  },
  {
    name: 'protect-remap',
    about: 'the mapping becomes read-only, or other memory takes its place, between the drop and the retake',
    from: 'ocfs2_fault, 2026: the VMA used after VM_FAULT_RETRY',
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2 } },
    tasks: ['store data 0', 'load data 1', 'mprotect data read', 'remap data'],
  },
  {
    name: 'mkwrite-writeback',
    about:
      'stores from two spaces meet the writeback of their page, which may not change while it is written',
    from: 'btrfs_page_mkwrite; generic/080, generic/215, generic/614',
    files: { data: { stable: true } },
    mappings: { data: { file: 'data' }, theirs: { file: 'data', space: 'other' } },
    before: ['store data 0', 'load theirs 0'],
    tasks: ['sync data', 'store data 0', 'store theirs 0', 'sync data'],
  },
  {
    name: 'sliced-fork',
    about:
      'fork copies page by page while the parent stores: the child gets each store or none that came after it',
    from: 'copy_page_range gives the processor away with mmap_lock held; FK2 of space/fork.ts',
    files: {},
    mappings: { heap: { ...HEAP, pages: 2 } },
    before: ['store heap 0', 'store heap 1'],
    tasks: ['fork', 'store heap 0', 'store heap 1', 'load heap 0'],
    slicePages: 1,
  },
  {
    name: 'sliced-unmap',
    about: 'a mapping goes page by page, another is emptied so, and faults of both come between',
    from: 'unmap_vmas and zap_page_range give the processor away with mmap_lock held',
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2 }, heap: { ...HEAP, pages: 2 } },
    before: ['load data 0', 'store data 1', 'store heap 0', 'store heap 1'],
    tasks: ['munmap data', 'dontneed heap', 'load data 1', 'store heap 0', 'proc maps'],
    kills: [0],
    slicePages: 1,
  },
  {
    name: 'mremap-fault',
    about: 'a mapping of a file moves while faults of it wait for the device, and a monitor reads /proc',
    from: 'move_vma under mmap_lock: a fault that comes back must find the page gone, or at its new place',
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2 } },
    tasks: ['load data 0', 'store data 1', 'mremap data away', 'load away/data 0', 'proc maps'],
  },
  {
    name: 'mremap-private',
    about: 'memory moves page by page beside stores, a fork that shares its pages, and a store of the child',
    from: 'move_ptes; the numbers of private pages (anon_vma, vm_pgoff) must outlast the move',
    files: {},
    mappings: { heap: { ...HEAP, pages: 2 } },
    before: ['store heap 0', 'store heap 1', 'fork'],
    tasks: ['mremap heap away', 'store away/heap 0', 'store heap 1', 'store child/heap 0'],
    slicePages: 1,
  },
  {
    name: 'mremap-reclaim',
    about: 'private copies of a file’s pages move while memory is reclaimed and one is stored to again',
    from: 'rmap_walk_anon beside move_page_tables: a page that is missed there can’t be reclaimed, or is lost',
    reclaims: true,
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2, share: 'private' } },
    before: ['store data 0'],
    tasks: ['mremap data away', 'reclaim', 'load data 1', 'store away/data 0', 'mremap data shorter'],
    slicePages: 1,
  },
  {
    name: 'sliced-truncate',
    about:
      'pages of a file that shrinks leave one by one: none is given out again, and the size changes with the last',
    from: 'truncate_inode_pages_range; X1 of cache/truncate.ts',
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2 } },
    before: ['store data 0', 'store data 1'],
    tasks: ['truncate data 0', 'load data 1', 'store data 0', 'read data 0'],
    kills: [0],
    slicePages: 1,
  },
  {
    name: 'sliced-sync',
    about: 'a sync passes over the file page by page while stores come behind it and in front of it',
    from: 'write_cache_pages, and its tags against a writer that never ends; SY1 of cache/sync.ts',
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2 } },
    before: ['store data 0', 'store data 1'],
    tasks: ['sync data', 'store data 0', 'store data 1', 'sync data'],
    slicePages: 1,
  },
  {
    name: 'private-truncate',
    about: 'private copies go when the file is truncated and stay when it is punched',
    from: 'unmap_mapping_range with even_cows; generic/438',
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2, share: 'private' }, shared: { file: 'data', pages: 2 } },
    before: ['store data 1'],
    tasks: ['store data 0', 'load shared 1', 'punch data 0', 'truncate data 1'],
  },
  {
    name: 'throttle-munmap',
    about: 'a writer is made to pause for what it dirtied, and the space should not pause with it',
    from: 'Linux 89b15332af7c (5.5): balance_dirty_pages under mmap_sem, mprotect behind it, cmdline behind that',
    pageKiB: 128,
    throttles: true,
    frames: 6,
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2 }, heap: HEAP },
    before: ['store data 1'],
    tasks: ['store data 0', 'munmap heap', 'proc cmdline'],
  },
  {
    name: 'eio-waiters',
    about:
      'a read fails while two faults wait for it: its own fault says EIO, the other reads once more by itself',
    from: 'VM_FAULT_RETRY swallows errors (linux-mm, May 2023); generic/743',
    files: { data: {} },
    mappings: { data: { file: 'data' }, heap: HEAP },
    tasks: ['load data 0', 'store data 0', 'munmap heap', 'proc cmdline'],
    fails: [{ operation: 'read', times: 2 }],
  },
  {
    name: 'populate-reclaim',
    about: 'a range is populated while memory is reclaimed and the range may be unmapped',
    from: 'the livelock of mlockall, 2019: __mm_populate never set TRIED (0b74ae708501)',
    frames: 2,
    reclaims: true,
    files: { data: { pages: 3 } },
    mappings: { data: { file: 'data', pages: 3 } },
    tasks: ['populate data', 'reclaim', 'load data 2', 'munmap data'],
  },
  {
    name: 'fault-eviction',
    about: 'memory is so short that what was just read may be reclaimed before the fault comes back for it',
    from: 'linux-mm, June 2026: all the threads just batter the storage re-reading data',
    frames: 2,
    reclaims: true,
    files: { data: { pages: 3 } },
    mappings: { data: { file: 'data', pages: 3 } },
    tasks: ['load data 0', 'load data 1', 'store data 2', 'reclaim'],
  },
  {
    name: 'fault-truncate',
    about: 'a file shrinks and grows while pages of it are faulted: the page that comes back is a new one',
    from: 'generic/029, generic/030, generic/246',
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2 } },
    tasks: ['load data 1', 'store data 1', 'truncate data 1', 'truncate data 2'],
  },
  {
    name: 'exit-fault',
    about: 'the space ends while faults of it wait for the disk',
    from: 'exit_mmap against a fault that dropped its lock: it holds the file, not the space',
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2 }, theirs: { file: 'data', pages: 2, space: 'other' } },
    before: ['store data 1'],
    tasks: ['load data 0', 'store theirs 0', 'exit', 'sync data', 'proc smaps other'],
  },
  {
    name: 'kill-truncate',
    about: 'a truncation is killed while the device works on it, and the file grows and is stored to again',
    from: 'generic/030 with a signal; X2 and X3 of cache/truncate.ts',
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2 } },
    before: ['load data 1'],
    tasks: ['truncate data 1', 'truncate data 2', 'store data 1', 'sync data'],
    kills: [0],
  },
  {
    name: 'write-call',
    about: 'write(2) makes a file longer and overwrites a page that others store to through a mapping',
    from: 'generic/095, generic/247, generic/647',
    files: { data: { pages: 1, stable: true } },
    mappings: { data: { file: 'data', pages: 2 } },
    before: ['store data 0'],
    tasks: ['write data 0', 'store data 0', 'write data 1', 'load data 1', 'sync data'],
  },
  {
    name: 'mkwrite-enospc',
    about:
      'two pages need a block and one block is left: one store fails, and nothing that succeeded is lost later',
    from: 'generic/173, generic/371; VM_FAULT_SIGBUS from page_mkwrite',
    files: { data: { pages: 2, free: 1 } },
    mappings: { data: { file: 'data', pages: 2 } },
    tasks: ['store data 0', 'store data 1', 'store data 1', 'sync data'],
  },
  {
    name: 'reserve-truncate',
    about:
      'a file shrinks while a page of it is given its block, and grows again: the page is empty, and so is its place',
    from: 'generic/371, generic/246; a reservation that outlives its page',
    files: { data: { pages: 2, free: 2 } },
    mappings: { data: { file: 'data', pages: 2 } },
    tasks: ['store data 1', 'store data 1', 'truncate data 1', 'truncate data 2'],
    kills: [0],
  },
  {
    name: 'sync-eio',
    about: 'writeback fails: the page stays dirty, and each open file tells the error once',
    from: 'generic/441, generic/487',
    files: { data: { pages: 2 } },
    mappings: { data: { file: 'data', pages: 2 } },
    before: ['store data 0', 'store data 1'],
    tasks: ['sync data', 'msync data', 'store data 0', 'munmap data'],
    fails: [{ operation: 'write', times: 2 }],
  },
  {
    name: 'kill-waits',
    about: 'tasks are killed wherever they wait, and whatever they had is given back',
    from: 'FAULT_FLAG_KILLABLE; filemap_fault drops the lock for a fatal signal',
    files: { data: { pages: 2, stable: true } },
    mappings: { data: { file: 'data', pages: 2 } },
    before: ['store data 0', 'load data 1'],
    tasks: ['sync data', 'store data 0', 'munmap data', 'truncate data 1'],
    kills: [1, 2, 3],
  },
  {
    name: 'punch-readahead',
    about: 'a page is punched out while a fault beside it reads ahead over it',
    from: 'Linux 5.15, invalidate_lock: a page refilled from a block that is about to be freed; generic/567',
    files: { data: { pages: 3 } },
    mappings: {
      data: { file: 'data', pages: 3, advice: 'normal' },
      again: { file: 'data', pages: 3, share: 'private' },
    },
    tasks: ['load data 0', 'load again 1', 'store data 1', 'punch data 1'],
  },
]

export const SCENARIOS: readonly Scenario[] = [...PLANS, ...VOLUME_PLANS].map(scenarioOf)
