/**
 * Taking the pages of a range of a file out of the cache, in slices: the entries that map them first, then the pages.
 *
 * From the first slice on nobody is given a page of the range (`dropping`): who misses one waits for the claim that stands on
 * it. So whoever has seen the range without one of its pages sees none of the others either.
 */
import type { FileId, PageIndex, PageRange, Slice } from '../base/index.ts'
import type { Mappers } from '../memmap/index.ts'
import type { CachedFile } from './cached-file.ts'
import type { PageCache } from './page-cache.ts'

/** A slice unmaps in so many steps at most. */
const UNMAPPINGS_A_SLICE = 8

/** Entries before the one and pages before the other are gone; `dropped` is Infinity when all are. */
export interface Dropping {
  unmapped: PageIndex
  dropped: PageIndex
}

export function newDropping(): Dropping {
  return { unmapped: 0, dropped: 0 }
}

/** Drops what one slice allows. Whoever ends the claim ends `dropping` with it. */
export function dropSome(
  cache: PageCache,
  file: CachedFile,
  { start, end }: PageRange,
  which: 'shared pages' | 'with private copies',
  at: Dropping,
): void {
  const { mappers, slicePages } = cache
  file.dropping = true
  const slice = { left: slicePages }
  const mapped = { start: Math.max(start, at.unmapped), end }
  at.unmapped = unmapSome(mappers, file.id, mapped, which, slice)
  if (slice.left <= 0) return
  const indexes = file.cachedPages.take(Math.max(start, at.dropped), end, slice.left)
  for (const index of indexes) cache.remove(file, cache.find(file.id, index))
  at.dropped = indexes.length < slice.left ? Infinity : indexes.at(-1)! + 1
}

/** Takes entries of a range away, as far as a slice goes. Returns the page to go on from; Infinity: none is left. */
export function unmapSome(
  mappers: Mappers,
  file: FileId,
  { start, end }: PageRange,
  which: 'shared pages' | 'with private copies',
  slice: Slice,
): PageIndex {
  const cost = slice.left / UNMAPPINGS_A_SLICE
  let at = start
  for (; slice.left > 0; slice.left -= cost) {
    const from = mappers.nextMapped(file, at)
    if (from >= end) return Infinity
    at = Math.min(end, from + Math.ceil(cost))
    mappers.unmapRange(file, from, at, which)
  }
  return at
}
