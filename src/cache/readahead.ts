/**
 * What to read beside the page that is wanted (Linux 6.12 mm/filemap.c: do_sync_mmap_readahead; mm/readahead.c).
 *
 *   advice       a fault on an absent page reads
 *   random       that page alone
 *   sequential   a window from it on, doubling; the mark in a window starts the next one while this one is still being
 *                used
 *   normal       a window around it, unless faults have long been missing at random
 *
 * How far it goes is the cache's `readAheadPages`. Linux reads so much in one window. Where that is more than
 * READAHEAD_BYTES a reader in order gets smaller windows, several ahead of it, so that the device, the processor and the
 * reader are all at work at once: the largest is a quarter of the way.
 *
 * A group that is being slowed down for another's latency reads what it needs and no more.
 *
 * Units   pages; a window is [start, start + size), its last `asyncSize` pages are marked for the next one.
 */
import type { Bytes, GroupId, PageIndex, Pfn } from '../base/index.ts'
import type { PageRequest, ReadState } from '../memmap/index.ts'
import { READAHEAD } from '../memory/index.ts'
import type { CachedFile } from './cached-file.ts'
import type { PageCache } from './page-cache.ts'

/** VM_READAHEAD_PAGES (linux/mm.h). */
export const READAHEAD_BYTES: Bytes = 128 * 1024
/** Windows that are ahead of a reader in order, where readahead goes far. */
const WINDOWS = 4
/** MMAP_LOTSAMISS, and the cap of the counter (mm/filemap.c). */
const MMAP_LOTSAMISS = 100
const MMAP_MISS_MAX = 10 * MMAP_LOTSAMISS

export interface Window {
  readonly start: PageIndex
  readonly size: number
  /** The page that starts the next window when it is touched; -1: none. */
  readonly mark: PageIndex
}

/** The window for a request of an absent page, by a touch or a call. */
export function windowFor(cache: PageCache, file: CachedFile, request: PageRequest): Window {
  const { index, read, fault, wanted } = request
  if (file.readAlone) return alone(index)
  return wanted > 0
    ? readWindow(cache, file, request, Math.min(wanted, cache.slicePages))
    : faultWindow(cache, index, read, fault.group)
}

function faultWindow(cache: PageCache, index: PageIndex, read: ReadState, group: GroupId): Window {
  const max = cache.readAheadPages
  if (read.advice === 'random' || max === 1 || cache.congested(group)) return alone(index)
  if (read.advice === 'sequential') return sequential(read, index, largestWindow(cache))
  read.mmapMiss = Math.min(read.mmapMiss + 1, MMAP_MISS_MAX)
  if (read.mmapMiss > MMAP_LOTSAMISS) return alone(index)
  return remember(read, Math.max(0, index - (max >>> 1)), max, max >>> 2)
}

/**
 * The window for a read call of [index, index + asked): what is asked for as a range is read as a range, and no more where
 * the call is the first of its kind, unless more is there as soon. It grows while calls go on where the last one ended.
 */
function readWindow(cache: PageCache, file: CachedFile, request: PageRequest, asked: number): Window {
  const { index, read, fault } = request
  if (read.advice === 'random' || cache.congested(fault.group)) return { start: index, size: asked, mark: -1 }
  const goesOn = index === read.next || index === read.start + read.size
  if (index > 0 && !goesOn) return unitsAround(cache, file, index, asked)
  const next = sequential(read, index, largestWindow(cache))
  return next.size >= asked ? next : remember(read, index, asked, index > 0 ? asked : 0)
}

/** The units of the file's backing that the range lies in. */
function unitsAround(cache: PageCache, file: CachedFile, index: PageIndex, asked: number): Window {
  const unit = Math.floor(file.backing.readUnit / cache.frames.pageSize)
  if (unit <= 1) return { start: index, size: asked, mark: -1 }
  const start = index - (index % unit)
  const size = Math.ceil((index + asked) / unit) * unit - start
  return { start, size, mark: -1 }
}

/**
 * A marked page was touched: reads the next window, into memory that it takes from older pages if it must. Without that,
 * a group at its limit would wait for each window: its readers keep it there.
 */
export function asyncReadahead(
  cache: PageCache,
  file: CachedFile,
  index: PageIndex,
  frame: Pfn,
  read: ReadState,
  group: GroupId,
): void {
  cache.frames.clear(frame, READAHEAD)
  if (read.advice === 'random' || cache.congested(group)) return
  const { readAheadPages } = cache
  const largest = largestWindow(cache)
  const end = read.start + read.size
  const follows = index < end && end - index <= readAheadPages + largest
  const start = follows ? end : index + 1
  const size = Math.min(largest, 2 * Math.max(1, read.size))
  // Two windows for one, until the reader is as far behind as it may be.
  const grows = follows && size === largest && end + 2 * size - index <= readAheadPages
  for (let next = start; next < start + (grows ? 2 : 1) * size; next += size) {
    cache.makeRoom(size, frame, group)
    cache.readAhead(file, remember(read, next, size, size), group)
  }
}

/** In pages. */
function largestWindow({ readAheadPages, frames }: PageCache): number {
  const least = Math.min(readAheadPages, Math.ceil(READAHEAD_BYTES / frames.pageSize))
  return Math.max(least, Math.floor(readAheadPages / WINDOWS))
}

export function noteHits(read: ReadState, pages: number): void {
  read.mmapMiss = Math.max(0, read.mmapMiss - pages)
}

function alone(index: PageIndex): Window {
  return { start: index, size: 1, mark: -1 }
}

/** get_init_ra_size and get_next_ra_size, for requests of one page. */
function sequential(read: ReadState, index: PageIndex, max: number): Window {
  const goesOn = index === read.start + read.size && read.size > 0
  const size = goesOn ? Math.min(max, read.size * 2) : Math.min(max, 4)
  return remember(read, index, size, goesOn ? size : Math.max(0, size - 1))
}

function remember(read: ReadState, start: PageIndex, size: number, asyncSize: number): Window {
  read.start = start
  read.size = size
  return { start, size, mark: asyncSize > 0 ? start + size - asyncSize : -1 }
}
