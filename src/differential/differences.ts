/**
 * Where the engine and a kernel may differ: all of it, each with the kernel's line and our reason. docs/differential.md
 * has the same table, and a test holds the two together. What isn't here is a mistake.
 */
import type { Counter, VmaView } from './side.ts'

export interface Difference {
  readonly name: string
  readonly kernel: string
  readonly ours: string
  /** How the comparison goes on after it. */
  readonly follows: string
}

export const DIFFERENCES: readonly Difference[] = [
  {
    name: 'anon_vma',
    kernel:
      'keeps private neighbours apart whose pages came of different stores or forks (mm/vma.c, is_mergeable_anon_vma)',
    ours: 'the pages of a family of spaces have numbers of their own, so neighbours that are alike are one VMA, unless both have private pages and one has been moved',
    follows:
      "alike private neighbours count as one; mremap isn't played on such a range, and entries that one side alone has are taken away",
  },
  {
    name: 'accounting',
    kernel: "keeps apart what counts as promised memory and what doesn't (VM_ACCOUNT)",
    ours: 'a space has no promise to keep: memory is charged when it is touched',
    follows: "everything is mapped with MAP_NORESERVE, under which the kernel doesn't count either",
  },
  {
    name: 'fault-around',
    kernel:
      'maps the neighbours of a page that is missed, whatever the advice (mm/memory.c, should_fault_around)',
    ours: 'random: the page alone; sequential: all that readahead has brought. It is what the advice is for',
    follows: 'in such VMAs each side touches the pages that the other has mapped',
  },
  {
    name: 'failed touch',
    kernel:
      'a touch past the end of a file may map the pages before it, or not (mm/filemap.c, filemap_map_pages)',
    ours: 'maps them',
    follows:
      "entries of a file's pages that one side alone has are taken away after a touch that failed, and after what brought a range past the end",
  },
  {
    name: 'young',
    kernel: "a child's entries begin old (mm/memory.c, __copy_present_ptes); PROT_NONE keeps what was young",
    ours: "a child's entries are as young as its parent's: an old one costs a fault here, and nothing in hardware",
    follows: 'Referenced is compared until the first fork of a story, or its first mprotect to PROT_NONE',
  },
  {
    name: 'flusher',
    kernel: 'writes dirty pages when it likes, and when anybody on the computer calls sync',
    ours: "nothing is written that isn't asked for while no time passes",
    follows: 'if the kernel has fewer dirty pages, both write everything and are compared again',
  },
  {
    name: 'taken',
    kernel:
      'takes pages of files when it likes: memory is short, somebody drops the caches, DAMON pages out what is cold (mm/vmscan.c, fs/drop_caches.c, mm/damon/paddr.c)',
    ours: 'nothing is taken but what a group is short of',
    follows:
      'a story in which only the kernel lacks pages is played again; what comes no more is this, and the end tells how often it was',
  },
  {
    name: 'fsync of btrfs',
    kernel: 'may write the whole file for a msync of a part (fs/btrfs/file.c, btrfs_sync_file)',
    ours: 'writes the part',
    follows: 'as for "flusher"',
  },
  {
    name: 'last page',
    kernel: 'zeroes the end of the last page in memory when the size of a file changes, which makes it dirty',
    ours: 'the file is changed first, and the page in memory follows clean',
    follows: 'both write everything after the size of a file has changed',
  },
  {
    name: 'last page of tmpfs',
    kernel:
      'what is stored past the end of a file stays in the last page until the file is cut: nothing writes it',
    ours: 'it is lost when the page is written, as on every other filesystem',
    follows: 'nothing is stored there on tmpfs',
  },
  {
    name: 'last page of btrfs',
    kernel:
      'what is stored past the end of a file goes when any mapping makes the page writable again (fs/btrfs/file.c, btrfs_page_mkwrite)',
    ours: 'it stays until the page is written, as on ext4 and XFS',
    follows: 'nothing is stored there on btrfs',
  },
  {
    name: 'holes of tmpfs',
    kernel: 'read(2) of a hole makes no page (mm/shmem.c, shmem_file_read_iter)',
    ours: 'makes one, as every other filesystem does',
    follows: "a byte of each page is written back to the kernel's file after a read",
  },
  {
    name: 'dirty on tmpfs',
    kernel:
      'pages of tmpfs and of shared anonymous memory are dirty by how they came, and never become clean',
    ours: 'a file on a tmpfs is a file like others; shared memory is dirty always',
    follows: "for these clean and dirty aren't compared; Rss is",
  },
  {
    name: 'lazy free',
    kernel:
      'MADV_FREE marks pages some at a time, later; and marks in one process what another maps too (mm/swap.c, folio_mark_lazyfree)',
    ours: 'marks at once, and leaves alone what others map',
    follows:
      "LazyFree isn't compared, nor Referenced of private memory after a MADV_FREE; nor are clean and dirty of private memory after a fork and a MADV_FREE",
  },
  {
    name: 'pageout',
    kernel:
      'takes what nobody refers to at that moment, a list of its own among them; unmaps dirty pages of files before it leaves them, and marks them with the flag of readahead (mm/vmscan.c, shrink_folio_list)',
    ours: 'takes clean pages of files and memory that may be dropped, and leaves the others mapped',
    follows:
      "both read and write the files, and entries of a file's pages that one side alone has are taken away; Referenced isn't compared after it; it isn't played after a MADV_FREE, on shared anonymous memory, whose pages of zeros Linux drops, nor where the computer has swap",
  },
  {
    name: 'dontunmap of locked memory',
    kernel:
      'unlocks all of a VMA, when a part of it is moved and stays mapped (mm/mremap.c, dontunmap_complete)',
    ours: 'unlocks the part',
    follows: "it isn't played on locked VMAs",
  },
  {
    name: 'punch',
    kernel: 'each filesystem keeps, drops, unmaps and dirties the pages about a hole in its own way',
    ours: 'whole pages go from memory; pages at its edges are zeroed where they are, if they are dirty',
    follows: 'both read and write the whole file after a punch; bytes are compared',
  },
  {
    name: 'willneed',
    kernel: 'reading goes on after madvise has returned',
    ours: 'so it does',
    follows: 'both read the whole file after it',
  },
]

export const FILESYSTEMS = ['ext4', 'xfs', 'btrfs', 'tmpfs'] as const
export type FilesystemName = (typeof FILESYSTEMS)[number]

/** What the rows let pass of the counters of a VMA. */
export interface Traits {
  ignored(counter: Counter, vma: VmaView): boolean
}

const CLEAN_OR_DIRTY: readonly Counter[] = ['Shared_Clean', 'Shared_Dirty', 'Private_Clean', 'Private_Dirty']

/** What there was in the story so far. */
export interface Past {
  readonly forked: boolean
  readonly freed: boolean
  readonly pagedOut: boolean
  /** By mprotect to PROT_NONE. */
  readonly hidden: boolean
}

export function traitsOf(filesystem: FilesystemName, { forked, freed, pagedOut, hidden }: Past): Traits {
  return {
    ignored: (counter, { name, rights }) =>
      (counter === 'Referenced' &&
        (forked || pagedOut || hidden || rights[0] !== 'r' || (freed && name === ''))) ||
      (CLEAN_OR_DIRTY.includes(counter) &&
        ((name === '' && forked && freed) ||
          name === 'shared memory' ||
          (filesystem === 'tmpfs' && name !== ''))),
  }
}
