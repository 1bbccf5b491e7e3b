/**
 * Finds the frame of (file, index): one hash over all files, chained through a column of the frame table.
 *
 *     buckets[hash(file, index)] -> frame -> next[frame] -> ... -> 0          at most 8 bytes a frame
 *
 * One table for all files costs the same for a page of a sparse terabyte as for one of a small file.
 *
 * Invariants
 *   H1  A CACHE frame is in the chain of its (owner, index), once; no two frames there have the same.
 */
import type { FileId, PageIndex, Pfn } from '../base/index.ts'
import { CACHE, type Frames } from '../memory/index.ts'

export class PageHash {
  private readonly frames: Frames
  private readonly buckets: Int32Array
  private readonly next: Int32Array
  private readonly mask: number

  constructor(frames: Frames) {
    this.frames = frames
    const size = 2 ** Math.floor(Math.log2(Math.max(16, frames.count)))
    this.buckets = new Int32Array(size)
    this.next = new Int32Array(frames.count)
    this.mask = size - 1
  }

  /** 0: not cached. */
  find(file: FileId, index: PageIndex): Pfn {
    const { owner, index: indexes } = this.frames
    let frame = this.buckets[this.bucket(file, index)]!
    while (frame !== 0 && (owner[frame] !== file || indexes[frame] !== index)) frame = this.next[frame]!
    return frame
  }

  /** hot: of a file that was read in a row the next page lies in the next frame, which is sooner seen than found. */
  holds(frame: Pfn, file: FileId, index: PageIndex): boolean {
    const { kind, owner, index: indexes } = this.frames
    return kind[frame] === CACHE && owner[frame] === file && indexes[frame] === index
  }

  /** Adds a frame whose owner and index are set. */
  add(frame: Pfn): void {
    const bucket = this.bucket(this.frames.owner[frame]!, this.frames.index[frame]!)
    this.next[frame] = this.buckets[bucket]!
    this.buckets[bucket] = frame
  }

  remove(frame: Pfn): void {
    const bucket = this.bucket(this.frames.owner[frame]!, this.frames.index[frame]!)
    if (this.buckets[bucket] === frame) this.buckets[bucket] = this.next[frame]!
    else {
      let before = this.buckets[bucket]!
      while (this.next[before] !== frame) before = this.next[before]!
      this.next[before] = this.next[frame]!
    }
    this.next[frame] = 0
  }

  private bucket(file: FileId, index: PageIndex): number {
    let hash = Math.imul(index, 0x9e3779b1) ^ Math.imul(file, 0x85ebca6b)
    hash ^= hash >>> 15
    return (Math.imul(hash, 0x2c1b3c6d) >>> 7) & this.mask
  }
}
