/**
 * SEEK_DATA and SEEK_HOLE: where a file holds something. What is stored and not written yet is data; blocks that fallocate set aside are
 * a hole, since they read as zeros; what was lost is data, so that whoever copies the file hears of it. The end is a hole.
 */
import { type Bytes, errno, type PageIndex } from '../base/index.ts'
import type { DaxFile } from './dax-file.ts'
import { UNWRITTEN } from './extents.ts'
import { Failure } from './failure.ts'
import type { VolumeFile } from './volume-file.ts'

/** Part of an edit. ENXIO: at or behind the end, or no data comes any more. */
export function seek(
  file: VolumeFile | DaxFile,
  {
    position,
    what,
    blockSize,
  }: { readonly position: Bytes; readonly what: 'data' | 'hole'; readonly blockSize: Bytes },
): Bytes {
  const { size } = file
  if (position >= size) throw new Failure(errno.ENXIO)
  const end = Math.ceil(size / blockSize)
  const stored = file.opened === 'cached' ? file.stored : []
  let at = Math.floor(position / blockSize)
  for (const { start, stop } of dataRanges(file, stored, at, end)) {
    if (what === 'hole' && start > at) break
    if (what === 'data') return Math.max(position, start * blockSize)
    at = stop
  }
  if (what === 'data') throw new Failure(errno.ENXIO)
  return Math.min(size, Math.max(position, at * blockSize))
}

/** Ranges of pages that hold something, in order; they may touch. */
function* dataRanges(
  file: VolumeFile | DaxFile,
  stored: readonly PageIndex[],
  from: PageIndex,
  end: PageIndex,
): Generator<{ readonly start: PageIndex; readonly stop: PageIndex }> {
  let next = stored.findIndex(index => index >= from)
  if (next === -1) next = stored.length
  function* storedUpTo(stop: PageIndex) {
    for (; next < stored.length && stored[next]! < stop; next++)
      yield { start: stored[next]!, stop: stored[next]! + 1 }
  }
  for (const part of file.node.extents.inside(from, end)) {
    if (part.tag === UNWRITTEN) continue
    yield* storedUpTo(part.start)
    yield { start: part.start, stop: part.end }
    while (next < stored.length && stored[next]! < part.end) next++
  }
  yield* storedUpTo(end)
}
