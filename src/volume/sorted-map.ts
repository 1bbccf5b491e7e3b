/**
 * A map whose keys are strings kept in order, in blocks: look-up, insertion and removal stay cheap from ten keys to a
 * million.
 *
 *     blocks: [ a b c ] [ d e ] [ f g h i ]      a block holds 1 to BLOCK_MAX keys, and their values beside them
 *
 * Invariants
 *   SM1 Keys rise strictly, across blocks too.
 *   SM2 No block is empty.
 *   SM3 What a copy of the map has too doesn't change.
 */
const BLOCK_MAX = 128

/** The values of a block, in order of its keys. */
export interface Values<V> {
  at(place: number): V
  insert(place: number, value: V): void
  replace(place: number, value: V): void
  remove(place: number): void
  /** Those from `place` on, which it has no more. */
  cut(place: number): Values<V>
  copy(): Values<V>
}

interface Block<V> {
  keys: string[]
  values: Values<V>
  /** A copy of the map has the same keys and values: they are copied before they change. */
  shared: boolean
}

export class SortedMap<V> {
  private readonly none: () => Values<V>
  private blocks: Block<V>[] = []
  private count = 0
  /** How often a key has come or gone. */
  private changes = 0

  /** `none`: makes the values of a block that has none yet; they lie in an array if left out. */
  constructor(none: () => Values<V> = () => new Listed<V>([])) {
    this.none = none
  }

  get size(): number {
    return this.count
  }

  /** A map with the same entries; what changes in the one later doesn't show in the other. Costs a step for each block. */
  copy(): SortedMap<V> {
    const copy = new SortedMap<V>(this.none)
    for (const block of this.blocks) {
      block.shared = true
      copy.blocks.push({ ...block })
    }
    copy.count = this.count
    return copy
  }

  get(key: string): V | undefined {
    const block = this.blocks[this.blockOf(key)]
    if (block === undefined) return undefined
    const at = lower(block.keys, key)
    return block.keys[at] === key ? block.values.at(at) : undefined
  }

  has(key: string): boolean {
    const block = this.blocks[this.blockOf(key)]
    return block !== undefined && block.keys[lower(block.keys, key)] === key
  }

  set(key: string, value: V): void {
    const place = Math.max(0, this.blockOf(key))
    const block = this.blocks[place] ?? this.firstBlock()
    const at = lower(block.keys, key)
    own(block)
    if (block.keys[at] === key) {
      block.values.replace(at, value)
      return
    }
    block.keys.splice(at, 0, key)
    block.values.insert(at, value)
    this.count++
    this.changes++
    if (block.keys.length > BLOCK_MAX) this.split(place, at)
  }

  delete(key: string): boolean {
    const place = this.blockOf(key)
    const block = this.blocks[place]
    if (block === undefined) return false
    const at = lower(block.keys, key)
    if (block.keys[at] !== key) return false
    own(block)
    block.keys.splice(at, 1)
    block.values.remove(at)
    this.count--
    this.changes++
    if (block.keys.length === 0) this.blocks.splice(place, 1)
    return true
  }

  /** The first entry whose key is at least `key` and below `end`. */
  ceiling(key: string, end: string): { readonly key: string; readonly value: V } | undefined {
    for (let place = Math.max(0, this.blockOf(key)); place < this.blocks.length; place++) {
      const { keys, values } = this.blocks[place]!
      const at = lower(keys, key)
      if (at === keys.length) continue
      const found = keys[at]!
      return found < end ? { key: found, value: values.at(at) } : undefined
    }
    return undefined
  }

  /** Entries with start <= key < end. The map may change while they are walked: then the next step looks again. */
  *range(start: string, end: string): Generator<{ readonly key: string; readonly value: V }> {
    let place = Math.max(0, this.blockOf(start))
    let at = lower(this.blocks[place]?.keys ?? [], start)
    for (let seen = this.changes; place < this.blocks.length; ) {
      const { keys, values } = this.blocks[place]!
      const key = keys[at]
      if (key === undefined) {
        place++
        at = 0
        continue
      }
      if (key >= end) return
      yield { key, value: values.at(at) }
      at++
      if (seen === this.changes) continue
      seen = this.changes
      place = Math.max(0, this.blockOf(key))
      at = lower(this.blocks[place]?.keys ?? [], after(key))
    }
  }

  *[Symbol.iterator](): Generator<readonly [string, V]> {
    for (const { keys, values } of this.blocks)
      for (let at = 0; at < keys.length; at++) yield [keys[at]!, values.at(at)]
  }

  /** The last block whose first key is at most `key`, or -1. */
  private blockOf(key: string): number {
    let low = 0
    let high = this.blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.blocks[middle]!.keys[0]! <= key) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  private firstBlock(): Block<V> {
    const block = { keys: [], values: this.none(), shared: false }
    this.blocks.push(block)
    return block
  }

  /** In the middle; or, where keys come in order, behind all that were there, so that blocks are full. */
  private split(place: number, at: number): void {
    const { keys, values } = this.blocks[place]!
    const cut = at === keys.length - 1 ? at : keys.length >>> 1
    this.blocks.splice(place + 1, 0, { keys: keys.splice(cut), values: values.cut(cut), shared: false })
  }
}

/** Values in an array. */
class Listed<V> implements Values<V> {
  private readonly items: V[]

  constructor(items: V[]) {
    this.items = items
  }

  at(place: number): V {
    return this.items[place]!
  }

  insert(place: number, value: V): void {
    this.items.splice(place, 0, value)
  }

  replace(place: number, value: V): void {
    this.items[place] = value
  }

  remove(place: number): void {
    this.items.splice(place, 1)
  }

  cut(place: number): Listed<V> {
    return new Listed(this.items.splice(place))
  }

  copy(): Listed<V> {
    return new Listed([...this.items])
  }
}

function own<V>(block: Block<V>): void {
  if (!block.shared) return
  block.keys = [...block.keys]
  block.values = block.values.copy()
  block.shared = false
}

/** The least key above `key`. */
export function after(key: string): string {
  return `${key}\0`
}

/** The place of the first key that is at least `key`. */
export function lower(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}
