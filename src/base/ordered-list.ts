/**
 * A list of records kept in order of a number, in blocks: look-up, insertion and removal stay cheap from ten records
 * to a hundred thousand, where one sorted array would move half of itself at each change.
 *
 *     blocks: [ a b c ] [ d e ] [ f g h i ]      a block holds 1 to BLOCK_MAX records
 *     firsts:   a         d       f              and their keys, side by side
 *
 * A search reads keys only, which lie side by side; the records themselves lie all over the heap, and looking into
 * seventeen of them cost 600 ns among 10^5, where seventeen keys cost 150.
 *
 * Invariants
 *   O1  Keys don't fall from one record to the next, across blocks too.
 *   O2  No block is empty.
 *   O3  reach[b] is at least the end of every record in block b; it may be too large after a removal.
 *   O4  keys[i] of a block is the key of its records[i]; firsts[b] is the first of block b.
 *
 * The key of a record doesn't change while it is in the list; an end that grows must be told to `widen`.
 */
const BLOCK_MAX = 256

export class OrderedList<T> {
  // hot: of each block its keys and its records, in columns; an object for each would be one more place to fetch
  private readonly keys: number[][] = []
  private readonly records: T[][] = []
  private readonly firsts: number[] = []
  private readonly reach: number[] = []
  private count = 0
  private readonly key: (record: T) => number
  private readonly end: (record: T) => number

  constructor(key: (record: T) => number, end: (record: T) => number) {
    this.key = key
    this.end = end
  }

  get size(): number {
    return this.count
  }

  /** The last record whose key is at most `key`. */
  floor(key: number): T | undefined {
    const block = this.blockAtOrBefore(key)
    if (block === -1) return undefined
    return this.records[block]![upper(this.keys[block]!, key) - 1]
  }

  insert(record: T): void {
    const key = this.key(record)
    this.count++
    if (this.records.length === 0) {
      this.keys.push([key])
      this.records.push([record])
      this.firsts.push(key)
      this.reach.push(this.end(record))
      return
    }
    const block = Math.max(0, this.blockAtOrBefore(key))
    const keys = this.keys[block]!
    const records = this.records[block]!
    const at = upper(keys, key)
    keys.splice(at, 0, key)
    records.splice(at, 0, record)
    this.firsts[block] = keys[0]!
    this.reach[block] = Math.max(this.reach[block]!, this.end(record))
    if (records.length > BLOCK_MAX) this.split(block)
  }

  /** Removes this very record. Returns whether it was there. */
  remove(record: T): boolean {
    const key = this.key(record)
    for (let block = this.blockBefore(key); block < this.records.length; block++) {
      const keys = this.keys[block]!
      const records = this.records[block]!
      if (this.firsts[block]! > key) return false
      const at = records.indexOf(record, lower(keys, key))
      if (at === -1) continue
      keys.splice(at, 1)
      records.splice(at, 1)
      this.count--
      if (records.length > 0) this.firsts[block] = keys[0]!
      else for (const column of [this.keys, this.records, this.firsts, this.reach]) column.splice(block, 1)
      return true
    }
    return false
  }

  /** Must follow any growth of a record's end. */
  widen(record: T): void {
    const key = this.key(record)
    for (let block = this.blockBefore(key); block < this.records.length; block++) {
      if (this.firsts[block]! > key) return
      this.reach[block] = Math.max(this.reach[block]!, this.end(record))
    }
  }

  /** Records that overlap [start, end), in order. */
  overlapping(start: number, end: number): T[] {
    const found: T[] = []
    this.visit(start, end, record => found.push(record))
    return found
  }

  /** Calls `act` with each record that overlaps [start, end), in order. The list must not change meanwhile. */
  visit(start: number, end: number, act: (record: T) => void): void {
    for (let block = 0; block < this.records.length && this.firsts[block]! < end; block++) {
      if (this.reach[block]! <= start) continue
      const keys = this.keys[block]!
      const records = this.records[block]!
      for (let at = 0; at < records.length && keys[at]! < end; at++)
        if (this.end(records[at]!) > start) act(records[at]!)
    }
  }

  /** Records from the first whose key is at least `key`, in order. The list must not change while they are walked. */
  *from(key: number): Generator<T> {
    for (let block = this.blockBefore(key); block < this.records.length; block++) {
      const keys = this.keys[block]!
      const records = this.records[block]!
      for (let at = lower(keys, key); at < records.length; at++) yield records[at]!
    }
  }

  [Symbol.iterator](): Generator<T> {
    return this.from(-Infinity)
  }

  /** The last block whose first key is at most `key`, or -1. */
  private blockAtOrBefore(key: number): number {
    return upper(this.firsts, key) - 1
  }

  /** The first block that may hold a record of this key: equal keys can begin in the block before. */
  private blockBefore(key: number): number {
    return Math.max(0, lower(this.firsts, key) - 1)
  }

  private split(block: number): void {
    const records = this.records[block]!
    const middle = records.length >>> 1
    const rightKeys = this.keys[block]!.splice(middle)
    const rightRecords = records.splice(middle)
    this.keys.splice(block + 1, 0, rightKeys)
    this.records.splice(block + 1, 0, rightRecords)
    this.firsts.splice(block + 1, 0, rightKeys[0]!)
    this.reach.splice(block, 1, this.reachOf(records), this.reachOf(rightRecords))
  }

  private reachOf(records: readonly T[]): number {
    let reach = -Infinity
    for (const record of records) reach = Math.max(reach, this.end(record))
    return reach
  }
}

/** How many of the keys are below `key`. */
function lower(keys: readonly number[], key: number): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}

/** How many of the keys are at most `key`. */
function upper(keys: readonly number[], key: number): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! <= key) low = middle + 1
    else high = middle
  }
  return low
}
