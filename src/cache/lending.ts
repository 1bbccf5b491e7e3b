/**
 * A read without a copy: the bytes of a range where they lie in the cache, if all of them are there and a read call would begin nothing
 * for them. The caller uses them before anything else of the machine runs: by then the frames may be another page's.
 *
 * Invariants
 *   LN1 What is lent is what a read call would copy at this moment: dirty pages too, and none that is on its way or leaving.
 *   LN2 Nothing is lent of a range of which a page is missing, and nothing has been changed then.
 */
import type { Bytes, Pfn } from '../base/index.ts'
import type { ReadState } from '../memmap/index.ts'
import type { CachedFile } from './cached-file.ts'
import type { PageCache } from './page-cache.ts'
import { noteHits } from './readahead.ts'

/** A range of a file that somebody wants to read. */
export interface Wanted {
  readonly position: Bytes
  readonly length: Bytes
  readonly read: ReadState
}

/** Up to the end of the file, as pieces in order; undefined: a read call is to be made. */
export function lend(cache: PageCache, file: CachedFile, wanted: Wanted): Uint8Array[] | undefined {
  const { position, length, read } = wanted
  const { pageSize } = cache.frames
  const end = Math.min(position + length, file.size)
  if (position >= end) return []
  const first = Math.floor(position / pageSize)
  const last = Math.ceil(end / pageSize)
  if (last - first > cache.slicePages || file.leaves(first, last)) return undefined
  const found: Pfn[] = []
  for (let index = first, frame = 0; index < last; index++) {
    frame = cache.mappable(file.id, index, frame + 1)
    if (frame === 0) return undefined
    found.push(frame)
  }
  for (const frame of found) cache.markAccessed(frame)
  noteHits(read, found.length)
  read.next = last
  return pieces(cache, found, position - first * pageSize, end - position)
}

/** So many bytes of the frames, from `from` on. Frames that follow one another in memory are one piece. */
function pieces({ frames }: PageCache, found: readonly Pfn[], from: Bytes, length: Bytes): Uint8Array[] {
  const all: Uint8Array[] = []
  for (let at = 0, skipped = from, left = length; at < found.length; ) {
    let end = at + 1
    while (end < found.length && frames.follows(found[end - 1]!, found[end]!)) end++
    const { buffer, byteOffset } = frames.bytes(found[at]!)
    const size = Math.min(left, (end - at) * frames.pageSize - skipped)
    all.push(new Uint8Array(buffer, byteOffset + skipped, size))
    left -= size
    skipped = 0
    at = end
  }
  return all
}
