/**
 * What is known of all pages of records at once: so many, with such a sum. It tells whether the pages that were found are those
 * that the last commit left, all of them and no older ones, whatever led to them.
 *
 *     sum      of all pages, in the mark of each page that a commit writes
 *     buckets  sums of BUCKETS parts of them, by high fence: in the root pages, which each commit writes anew
 *
 * A page is known by its high fence and the stamp of the commit that wrote it. Two root pages hold the same record: one before
 * all keys of a volume, one behind them. They aren't counted themselves.
 *
 * Invariants
 *   TA1 A bucket whose sum is right holds the pages that the commit left in it, and no others.
 */
import type { Entry } from '../volume/index.ts'
import { KEYS_END, type Mark, putU64, u64 } from './record-page.ts'

/** The keys of a volume lie from RECORDS_START on and below RECORDS_END. */
export const RECORDS_START = '!'
export const RECORDS_END = '}'
/** As many as a page has room for. */
const BUCKETS = 500
/** A sum of two is exact. */
const MODULUS = 2 ** 50

/** A page of records by its name. */
export interface Stamped {
  readonly high: string
  readonly stamp: number
}

export function isRoot(high: string): boolean {
  return high === RECORDS_START || high === KEYS_END
}

export class Tally {
  pages: number
  sum: number
  private readonly buckets: Float64Array

  constructor(from?: Tally) {
    this.pages = from?.pages ?? 0
    this.sum = from?.sum ?? 0
    this.buckets = from?.buckets.slice() ?? new Float64Array(BUCKETS)
  }

  static of(pages: Iterable<Stamped>): Tally {
    const tally = new Tally()
    for (const page of pages) tally.add(page)
    return tally
  }

  /** What a root page's record says; undefined: it isn't one. */
  static decode(value: Uint8Array, { pages, sum }: Mark): Tally | undefined {
    if (value.length !== 8 * BUCKETS) return undefined
    const tally = new Tally()
    tally.pages = pages
    tally.sum = sum
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
    for (let bucket = 0; bucket < BUCKETS; bucket++) tally.buckets[bucket] = u64(bytes, 8 * bucket)
    return tally
  }

  add(page: Stamped): void {
    this.count(page, 1)
  }

  remove(page: Stamped): void {
    this.count(page, -1)
  }

  /** The records of the two root pages. */
  encode(): readonly [Entry, Entry] {
    const value = Buffer.alloc(8 * BUCKETS)
    this.buckets.forEach((sum, bucket) => {
      putU64(value, 8 * bucket, sum)
    })
    return [
      { key: ' ', value },
      { key: RECORDS_END, value },
    ]
  }

  matches({ pages, sum }: Pick<Tally, 'pages' | 'sum'>): boolean {
    return this.pages === pages && this.sum === sum
  }

  /** Whether both have the same pages in the bucket that `high` belongs to. */
  agrees(other: Tally, high: string): boolean {
    const bucket = bucketOf(high)
    return this.buckets[bucket] === other.buckets[bucket]
  }

  /** How many buckets differ. */
  differing(other: Tally): number {
    return this.buckets.reduce((count, sum, bucket) => count + (sum === other.buckets[bucket] ? 0 : 1), 0)
  }

  private count(page: Stamped, change: 1 | -1): void {
    const bucket = bucketOf(page.high)
    const by = change === 1 ? hash(page) : MODULUS - hash(page)
    this.pages += change
    this.sum = (this.sum + by) % MODULUS
    this.buckets[bucket] = (this.buckets[bucket]! + by) % MODULUS
  }
}

function bucketOf(high: string): number {
  return (spread(high, 7) >>> 0) % BUCKETS
}

// hot: once for each page when a volume is opened
function hash({ high, stamp }: Stamped): number {
  const low = spread(high, stamp % 2 ** 32) >>> 0
  const upper = spread(high, Math.floor(stamp / 2 ** 32) ^ 0x5bd1e995 ^ low) >>> 14
  return upper * 2 ** 32 + low
}

/** The function of MurmurHash3 for 32 bits, a character at a time. */
function spread(text: string, seed: number): number {
  let sum = seed | 0
  for (let at = 0; at < text.length; at++) {
    let part = Math.imul(text.charCodeAt(at), 0xcc9e2d51)
    part = Math.imul((part << 15) | (part >>> 17), 0x1b873593)
    sum ^= part
    sum = (Math.imul((sum << 13) | (sum >>> 19), 5) + 0xe6546b64) | 0
  }
  sum = Math.imul(sum ^ (sum >>> 16) ^ text.length, 0x85ebca6b)
  sum = Math.imul(sum ^ (sum >>> 13), 0xc2b2ae35)
  return sum ^ (sum >>> 16)
}
