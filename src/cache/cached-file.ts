/**
 * A file with pages in the cache (struct address_space): its size, its clean and dirty pages, what is being taken away
 * from it, and the errors of its writeback. Plain data with the face of a Mappable.
 *
 * Invariants
 *   C1  A CACHE frame of the file is on `clean` or on `dirty`, by its DIRTY flag; `dirtyPages` are the indexes of `dirty`.
 *   C4  `cachedPages` are the indexes of all frames of the file.
 *   C2  While `invalidation` is set no page of its range is brought, and none is made dirty.
 *   C3  Each writeback error raises `errorCount`, and each open file tells it once, at its next sync (errseq_t).
 */
import {
  type Bytes,
  type Errno,
  type FileId,
  type GroupId,
  IndexSet,
  type Ns,
  NumberMap,
  type PageIndex,
  type Pfn,
} from '../base/index.ts'
import type { Bio } from '../io/index.ts'
import type { Mappable, PageRequest } from '../memmap/index.ts'
import type { Outcome, Ticket } from '../sched/index.ts'
import type { Backing } from './backing.ts'
import { filemapFault, filemapMkwrite } from './filemap.ts'
import type { PageCache } from './page-cache.ts'

/** Pages [start, end) are being taken away; the ticket completes when they are gone or stay. */
export interface Invalidation {
  readonly start: PageIndex
  readonly end: PageIndex
  readonly ticket: Ticket
}

export class CachedFile implements Mappable {
  readonly id: FileId
  readonly name: string
  readonly backing: Backing
  readonly clean: number
  readonly dirty: number
  /** The pages that it has in the cache, and those on `dirty`, in order of index. */
  readonly cachedPages = new IndexSet()
  readonly dirtyPages = new IndexSet()
  /** Its reads and writes of pages that are on their way, first begun first. */
  readonly bios = new NumberMap<Bio>()
  /** Their bytes. */
  inFlight: Bytes = 0
  /** Where the flusher goes on (writeback_index). */
  flushedTo: PageIndex = 0
  /** When the flusher last began at the first page. */
  flushingSince: Ns = 0
  size: Bytes
  invalidation: Invalidation | undefined
  /** The pages of `invalidation` are leaving, some at a time: none of them is given to anybody any more. */
  dropping = false
  /** When its oldest dirty page became dirty; Infinity: none is. */
  dirtiedAt: Ns = Infinity
  /** Pages being written. */
  underWriteback = 0
  errorCount = 0
  /** Its last write failed: before this moment only a sync tries another. */
  retryAt: Ns = 0
  lastError: Errno = 0
  /** A read of several pages failed: read them one by one until one has succeeded, to find the bad one. */
  readAlone = false
  private readonly cache: PageCache

  constructor(cache: PageCache, id: FileId, name: string, size: Bytes, backing: Backing) {
    this.cache = cache
    this.id = id
    this.name = name
    this.size = size
    this.backing = backing
    this.clean = cache.frames.siblings.create()
    this.dirty = cache.frames.siblings.create()
  }

  get readOnly(): boolean {
    return this.backing.readOnly
  }

  get pages(): number {
    return Math.ceil(this.size / this.cache.frames.pageSize)
  }

  fault(request: PageRequest): Outcome {
    return filemapFault(this.cache, this, request)
  }

  pageMkwrite(request: PageRequest): Outcome {
    return filemapMkwrite(this.cache, this, request)
  }

  setDirty(frame: Pfn, group: GroupId): void {
    this.cache.setDirty(this, frame, group)
  }

  residentPage(index: PageIndex): Pfn {
    return index < this.pages && !this.isLeaving(index) ? this.cache.mappable(this.id, index) : 0
  }

  invalidates(index: PageIndex): boolean {
    return (
      this.invalidation !== undefined && index >= this.invalidation.start && index < this.invalidation.end
    )
  }

  isLeaving(index: PageIndex): boolean {
    return this.dropping && this.invalidates(index)
  }

  /** Whether a page of [start, end) is leaving. */
  leaves(start: PageIndex, end: PageIndex): boolean {
    const { invalidation } = this
    return this.dropping && invalidation !== undefined && invalidation.start < end && start < invalidation.end
  }

  /** The first bio on its way that carries pages of [start, end). */
  bioIn(start: PageIndex, end: PageIndex): Bio | undefined {
    return this.bios.values().find(({ index, frames }) => index < end && index + frames.length > start)
  }

  failedWriteback(error: Errno, retryAt: Ns): void {
    this.retryAt = retryAt
    this.errorCount++
    this.lastError = error
  }
}
