/**
 * Remembers evicted pages, to tell a page that comes back too soon from one that is simply new (refault detection).
 *
 *     shadow[hash(file, index)] = tag (16 bits) | age at eviction (16 bits)         4 bytes a frame
 *
 * The age counts evictions and activations. When a page is brought back, the ages passed since its eviction are the
 * number of pages that more memory would have had to hold to keep it: if that is no more than the pages now in use, it
 * belongs to the working set and starts out active (Linux 6.12 mm/workingset.c, workingset_refault).
 *
 * The table is direct-mapped and forgets on collision; a wrong tag matches once in 65536. Linux too keeps only some bits
 * of the age, in buckets.
 */
import type { FileId, PageIndex } from '../base/index.ts'

const AGE_MASK = 0xffff

export class Workingset {
  private readonly shadows: Uint32Array
  private readonly bucketOrder: number
  /** hot: how many shadows aren't 0. Most pages are brought where none is. */
  private remembered = 0
  private age = 0

  constructor(frames: number) {
    this.shadows = new Uint32Array(frames)
    this.bucketOrder = Math.max(0, Math.ceil(Math.log2(frames)) - 14)
  }

  evicted(file: FileId, index: PageIndex): void {
    this.age++
    const hash = hashOf(file, index)
    const slot = hash % this.shadows.length
    if (this.shadows[slot] === 0) this.remembered++
    this.shadows[slot] = (tagOf(hash) | this.clock()) >>> 0
  }

  activated(): void {
    this.age++
  }

  /** How many pages came and went since this one was evicted; Infinity: not remembered. It is forgotten then. */
  refaultDistance(file: FileId, index: PageIndex): number {
    if (this.remembered === 0) return Infinity
    const hash = hashOf(file, index)
    const slot = hash % this.shadows.length
    const shadow = this.shadows[slot]!
    if (shadow === 0 || (shadow & ~AGE_MASK) !== tagOf(hash)) return Infinity
    this.shadows[slot] = 0
    this.remembered--
    return ((this.clock() - (shadow & AGE_MASK)) & AGE_MASK) * 2 ** this.bucketOrder
  }

  private clock(): number {
    return (this.age >>> this.bucketOrder) & AGE_MASK
  }
}

function hashOf(file: FileId, index: PageIndex): number {
  let hash = Math.imul(index ^ Math.imul(file, 0x27d4eb2f), 0x165667b1)
  hash ^= hash >>> 16
  return Math.imul(hash, 0x9e3779b1) >>> 0
}

/** In the upper half, and never 0, so that a shadow is never 0. */
function tagOf(hash: number): number {
  return (Math.imul(hash, 0x85ebca6b) & ~AGE_MASK) | 0x10000
}
