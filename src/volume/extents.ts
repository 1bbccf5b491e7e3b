/**
 * Where the pages of a file lie: its extents, and the checksums of the blocks behind them. Every change is part of an
 * edit and keeps the references of blocks right.
 *
 *     tag         reads as                 block may be shared    checksums
 *     WRITTEN     its data                 yes                    yes: a page is written to new blocks each time
 *     PLAIN       its data                 yes                    no: stored to in place, by DAX
 *     UNWRITTEN   zeros (fallocate)        no                     no
 *     LOST        not at all: EIO          it has none            no: what was there couldn't be mended
 *     no extent   zeros (a hole)
 *
 * Invariants
 *   E1  A block of an extent is referenced once for each extent that has it (VS4, space.ts).
 *   E2  A WRITTEN block has a checksum, of the whole block.
 *   E3  `blocks` of the inode are those that its extents have.
 */
import { verify } from './failure.ts'
import { withBlocks } from './inode.ts'
import type { Overlay } from './overlay.ts'
import { CHUNK_BLOCKS, chunkKey, hex, inodeKey, putU64, u64, viewOf } from './records.ts'
import { type Run, RunTable } from './runs.ts'
import type { Blocks, Space } from './space.ts'

export const WRITTEN = 0
export const UNWRITTEN = 1
export const PLAIN = 2
export const LOST = 3

export class Extents {
  private readonly overlay: Overlay
  private readonly space: Space
  private readonly table: RunTable
  private readonly ino: number
  /** hot: pages in a row are asked about one after the other, and lie in one extent or one hole. */
  private seen:
    | { readonly moment: number; readonly start: number; readonly end: number; readonly run: Run | undefined }
    | undefined

  constructor(overlay: Overlay, space: Space, ino: number) {
    this.overlay = overlay
    this.space = space
    this.ino = ino
    this.table = new RunTable(overlay, `e${hex(ino)}`, 'rising')
  }

  /** The extent that the page lies in; undefined: in a hole. */
  at(index: number): Run | undefined {
    const { moment } = this.overlay
    const { seen } = this
    if (seen?.moment === moment && index >= seen.start && index < seen.end) return seen.run
    const next = this.table.from(index)
    const run = next !== undefined && next.start <= index ? next : undefined
    const end = run?.end ?? next?.start ?? Infinity
    this.seen = { moment, start: run?.start ?? index, end, run }
    return run
  }

  /** The parts of extents in [start, end), in order; `value` is the block of a part's first page. */
  *inside(start: number, end: number): Generator<Run> {
    for (const part of this.table.inside(start, end)) {
      if (part.tag !== LOST) this.space.believeIn(blocksOf(part))
      yield part
    }
  }

  /** The same as they are written down, whether or not such blocks can be. */
  recorded(start: number, end: number): Iterable<Run> {
    return this.table.inside(start, end)
  }

  /** Whether where the page lies is durable. */
  isDurable(index: number): boolean {
    return this.table.isDurable(index)
  }

  /** Lets the pages from `index` on lie in these blocks, each of which is referred to by nobody else yet. */
  place(index: number, blocks: Blocks, tag: number): void {
    this.remove(index, index + blocks.end - blocks.start)
    this.table.add({ start: index, end: index + blocks.end - blocks.start, value: blocks.start, tag })
    this.count(blocks.end - blocks.start)
  }

  /** Changes what the pages of a part are, and leaves them where they are. */
  retag(part: Run, tag: number): void {
    this.table.take(part.start, part.end)
    this.table.add({ ...part, tag })
  }

  /** Lets the pages [start, end), which lie in one run, lie `by` pages further on, where none are. */
  move({ start, end }: Pick<Run, 'start' | 'end'>, by: number): void {
    for (const run of this.table.take(start, end))
      this.table.add({ ...run, start: run.start + by, end: run.end + by })
  }

  /** Whether the pages from `index` on lie in these blocks, one after the other. */
  liesIn(index: number, { start, end }: Blocks): boolean {
    let at = index
    for (const part of this.table.inside(index, index + end - start)) {
      if (part.start !== at || part.tag === LOST || part.value !== start + at - index) return false
      at = part.end
    }
    return at === index + end - start
  }

  /** Lets the pages from `index` on, which lie in as many blocks, lie in these. Whose the blocks are is the caller's matter. */
  relocate(index: number, { start, end }: Blocks): void {
    for (const part of this.table.take(index, index + end - start))
      this.table.add({ ...part, value: start + part.start - index })
  }

  /** Makes a hole. */
  remove(start: number, end: number): void {
    let gone = 0
    for (const run of this.table.take(start, end)) {
      if (run.tag === LOST) continue
      this.space.drop(blocksOf(run))
      gone += run.end - run.start
    }
    this.count(-gone)
  }

  /**
   * Lets [to, to + count) of this file lie where [from, from + count) of `source` does, as far as `most` runs of the two go.
   * Unwritten pages become holes. Returns how many pages of `count` that are.
   */
  shareFrom(source: Extents, from: number, to: number, count: number, most: number): number {
    const pages = Math.min(
      source.reach(from, from + count, most) - from,
      this.reach(to, to + count, most) - to,
    )
    const inside = [...source.inside(from, from + pages)]
    for (const part of inside)
      if (part.tag !== UNWRITTEN && part.tag !== LOST) this.space.share(blocksOf(part))
    this.remove(to, to + pages)
    let more = 0
    for (const part of inside) {
      if (part.tag === UNWRITTEN) continue
      this.table.add({ ...part, start: part.start - from + to, end: part.end - from + to })
      if (part.tag !== LOST) more += part.end - part.start
    }
    this.count(more)
    return pages
  }

  /** Makes a hole of [start, end), as far as about `most` runs go. Returns the page to go on from; Infinity: none is left. */
  removeSome(start: number, end: number, most: number): number {
    const reached = this.reach(start, end, most)
    this.remove(start, reached)
    return reached === end ? Infinity : reached
  }

  /** Up to which page of [start, end) there are `most` runs: of extents, and of shared blocks in them. */
  private reach(start: number, end: number, most: number): number {
    let left = most
    for (const part of this.table.inside(start, end)) {
      if (part.tag !== LOST) {
        const blocks = blocksOf(part)
        for (const run of this.space.sharedIn(blocks))
          if (--left <= 0) return part.start + Math.min(run.end, blocks.end) - blocks.start
      }
      if (--left <= 0) return part.end
    }
    return end
  }

  private count(more: number): void {
    if (more === 0) return
    const key = inodeKey(this.ino)
    this.overlay.put(key, withBlocks(this.overlay.get(key), this.ino, more))
  }

  /** The checksums of blocks in a row; 0: none. */
  sums({ start, end }: Blocks): number[] {
    const sums: number[] = []
    for (let block = start; block < end; ) {
      const chunk = Math.floor(block / CHUNK_BLOCKS)
      const bytes = chunkOf(this.overlay, chunk)
      const view = bytes === undefined ? undefined : viewOf(bytes)
      for (const stop = Math.min(end, (chunk + 1) * CHUNK_BLOCKS); block < stop; block++)
        sums.push(view === undefined ? 0 : u64(view, 8 * (block % CHUNK_BLOCKS)))
    }
    return sums
  }

  /** Sets the checksums of the blocks from `start` on. */
  setSums(start: number, sums: readonly number[]): void {
    for (let done = 0; done < sums.length; ) {
      const chunk = Math.floor((start + done) / CHUNK_BLOCKS)
      const bytes = chunkOf(this.overlay, chunk)?.slice() ?? new Uint8Array(8 * CHUNK_BLOCKS)
      const view = viewOf(bytes)
      let slot = (start + done) % CHUNK_BLOCKS
      while (slot < CHUNK_BLOCKS && done < sums.length) putU64(view, 8 * slot++, sums[done++]!)
      this.overlay.put(chunkKey(chunk), bytes)
    }
  }
}

export function blocksOf(part: Run): Blocks {
  return { start: part.value, end: part.value + part.end - part.start }
}

/** The checksums of CHUNK_BLOCKS blocks, if some of them have any. */
export function chunkOf(overlay: Overlay, chunk: number): Uint8Array | undefined {
  const bytes = overlay.get(chunkKey(chunk))
  const length = bytes?.length ?? 8 * CHUNK_BLOCKS
  verify(
    length === 8 * CHUNK_BLOCKS,
    `the checksums of blocks from ${chunk * CHUNK_BLOCKS} on are ${length} bytes long`,
  )
  return bytes
}
