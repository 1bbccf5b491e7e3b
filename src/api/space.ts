/** An address space, and what is mapped in it: what sections load and store through, and what can be asked of a range. */
import type { Bytes } from '../base/index.ts'
import type { ProcFile, Status } from '../proc/index.ts'
import type { FileFace } from './file.ts'
import type { ViewFace } from './view.ts'

/** An address space: mappings, who pays for them, and what /proc shows. */
export interface SpaceFace extends AsyncDisposable {
  /** Its number in `ps`. */
  readonly pid: number
  /** As `ps` shows it. */
  readonly name: string
  /**
   * Maps a file. Pages are brought when they are touched.
   *
   * Errors: EACCES (a shared store to a file opened with 'r'), EINVAL, ENOMEM, EFBIG; ENOTSUP for what this MMU can't show.
   * Cost: 4 bytes for each page that is touched; none for the others.
   */
  map(file: FileFace, options?: MapOptions): Promise<MappingFace>
  /** Maps memory: zeros, private to this space and its forks, or shared with them. Errors: as map; ENOTSUP on a hardware machine. */
  mapAnonymous(options: AnonymousOptions): Promise<MappingFace>
  /** A space with the same mappings; private pages are copied when one side stores. Cost: an entry for each mapped page. */
  fork(options?: { readonly name?: string; readonly signal?: AbortSignal }): Promise<SpaceFace>
  /** /proc/<pid>/cmdline, maps or smaps. Waits for the mmap lock as the kernel does. */
  proc(file: ProcFile, options?: { readonly signal?: AbortSignal }): Promise<string>
  /** What needs no lock: sizes and counts. */
  status(): Status
  /** Ends the space: its waiting faults are killed, its mappings go. */
  exit(): Promise<void>
}

/** Which MMU is meant: `auto`, the hardware one where it can be had. */
export type MmuName = 'software' | 'hardware' | 'auto'

/** How a file is mapped. */
export interface MapOptions {
  /** Bytes into the file, a multiple of the page size; 0 if left out. */
  readonly offset?: Bytes
  /** Bytes, or a size like '4 GiB'; to the end of the file if left out. */
  readonly length?: Bytes | string
  /** 'r' if left out; 'rw' for memory. */
  readonly prot?: ProtName
  /** 'shared': stores go to the file, and others see them. 'private': they go to copies of the pages. 'shared' if left out. */
  readonly share?: 'shared' | 'private'
  /** The address to map at, which replaces what is there; wherever there is room if left out. */
  readonly fixed?: Bytes
  /** How it will be read: decides how far readahead goes; 'normal' if left out. */
  readonly advice?: Extract<AdviceName, 'normal' | 'random' | 'sequential'>
  /** Which MMU is to show it; `auto`, whichever the machine has, if left out. */
  readonly mmu?: MmuName
  /** Aborts the call, which then fails with ABORT_ERR; what it began in the machine ends or is undone. */
  readonly signal?: AbortSignal
}

/** Memory has no offset, and must be told how long it is. */
export type AnonymousOptions = Omit<MapOptions, 'offset'> & {
  /** Bytes, or a size like '4 GiB'. */
  readonly length: Bytes | string
}

/** Pages of a file, or of memory, as a section of a program sees them, and what can be asked of their range. */
export interface MappingFace extends AsyncDisposable {
  /** Where it is mapped. */
  readonly space: SpaceFace
  /** What it maps, for messages. */
  readonly name: string
  /** Bytes. */
  readonly length: Bytes
  /** Where it begins in its space, in bytes: the number that /proc shows. */
  readonly address: Bytes
  /**
   * The mapping itself, if the hardware MMU shows it: a touch of a missing page stops the thread until it is there. It has
   * length 0 after `unmap`.
   *
   * Errors: ENOTSUP if the software MMU shows it; EBADF after unmap.
   * Cost: a resident page costs what memory costs; a missing one tens of microseconds and its read.
   */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** For worker threads: posted to one, `attach` makes the same array there. Errors: as bytes. */
  readonly handle: MappingHandle
  /**
   * Calls `section` with a view of the mapping. The section is synchronous and may be called more than once: if a page is
   * missing its stores are undone, the page is brought, and it runs again. What it stores takes effect once; what it does
   * elsewhere (a counter, a log) it does each time. Returns its value, or a promise of it if a page had to be brought. Inside
   * another section it is part of that one, and always returns its value.
   *
   * Errors: EACCES, ENXIO (past the end of the file), EIO, ENOSPC, ENOMEM, EBADF, ABORT_ERR, and what the section throws;
   * a RangeError of the view for an offset outside of the mapping.
   * Cost: when every page is in memory nothing is allocated and nothing is awaited. It is called again at most twice for each
   * page that it touches.
   */
  run<T>(section: (view: ViewFace) => T, options?: RunOptions): T | Promise<T>
  /** Brings pages that sections will need, all at once, and waits until they are there. Offsets and lengths in bytes. */
  prefetch(
    ranges: readonly { readonly offset: Bytes; readonly length: Bytes }[],
    options?: RunOptions,
  ): Promise<void>
  /** Makes what was stored through this range durable. Errors: EIO, ENOSPC: what isn't durable is told, once to each open file. */
  sync(options?: RangeOptions): Promise<void>
  /** Changes what may be done with the range. Errors: EACCES, ENOMEM (a hole in the range). */
  protect(prot: ProtName, options?: RangeOptions): Promise<void>
  /**
   * madvise(2): how the range will be used, or what is to be done with its pages. What it does to the parts before one that it
   * isn't for stays done.
   *
   * Errors: EINVAL for a part that is locked (dontneed, cold, pageout, free), or that is no private memory (free, wipeonfork), or whose
   * pages don't move (collapse: shared memory, files whose pages lie on a device); EAGAIN, ENOMEM: collapse; EACCES: populate-read and
   * populate-write of what may not be loaded from, or stored to.
   */
  advise(advice: AdviceName, options?: RangeOptions): Promise<void>
  /** Brings every page of the range: advise('populate-read'). */
  populate(options?: RangeOptions): Promise<void>
  /** Brings every page of the range and keeps it in memory: mlock(2). Errors: ENOMEM. */
  lock(options?: RangeOptions): Promise<void>
  /** Lets the pages of the range go again when memory is short. */
  unlock(options?: RangeOptions): Promise<void>
  /**
   * mincore(2): for each page of the range 1 if it is in memory, mapped here or in the page cache only, else 0. It is old when
   * it is told.
   *
   * Cost: a look at each page of the range, and a byte.
   */
  resident(options?: RangeOptions): Promise<Uint8Array>
  /**
   * Makes the mapping longer or shorter, as mremap(2) with MREMAP_MAYMOVE: its pages stay, its `address` may change, and sections
   * that are under way go on. What it has past the end of the file fails with ENXIO until the file is as long. Other calls for
   * its range that are under way meanwhile may fail as if a part of it weren't mapped.
   *
   * Errors: EFAULT (a part of it was made different from the rest), ENOMEM, EFBIG, EINVAL; ENOTSUP on a hardware machine.
   * Cost: a step for each page that is mapped, if it moves or gets shorter.
   */
  resize(length: Bytes | string): Promise<void>
  /**
   * mremap(2) in all of its forms: makes the mapping longer or shorter, moves it, or moves its pages and leaves it where it is.
   * Returns the mapping of the pages: this one, or with `old: 'stays mapped'` a new one, while this has nothing in it any more.
   * Nothing is copied, read or written; sections that are under way go on.
   *
   * Errors: as resize, and ENOMEM where there is no room for what must stay; EINVAL for a place that overlaps the old one.
   * Cost: a step for each page that is mapped, if it moves or gets shorter.
   */
  remap(options?: RemapOptions): Promise<MappingFace>
  /** Takes the mapping away. What was stored is in the file, and durable after a sync of the file. */
  unmap(): Promise<void>
  /** The same pages in a space that was forked from this mapping's. */
  inFork(child: SpaceFace): MappingFace
}

/** What a worker thread needs to make the array of a mapping. Plain data that can be posted to threads of this process. */
export interface MappingHandle {
  /** The process that made it. */
  readonly process: number
  /** What is mapped. */
  readonly name: string
  /** The address in this process. */
  readonly host: number
  /** Bytes. */
  readonly length: Bytes
  /** What the threads that hold the array share. */
  readonly control: SharedArrayBuffer
  /** What a thread needs to know that outlives the machine. */
  readonly machine: {
    /** What the machine's threads tell one another. */
    readonly signals: SharedArrayBuffer
    /** Its descriptor. */
    readonly userfaultfd: number
    /** Bytes in a page. */
    readonly pageSize: Bytes
    /** What becomes of a thread that touched a page which can't be had. */
    readonly onError: 'abort' | 'terminate-worker'
    /** The thread that started it, as Node numbers it. */
    readonly starter: number
  }
}

/** What may be done with pages: nothing, load, store, or both. A store that is allowed allows loads, as on real hardware. */
export type ProtName = 'none' | 'r' | 'w' | 'rw'

/**
 * madvise(2): 'normal', 'random' and 'sequential' say how it will be read; 'willneed' begins to bring the range; 'dontneed'
 * lets its pages go; 'populate-read' and 'populate-write' bring all of it and wait.
 *
 * 'free': private pages may be dropped if memory is wanted before they are stored to again. 'cold': its pages are the next
 * that reclaim looks at. 'pageout': its pages are reclaimed now, as far as that needs no waiting. 'dontfork' and 'dofork':
 * whether a fork gets it. 'wipeonfork' and 'keeponfork': whether a fork gets what is in it, or zeros.
 *
 * 'collapse': what is there of the range moves until it lies in a row in memory, or in few, so that a section loads from it without
 * a look-up; EAGAIN if some of it can't be moved now. The pages of a hardware machine lie in a row anyway.
 */
export type AdviceName =
  | 'normal'
  | 'random'
  | 'sequential'
  | 'willneed'
  | 'dontneed'
  | 'populate-read'
  | 'populate-write'
  | 'free'
  | 'cold'
  | 'pageout'
  | 'collapse'
  | 'dontfork'
  | 'dofork'
  | 'wipeonfork'
  | 'keeponfork'

/** What mremap(2) is asked for. */
export interface RemapOptions {
  /** Bytes, or a size like '4 GiB'; as long as it is if left out. */
  readonly length?: Bytes | string
  /** Whether it may go elsewhere if there is no room behind it: MREMAP_MAYMOVE. 'may move' if left out. */
  readonly where?: 'stays' | 'may move'
  /** The address to move to, which replaces what is there: MREMAP_FIXED. */
  readonly fixed?: Bytes
  /** 'stays mapped': only its pages move, and what is touched here later comes anew: MREMAP_DONTUNMAP. 'is unmapped' if left out. */
  readonly old?: 'is unmapped' | 'stays mapped'
}

/** A part of a mapping. */
export interface RangeOptions {
  /** Bytes from the start of the mapping; multiples of the page size. The whole mapping if left out. */
  readonly offset?: Bytes
  /** Bytes; to the end of the mapping if left out. */
  readonly length?: Bytes
  /** Aborts the call, which then fails with ABORT_ERR; what it began in the machine ends or is undone. */
  readonly signal?: AbortSignal
}

/** What can end a section that waits for its pages. */
export interface RunOptions {
  /** Aborts the call, which then fails with ABORT_ERR; what it began in the machine ends or is undone. */
  readonly signal?: AbortSignal
}
