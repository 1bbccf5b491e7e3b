/**
 * The frame table: what is known about each physical page, one column a fact. There are no frame objects; a frame is
 * its number (pfn), and 0 is the zero page, which is never handed out, written or freed.
 *
 *   column     type         meaning
 *   kind       Uint8Array   FREE, ANON, CACHE, or DETACHED: taken from its file while somebody still used it
 *   flags      Uint16Array  the bits below
 *   pins       Uint16Array  stashes and sections that keep it from reclaim
 *   mapped     Int32Array   page-table entries that map it
 *   owner      Int32Array   CACHE: the file; ANON: the anonymous family
 *   index      Float64Array page index within the owner
 *   group      Uint16Array  who is charged, 0: nobody
 *   dirtier    Uint16Array  CACHE, dirty or on its way to the device: who made it dirty, and pays for its write
 *   lru        2 x Int32    its place on a group's LRU list, or on the list of free frames
 *   siblings   2 x Int32    its place on its file's list of clean or of dirty pages
 *
 * 41 bytes a frame; the cache adds 12 (its hash and its memory of evicted pages). docs/ARCHITECTURE.md has the sum.
 *
 * Life     FREE --allocate--> ANON | CACHE --detach--> DETACHED --last user leaves--> FREE
 *
 * Invariants
 *   F1  A FREE frame has no flag, no pin, no mapping and no charge.
 *   F2  WRITEBACK and LOCKED frames belong to a bio; they are never freed, only detached.
 *   F3  A pinned frame is never freed, so a stash is never reclaimed.
 */
import { type Bytes, type FileId, IndexLists, type PageIndex, type Pfn } from '../base/index.ts'

export const FREE = 0
export const ANON = 1
export const CACHE = 2
export const DETACHED = 3
/** Its bytes are a device's: it holds what lies there, and is never handed out. */
export const DEVICE = 4

/** Its content is what the file says. */
export const UPTODATE = 1 << 0
/** A bio is bringing it (PG_locked in Linux, for this purpose only). */
export const LOCKED = 1 << 1
export const DIRTY = 1 << 2
export const WRITEBACK = 1 << 3
export const REFERENCED = 1 << 4
export const ACTIVE = 1 << 5
/** Touching it starts the next readahead. */
export const READAHEAD = 1 << 6
/** Some VMA locks it in memory: it is on no list that reclaim looks at. */
export const UNEVICTABLE = 1 << 7
/** It was active when it was last evicted, or came back soon (PG_workingset). */
export const WORKINGSET = 1 << 8
/** It is on an LRU list. */
export const ON_LRU = 1 << 9
/** That list is its group's list of pages in flight: reclaim looks there for what to wait for, and nowhere else. */
export const IN_FLIGHT = 1 << 10
/** An anonymous page that nobody needs any more (MADV_FREE): reclaim drops it, unless it is stored to before that. */
export const LAZYFREE = 1 << 11

/** Where the bytes of files' pages lie, if not in the buffer of the frames: the hardware MMU keeps them file by file. */
export interface PageStore {
  /** A page is to get a frame: prepares its memory. Returns whether the host has any. */
  admit(file: FileId, index: PageIndex): boolean
  /** The memory of a page that has a frame. */
  bytes(file: FileId, index: PageIndex): Uint8Array
  /** The page has left its file. Its memory may be given back, and is zero when the page comes again. */
  drop(file: FileId, index: PageIndex): void
  /** The file has ended, and has no page. */
  forget(file: FileId): void
}

export class Frames {
  readonly count: number
  readonly pageSize: Bytes
  readonly kind: Uint8Array
  readonly flags: Uint16Array
  readonly pins: Uint16Array
  readonly mapped: Int32Array
  readonly owner: Int32Array
  readonly index: Float64Array
  readonly group: Uint16Array
  readonly dirtier: Uint16Array
  readonly lru: IndexLists
  readonly siblings: IndexLists
  readonly data: Uint8Array
  readonly words: DataView
  readonly store: PageStore | undefined

  /** `buffer` holds the content of all frames, frame 0 first; `count` of them. With a `store` it holds frame 0 alone. */
  constructor(buffer: ArrayBuffer, count: number, pageSize: Bytes, store?: PageStore) {
    this.count = count
    this.pageSize = pageSize
    this.kind = new Uint8Array(count)
    this.flags = new Uint16Array(count)
    this.pins = new Uint16Array(count)
    this.mapped = new Int32Array(count)
    this.owner = new Int32Array(count)
    this.index = new Float64Array(count)
    this.group = new Uint16Array(count)
    this.dirtier = new Uint16Array(count)
    this.lru = new IndexLists(count)
    this.siblings = new IndexLists(count)
    this.data = new Uint8Array(buffer)
    this.words = new DataView(buffer)
    this.store = store
  }

  bytes(frame: Pfn): Uint8Array {
    if (this.store !== undefined && frame !== 0)
      return this.store.bytes(this.owner[frame]!, this.index[frame]!)
    const { buffer, byteOffset } = this.data
    return new Uint8Array(buffer, byteOffset + frame * this.pageSize, this.pageSize)
  }

  /** Whether the memory of `next` begins where that of `frame` ends. */
  follows(frame: Pfn, next: Pfn): boolean {
    if (this.store === undefined) return next === frame + 1
    const [one, other] = [this.bytes(frame), this.bytes(next)]
    return one.buffer === other.buffer && one.byteOffset + one.length === other.byteOffset
  }

  /** Copies bytes into a frame, from `offset` on. */
  put(frame: Pfn, offset: Bytes, bytes: Uint8Array): void {
    // hot: a view of each page would be garbage at once
    if (this.store === undefined) this.data.set(bytes, frame * this.pageSize + offset)
    else this.bytes(frame).set(bytes, offset)
  }

  /** Makes all of a frame zero. */
  zero(frame: Pfn): void {
    const from = frame * this.pageSize
    if (this.store === undefined) this.data.fill(0, from, from + this.pageSize)
    else this.bytes(frame).fill(0)
  }

  /** All that is known of a frame, and its bytes, is known of another one too. Lists are the caller's. */
  copy(from: Pfn, to: Pfn): void {
    this.kind[to] = this.kind[from]!
    this.flags[to] = this.flags[from]!
    this.mapped[to] = this.mapped[from]!
    this.owner[to] = this.owner[from]!
    this.index[to] = this.index[from]!
    this.group[to] = this.group[from]!
    this.dirtier[to] = this.dirtier[from]!
    this.data.copyWithin(to * this.pageSize, from * this.pageSize, (from + 1) * this.pageSize)
  }

  /** Nothing is known of a frame any more (F1). */
  empty(frame: Pfn): void {
    this.kind[frame] = FREE
    this.flags[frame] = 0
    this.mapped[frame] = 0
    this.owner[frame] = 0
    this.index[frame] = 0
    this.group[frame] = 0
    this.dirtier[frame] = 0
  }

  has(frame: Pfn, flag: number): boolean {
    return (this.flags[frame]! & flag) !== 0
  }

  raise(frame: Pfn, flag: number): void {
    this.flags[frame]! |= flag
  }

  clear(frame: Pfn, flag: number): void {
    this.flags[frame]! &= ~flag
  }
}
