/**
 * The pages of files: which frame holds which page, how they come in, become dirty, go out, and leave.
 *
 *     absent --bring--> LOCKED --endRead--> up to date --setDirty--> DIRTY --writeOut--> WRITEBACK (and clean)
 *                          \--error--> absent    ^                      ^                   |        |
 *                                                |                      '----error----------'        |
 *                                                '--------------------------endWrite-----------------'
 *
 * | who meets whom      | settled by                                                                              |
 * |---------------------|-----------------------------------------------------------------------------------------|
 * | fault, fault        | the first makes the page LOCKED; the second waits for its ticket                          |
 * | fault, truncate     | `invalidation`: no page of the range is brought; a page on its way is detached and dropped |
 * | fault, writeback    | writeback write-protects all entries before it clears DIRTY; stable pages make stores wait |
 * | fault, reclaim      | a pin; reclaim passes over pinned, locked, dirty and written pages                         |
 * | truncate, writeback | truncate waits for pages being written; writeback passes over the range being invalidated  |
 * | truncate, truncate  | one invalidation a file at a time; the second waits for its ticket                         |
 *
 * Owns       the hash, the tickets of pages in flight, the lists of clean and dirty pages
 * Leaves to  the backing where bytes come from; to `mappers` the entries that map a page; to memory/ the LRU lists
 *
 * Invariants   H1 (page-hash.ts), C1 to C3 (cached-file.ts), and
 *   Q1  A LOCKED or WRITEBACK frame has its ticket in `flights`, and no other frame has.
 *   Q2  Pages are one of: LOCKED; or up to date, with DIRTY and WRITEBACK in any combination.
 *   Q3  Past EOF the last page is zero whenever it is read in, written out, or the file grows.
 *   Q4  A page is taken from its file only after no entry maps it.
 */
import {
  assert,
  type Bytes,
  broken,
  errno,
  type FileId,
  type GroupId,
  type Ns,
  NumberMap,
  type PageIndex,
  type Pfn,
  SECOND,
  SLICE_PAGES,
} from '../base/index.ts'
import type { Bio, Io } from '../io/index.ts'
import type { Mappers } from '../memmap/index.ts'
import {
  ACTIVE,
  CACHE,
  DIRTY,
  type Frames,
  LOCKED,
  type Memory,
  READAHEAD,
  REFERENCED,
  UNEVICTABLE,
  UPTODATE,
  WORKINGSET,
  WRITEBACK,
} from '../memory/index.ts'
import { type Fail, fail, type Scheduler, type Ticket, type Wait, wait } from '../sched/index.ts'
import type { Backing } from './backing.ts'
import { CachedFile } from './cached-file.ts'
import { PageHash } from './page-hash.ts'
import { READAHEAD_BYTES, type Window } from './readahead.ts'
import { Workingset } from './workingset.ts'

const BIO_BYTES_MAX: Bytes = 1024 * 1024

export interface CacheSizes {
  /** The most that one bio carries; 1 MiB if left out. */
  readonly bioBytesMax?: Bytes
  /** How far readahead goes; 128 KiB if left out. */
  readonly readAheadBytes?: Bytes
  /** Pages that one attempt of a long call changes at most; SLICE_PAGES if left out. */
  readonly slicePages?: number
}

/** So many bios of a file on their way keep any device busy. */
const BIOS_MAX = 64

/** How long a file whose write failed is left alone by the flusher and by reclaim: dirty_writeback_interval. */
const RETRY_AFTER: Ns = 5 * SECOND

const NO_MAPPERS: Mappers = { unmapPage() {}, writeProtect() {}, unmapRange() {}, nextMapped: () => Infinity }

export class PageCache {
  readonly frames: Frames
  readonly memory: Memory
  readonly scheduler: Scheduler
  readonly files = new Map<FileId, CachedFile>()
  /** The spaces. Set once, by the machine. */
  readonly mappers: Mappers = NO_MAPPERS
  /** Tells writeback that a file has become dirty. Set once, by the machine. */
  readonly onDirty: (file: CachedFile) => void = () => {}
  /** Tells that the device has taken pages. Set once, by the machine. */
  readonly onWritten: (group: GroupId, pages: number) => void = () => {}
  /** Pages dirty or under writeback, over all files. */
  dirtyPages = 0
  /** Pages under writeback, over all files. */
  pagesUnderWriteback = 0
  readonly pagesPerBio: number
  /** How far readahead goes. */
  readonly readAheadPages: number
  /** Pages that one attempt of a long call changes at most. */
  readonly slicePages: number
  private readonly io: Io
  private readonly hash: PageHash
  private readonly workingset: Workingset
  private readonly flights = new NumberMap<Bio>()
  private ids = 0

  constructor(scheduler: Scheduler, memory: Memory, io: Io, sizes: CacheSizes = {}) {
    const { bioBytesMax = BIO_BYTES_MAX, readAheadBytes = READAHEAD_BYTES, slicePages = SLICE_PAGES } = sizes
    this.slicePages = slicePages
    this.scheduler = scheduler
    this.memory = memory
    this.frames = memory.frames
    this.io = io
    this.hash = new PageHash(memory.frames)
    this.workingset = new Workingset(memory.frames.count)
    this.pagesPerBio = Math.max(1, bioBytesMax / this.frames.pageSize)
    this.readAheadPages = Math.max(1, Math.floor(readAheadBytes / this.frames.pageSize))
  }

  add(name: string, size: number, backing: Backing): CachedFile {
    const file = new CachedFile(this, ++this.ids, name, size, backing)
    this.files.set(file.id, file)
    return file
  }

  /** A number for something that has pages but no backing here: shared memory, an anonymous family. */
  newId(): FileId {
    return ++this.ids
  }

  /** Forgets a file that has no page left. */
  forget(file: CachedFile): void {
    this.frames.siblings.destroy(file.clean)
    this.frames.siblings.destroy(file.dirty)
    this.files.delete(file.id)
    this.frames.store?.forget(file.id)
  }

  /** 0: not cached. */
  find(file: FileId, index: PageIndex): Pfn {
    return this.hash.find(file, index)
  }

  /** The frame if it can be mapped now without starting or waiting for anything; else 0. `guess`: the frame that it may be in; 0: none. */
  mappable(file: FileId, index: PageIndex, guess: Pfn = 0): Pfn {
    const frame = this.hash.holds(guess, file, index) ? guess : this.hash.find(file, index)
    return frame !== 0 && (this.frames.flags[frame]! & (UPTODATE | LOCKED | READAHEAD)) === UPTODATE
      ? frame
      : 0
  }

  congested(group: GroupId): boolean {
    return this.io.congested(group)
  }

  /** What to wait for before more of a range of the file is begun: its oldest bio, while more would only stand in a queue. */
  crowded(file: CachedFile): Bio | undefined {
    if (file.bios.size < BIOS_MAX && file.inFlight < file.backing.inFlightBytes) return undefined
    return file.bios.first()
  }

  /** The ticket of a frame in flight. Its bio goes by the waiter's limits too from now on. */
  boost(frame: Pfn, group: GroupId): Ticket {
    const bio = this.flights.get(frame)
    assert(bio !== undefined, `Q1: frame ${frame} is in flight`)
    return this.boostBio(bio, group)
  }

  /** How many wait for a frame in flight. */
  waitersOf(frame: Pfn): number {
    return this.flights.get(frame)!.ticket.waiters.length
  }

  /** The ticket of a bio. It goes by the waiter's limits too from now on. */
  boostBio(bio: Bio, group: GroupId): Ticket {
    this.io.promote(bio, group)
    return bio.ticket
  }

  /**
   * Starts reading page `wanted` and, as far as memory lies free, the window around it. Returns the wait for the wanted
   * page, or the shortage of memory.
   */
  bring(file: CachedFile, wanted: PageIndex, window: Window, group: GroupId): Wait | Fail {
    if (!this.admits(file, wanted)) return fail(errno.ENOMEM)
    const frame = this.memory.allocate(group, CACHE)
    if (typeof frame !== 'number') return frame
    this.insert(file, wanted, frame)
    this.frames.raise(frame, LOCKED)
    if (window.size === 1 && window.start === wanted)
      this.submitted(file, file.backing.read(file, wanted, [frame], group))
    else this.readAhead(file, window, group, wanted)
    return wait(this.flights.get(frame)!.ticket, 'read', frame)
  }

  /** Reads what is absent of a window, and `wanted`, whose frame is already in place, as far as memory lies free. */
  readAhead(file: CachedFile, window: Window, group: GroupId, wanted = -1): void {
    const indexes = this.absentIn(file, window, wanted)
    const frames = this.allocateInRows(wanted === -1 ? indexes.length : indexes.length - 1, group)
    const most = this.pagesFor(group)
    // hot: a list that grows leaves the collector three times as much.
    const run = new Uint32Array(Math.min(most, indexes.length))
    let length = 0
    let taken = 0
    let end = 0
    for (let at = 0; at < indexes.length; at++) {
      const index = indexes[at]!
      let frame: Pfn = 0
      if (index === wanted) frame = this.hash.find(file.id, index)
      else if (taken < frames.length) frame = this.bringAlong(file, index, frames[taken++]!)
      if (frame === 0) continue
      if (length > 0 && (index !== end || length >= most)) {
        this.readRun(file, end, run.subarray(0, length), group)
        length = 0
      }
      if (index === window.mark) this.frames.raise(frame, READAHEAD)
      run[length++] = frame
      end = index + 1
    }
    if (length > 0) this.readRun(file, end, run.subarray(0, length), group)
  }

  /** Starts reading the pages before `end`, which are in `run`, by one bio. */
  private readRun(file: CachedFile, end: PageIndex, run: Uint32Array, group: GroupId): void {
    const frames = new Array<Pfn>(run.length)
    for (let at = 0; at < run.length; at++) frames[at] = run[at]!
    this.submitted(file, file.backing.read(file, end - run.length, frames, group))
  }

  /** The pages of a window that may be brought, and `wanted`, in order. */
  private absentIn(file: CachedFile, { start, size }: Window, wanted: PageIndex): Float64Array {
    const end = Math.min(start + size, file.pages)
    const found = new Float64Array(Math.max(0, end - start) + 1)
    let count = 0
    if (wanted !== -1 && wanted < start) found[count++] = wanted
    for (let index = Math.max(0, start); index < end; index++)
      if (index === wanted || (!file.cachedPages.has(index) && !file.invalidates(index)))
        found[count++] = index
    if (wanted >= end) found[count++] = wanted
    return found.subarray(0, count)
  }

  /**
   * As many free frames, up to `most`, as the limits allow, in order: those of a range lie in rows in memory then, however they
   * came to be free, and a row is one buffer of an I/O. What was freed in order is handed out the other way round.
   */
  private allocateInRows(most: number, group: GroupId): Uint32Array {
    const found = new Uint32Array(most)
    let count = 0
    for (; count < most; count++) {
      const frame = this.memory.tryAllocate(group, CACHE)
      if (frame === 0) break
      found[count] = frame
    }
    return found.subarray(0, count).sort()
  }

  /** Has older pages give way to a window, as far as reclaim goes without waiting; the page `kept`, which is in use now, stays. 0: none is. */
  makeRoom(pages: number, kept: Pfn, group: GroupId): void {
    const { memory } = this
    if (kept !== 0) memory.pin(kept)
    for (let tries = 0; tries < pages; tries++) {
      const over = memory.ledger.wouldExceed(group, pages)
      if (over === 0 && memory.free >= pages) break
      if (memory.pressure(over, group).kind !== 'done') break
    }
    if (kept !== 0) memory.unpin(kept)
  }

  /** Whether the page may get a frame: an MMU of the host may have no room for its bytes. */
  admits(file: CachedFile, index: PageIndex): boolean {
    return this.frames.store?.admit(file.id, index) !== false
  }

  /** Puts a frame into the cache as page `index` of the file. */
  insert(file: CachedFile, index: PageIndex, frame: Pfn): void {
    if (this.hash.find(file.id, index) !== 0) broken(`H1: page ${index} of ${file.name} is cached once`)
    this.frames.owner[frame] = file.id
    this.frames.index[frame] = index
    this.hash.add(frame)
    this.frames.siblings.pushHead(file.clean, frame)
    file.cachedPages.add(index)
    this.enter(file, index, frame)
  }

  /** Takes a page from its file (Q4). A frame that is pinned or in flight lives on, detached, until that is over. */
  remove(file: CachedFile, frame: Pfn): void {
    this.detach(file, frame)
    this.memory.release(frame)
  }

  /** Takes a page from its file and leaves the frame to the caller. */
  detach(file: CachedFile, frame: Pfn): void {
    assert(this.frames.mapped[frame] === 0, 'Q4: a page leaves its file unmapped')
    if (this.frames.has(frame, DIRTY)) this.clean(file, frame)
    this.hash.remove(frame)
    this.frames.siblings.remove(file.clean, frame)
    file.cachedPages.delete(this.frames.index[frame]!)
    this.frames.store?.drop(file.id, this.frames.index[frame]!)
  }

  /** A page that is neither on its way nor pinned goes into a free frame. Entries that map it are the caller's. */
  move(from: Pfn, to: Pfn): void {
    const { siblings } = this.frames
    const file = this.fileOf(from)
    siblings.replace(this.frames.has(from, DIRTY) ? file.dirty : file.clean, from, to)
    this.hash.remove(from)
    this.memory.move(from, to)
    this.hash.add(to)
  }

  /** Reclaim's way out of the cache: the page is remembered, so that its early return is noticed. */
  evict(frame: Pfn): void {
    const file = this.fileOf(frame)
    const index = this.frames.index[frame]!
    this.remove(file, frame)
    this.workingset.evicted(file.id, index)
  }

  /** `group` is charged for the write: who made it dirty, as long as it is. */
  setDirty(file: CachedFile, frame: Pfn, group: GroupId): void {
    if (this.frames.has(frame, DIRTY)) return
    assert(!file.invalidates(this.frames.index[frame]!), 'C2: no page is made dirty while it is taken away')
    this.frames.dirtier[frame] = group
    this.toDirty(file, frame)
  }

  /** mark_page_accessed: a second touch makes an inactive page active. */
  markAccessed(frame: Pfn): void {
    if (!this.frames.has(frame, REFERENCED)) this.frames.raise(frame, REFERENCED)
    else if (!this.frames.has(frame, ACTIVE | UNEVICTABLE)) {
      this.frames.clear(frame, REFERENCED)
      this.memory.activate(frame)
      this.workingset.activated()
    }
  }

  /** Whether a dirty page can go out now: it isn't already going, nor being taken away. */
  canWrite(file: CachedFile, frame: Pfn): boolean {
    return (
      this.frames.has(frame, DIRTY) &&
      !this.frames.has(frame, WRITEBACK) &&
      !file.invalidates(this.frames.index[frame]!)
    )
  }

  /** Whether it can go out without anybody's asking: so soon after a failed write it would only fail again. */
  mayWrite(file: CachedFile, frame: Pfn): boolean {
    return file.retryAt <= this.scheduler.now() && this.canWrite(file, frame)
  }

  /** Starts writing pages whose canWrite is true, and returns the bios. `indexes` rise; runs of them share a bio. */
  writeOut(file: CachedFile, indexes: readonly PageIndex[]): Bio[] {
    const { dirtier } = this.frames
    const begun: Bio[] = []
    let run: Pfn[] = []
    for (let at = 0; at < indexes.length; at++) {
      const index = indexes[at]!
      const frame = this.hash.find(file.id, index)
      const follows =
        run.length > 0 &&
        index === indexes[at - 1]! + 1 &&
        run.length < this.pagesFor(dirtier[frame]!) &&
        dirtier[run[0]!] === dirtier[frame] &&
        file.backing.isReserved(file, index - 1)
      if (!follows && run.length > 0) {
        begun.push(this.writeRun(file, indexes[at - 1]!, run))
        run = []
      }
      run.push(frame)
    }
    if (run.length > 0) begun.push(this.writeRun(file, indexes.at(-1)!, run))
    return begun
  }

  /** Starts writing the pages up to `last`, which are in `run`, by one bio. */
  private writeRun(file: CachedFile, last: PageIndex, run: readonly Pfn[]): Bio {
    const first = last + 1 - run.length
    this.mappers.writeProtect(file.id, first, run)
    for (let at = 0; at < run.length; at++) this.beginWrite(file, first + at, run[at]!)
    return this.submitted(file, file.backing.write(file, first, run, this.frames.dirtier[run[0]!]!))
  }

  /** The end of a bio of ours. */
  endBio(bio: Bio): void {
    const file = this.files.get(bio.file)
    if (file?.bios.delete(bio.id)) file.inFlight -= bio.length
    if (bio.purpose === 'operation') {
      file?.backing.endOperation(bio)
      // A flush is everybody's: the device may have lost what any opening wrote.
      if (bio.operation === 'flush' && bio.errno !== errno.OK) file?.failedWriteback(bio.errno, file.retryAt)
      return
    }
    for (let at = 0; at < bio.frames.length; at++) {
      const frame = bio.frames[at]!
      this.flights.delete(frame)
      const attached =
        this.frames.kind[frame] === CACHE &&
        this.frames.owner[frame] === bio.file &&
        this.frames.index[frame] === bio.index + at
      if (bio.purpose === 'fill') this.endRead(attached ? file : undefined, frame, bio)
      else this.endWrite(attached ? file : undefined, frame, bio)
    }
    if (bio.purpose === 'writeback') {
      if (bio.errno !== errno.OK) file?.failedWriteback(bio.errno, this.scheduler.now() + RETRY_AFTER)
      else {
        if (file !== undefined) file.retryAt = 0
        this.onWritten(bio.group, bio.frames.length)
      }
    } else if (file !== undefined) {
      file.readAlone = bio.errno !== errno.OK
      // Which of several pages is bad isn't known: each is read alone by whoever wants it, and tells its own error.
      if (bio.frames.length > 1) bio.errno = errno.OK
    }
  }

  fileOf(frame: Pfn): CachedFile {
    return this.files.get(this.frames.owner[frame]!)!
  }

  /** Zeroes what the last page holds past EOF (Q3). */
  zeroTail(file: CachedFile, index: PageIndex, frame: Pfn): void {
    const { pageSize } = this.frames
    const inside = file.size - index * pageSize
    if (inside < pageSize) this.frames.bytes(frame).fill(0, Math.max(0, inside))
  }

  /** The file becomes at least so long. */
  extend(file: CachedFile, size: Bytes): void {
    if (size > file.size) this.resize(file, size)
  }

  /**
   * The file becomes so long. What its last page holds past the end never shows (Q3), the old end or the new one; and if
   * that page has no space for what is now inside, the next store there asks for it (pagecache_isize_extended).
   */
  resize(file: CachedFile, size: Bytes): void {
    // A page that begins where the file ended is zero as a whole: nobody can have stored to it.
    const endsAtPage = size > file.size && file.size % this.frames.pageSize === 0
    file.size = Math.min(file.size, size)
    const last = Math.floor(file.size / this.frames.pageSize)
    const frame = this.hash.find(file.id, last)
    if (!endsAtPage && frame !== 0 && this.frames.has(frame, UPTODATE)) this.zeroTail(file, last, frame)
    file.size = size
    if (frame !== 0 && !file.backing.isReserved(file, last)) this.mappers.writeProtect(file.id, last, [frame])
  }

  /** The pages that one bio of a group carries at most. */
  private pagesFor(group: GroupId): number {
    const most = this.io.bytesMax(group)
    return most === Infinity
      ? this.pagesPerBio
      : Math.min(this.pagesPerBio, Math.ceil(most / this.frames.pageSize))
  }

  /** Puts the frame in place for a page that is about to be read; gives it back, and returns 0, if the page may have none. */
  private bringAlong(file: CachedFile, index: PageIndex, frame: Pfn): Pfn {
    if (!this.admits(file, index)) {
      this.memory.release(frame)
      return 0
    }
    this.insert(file, index, frame)
    this.frames.raise(frame, LOCKED)
    return frame
  }

  private submitted(file: CachedFile, bio: Bio): Bio {
    file.bios.set(bio.id, bio)
    file.inFlight += bio.length
    for (let at = 0; at < bio.frames.length; at++) this.flights.set(bio.frames[at]!, bio)
    return bio
  }

  /** Onto an LRU list: the active one, if the page was evicted from the working set. */
  private enter(file: CachedFile, index: PageIndex, frame: Pfn): void {
    const distance = this.workingset.refaultDistance(file.id, index)
    if (distance !== Infinity) this.refaulted(frame, distance)
    this.memory.enterLru(frame)
  }

  private refaulted(frame: Pfn, distance: number): void {
    const group = this.frames.group[frame]!
    this.memory.ledger.stat(group).refault++
    if (distance > this.inUse(group)) return
    this.frames.raise(frame, ACTIVE | WORKINGSET)
    this.workingset.activated()
  }

  private inUse(group: GroupId): number {
    const { lru } = this.frames
    return (
      lru.size(this.memory.lruList(group, 'active file')) +
      lru.size(this.memory.lruList(group, 'active anon')) +
      lru.size(this.memory.lruList(group, 'inactive anon'))
    )
  }

  private endRead(file: CachedFile | undefined, frame: Pfn, bio: Bio): void {
    this.memory.land(frame)
    this.frames.clear(frame, LOCKED)
    if (file === undefined) this.memory.freeIfUnused(frame)
    else if (bio.errno !== errno.OK) this.remove(file, frame)
    else {
      this.zeroTail(file, this.frames.index[frame]!, frame)
      this.frames.raise(frame, UPTODATE)
    }
  }

  private beginWrite(file: CachedFile, index: PageIndex, frame: Pfn): void {
    this.zeroTail(file, index, frame)
    this.frames.clear(frame, DIRTY)
    this.frames.raise(frame, WRITEBACK)
    this.leaveDirty(file, frame)
    file.underWriteback++
    this.pagesUnderWriteback++
    this.memory.ledger.stat(this.frames.group[frame]!).writeback++
  }

  private endWrite(file: CachedFile | undefined, frame: Pfn, bio: Bio): void {
    this.memory.land(frame)
    this.frames.clear(frame, WRITEBACK)
    this.pagesUnderWriteback--
    this.memory.ledger.stat(this.frames.group[frame]!).writeback--
    const owner = this.files.get(bio.file)
    if (owner !== undefined) owner.underWriteback--
    if (!this.frames.has(frame, DIRTY)) this.countDirty(frame, -1)
    if (file === undefined) {
      this.memory.freeIfUnused(frame)
      return
    }
    // What could not be written stays dirty: a store is never silently lost, not even in a range that is being taken
    // away, since a truncation may fail, or keep part of the page. The error is told at the next sync.
    if (bio.errno !== errno.OK && !this.frames.has(frame, DIRTY)) this.toDirty(file, frame)
    else if (this.frames.siblings.size(file.dirty) === 0) file.dirtiedAt = Infinity
  }

  private toDirty(file: CachedFile, frame: Pfn): void {
    this.frames.raise(frame, DIRTY)
    this.frames.siblings.remove(file.clean, frame)
    this.frames.siblings.pushTail(file.dirty, frame)
    file.dirtyPages.add(this.frames.index[frame]!)
    if (!this.frames.has(frame, WRITEBACK)) this.countDirty(frame, 1)
    if (file.dirtiedAt === Infinity) file.dirtiedAt = this.scheduler.now()
    this.onDirty(file)
  }

  /** The page is dropped, or is dirty no more. */
  private clean(file: CachedFile, frame: Pfn): void {
    this.frames.clear(frame, DIRTY)
    this.leaveDirty(file, frame)
    if (!this.frames.has(frame, WRITEBACK)) this.countDirty(frame, -1)
    if (this.frames.siblings.size(file.dirty) === 0) file.dirtiedAt = Infinity
  }

  private leaveDirty(file: CachedFile, frame: Pfn): void {
    this.frames.siblings.remove(file.dirty, frame)
    this.frames.siblings.pushHead(file.clean, frame)
    file.dirtyPages.delete(this.frames.index[frame]!)
  }

  private countDirty(frame: Pfn, change: 1 | -1): void {
    this.dirtyPages += change
    this.memory.ledger.stat(this.frames.group[frame]!).dirty += change
  }
}
