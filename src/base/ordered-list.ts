/**
 * A list of records kept in order of a number, in blocks: look-up, insertion and removal stay cheap from ten records
 * to a hundred thousand, where one sorted array would move half of itself at each change.
 *
 *     blocks: [ a b c ] [ d e ] [ f g h i ]      a block holds 1 to BLOCK_MAX records
 *
 * Invariants
 *   O1  Keys don't fall from one record to the next, across blocks too.
 *   O2  No block is empty.
 *   O3  reach[b] is at least the end of every record in block b; it may be too large after a removal.
 *
 * A key of a record may change in place only while O1 still holds; an end that grows must be told to `widen`.
 */
const BLOCK_MAX = 256

export class OrderedList<T> {
  private blocks: T[][] = []
  private reach: number[] = []
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
    const records = this.blocks[block]!
    return records[this.upper(records, key) - 1]
  }

  insert(record: T): void {
    const key = this.key(record)
    this.count++
    if (this.blocks.length === 0) {
      this.blocks.push([record])
      this.reach.push(this.end(record))
      return
    }
    const block = Math.max(0, this.blockAtOrBefore(key))
    const records = this.blocks[block]!
    records.splice(this.upper(records, key), 0, record)
    this.reach[block] = Math.max(this.reach[block]!, this.end(record))
    if (records.length > BLOCK_MAX) this.split(block)
  }

  /** Removes this very record. Returns whether it was there. */
  remove(record: T): boolean {
    const key = this.key(record)
    for (let block = this.blockBefore(key); block < this.blocks.length; block++) {
      const records = this.blocks[block]!
      if (this.key(records[0]!) > key) return false
      const at = records.indexOf(record, Math.max(0, this.lower(records, key)))
      if (at === -1) continue
      records.splice(at, 1)
      this.count--
      if (records.length === 0) {
        this.blocks.splice(block, 1)
        this.reach.splice(block, 1)
      }
      return true
    }
    return false
  }

  /** Must follow any growth of a record's end. */
  widen(record: T): void {
    const key = this.key(record)
    for (let block = this.blockBefore(key); block < this.blocks.length; block++) {
      if (this.key(this.blocks[block]![0]!) > key) return
      this.reach[block] = Math.max(this.reach[block]!, this.end(record))
    }
  }

  /** Records that overlap [start, end), in order. The list must not change while they are walked. */
  *overlapping(start: number, end: number): Generator<T> {
    for (let block = 0; block < this.blocks.length; block++) {
      const records = this.blocks[block]!
      if (this.key(records[0]!) >= end) return
      if (this.reach[block]! <= start) continue
      for (const record of records) {
        if (this.key(record) >= end) return
        if (this.end(record) > start) yield record
      }
    }
  }

  /** Records from the first whose key is at least `key`, in order. The list must not change while they are walked. */
  *from(key: number): Generator<T> {
    for (let block = this.blockBefore(key); block < this.blocks.length; block++) {
      const records = this.blocks[block]!
      for (let at = this.lower(records, key); at < records.length; at++) yield records[at]!
    }
  }

  [Symbol.iterator](): Generator<T> {
    return this.from(-Infinity)
  }

  /** The last block whose first key is at most `key`, or -1. */
  private blockAtOrBefore(key: number): number {
    let low = 0
    let high = this.blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.key(this.blocks[middle]![0]!) <= key) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** The first block that may hold a record of this key: equal keys can begin in the block before. */
  private blockBefore(key: number): number {
    let block = Math.max(0, this.blockAtOrBefore(key))
    while (block > 0 && this.key(this.blocks[block]![0]!) >= key) block--
    return block
  }

  private lower(records: readonly T[], key: number): number {
    let low = 0
    let high = records.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.key(records[middle]!) < key) low = middle + 1
      else high = middle
    }
    return low
  }

  private upper(records: readonly T[], key: number): number {
    let low = 0
    let high = records.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.key(records[middle]!) <= key) low = middle + 1
      else high = middle
    }
    return low
  }

  private split(block: number): void {
    const records = this.blocks[block]!
    const right = records.splice(records.length >>> 1)
    this.blocks.splice(block + 1, 0, right)
    this.reach.splice(block, 1, this.reachOf(records), this.reachOf(right))
  }

  private reachOf(records: readonly T[]): number {
    let reach = -Infinity
    for (const record of records) reach = Math.max(reach, this.end(record))
    return reach
  }
}
