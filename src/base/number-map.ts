/**
 * A map from whole numbers to things that come and go all the time: tasks, pages in flight, requests.
 *
 * Map would do, but for one property of V8's: a table that a Map has left points to the next, so once one of them is
 * old, all that follow and what was in them stay until the next full collection. Tasks that lived for 100 µs were so
 * copied twice and kept for a second (docs/decisions/0013-maps-that-churn.md).
 *
 *     keys    [ -  7  -  -  12  28  - ]      open addressing: a key lies at its place, or in the next free one
 *     values  [ -  a  -  -  b   c   - ]
 *
 * Invariants
 *   NM1 Between the place that a key hashes to and where it lies nothing is free.
 *   NM2 At most half of the places are taken.
 */
const FREE = -1
const PLACES_MIN = 8
/** It keeps so many places that it has had: members that come and go in batches would have it grow and shrink with each. */
const PLACES_KEPT = 128
/** It shrinks when fewer than one place of so many is taken. */
const SPARSE = 8
/** So many are sorted one by one, without a pair for each. */
const FEW = 16

export class NumberMap<V> {
  size = 0
  private places: Float64Array
  private stored: (V | undefined)[]

  constructor() {
    this.places = new Float64Array(PLACES_MIN).fill(FREE)
    this.stored = new Array(PLACES_MIN).fill(undefined)
  }

  get(key: number): V | undefined {
    const { places } = this
    const at = this.find(key)
    return places[at] === key ? this.stored[at] : undefined
  }

  has(key: number): boolean {
    return this.places[this.find(key)] === key
  }

  set(key: number, value: V): void {
    let at = this.find(key)
    if (this.places[at] !== key) {
      if (2 * (this.size + 1) > this.places.length) {
        this.move(2 * this.places.length)
        at = this.find(key)
      }
      this.size++
      this.places[at] = key
    }
    this.stored[at] = value
  }

  delete(key: number): boolean {
    const { places, stored } = this
    const mask = places.length - 1
    let gap = this.find(key)
    if (places[gap] !== key) return false
    this.size--
    for (let at = (gap + 1) & mask; places[at] !== FREE; at = (at + 1) & mask) {
      const home = hash(places[at]!) & mask
      // It may fill the gap unless it would then lie before the place that it hashes to.
      if (((at - home) & mask) < ((at - gap) & mask)) continue
      places[gap] = places[at]!
      stored[gap] = stored[at]
      gap = at
    }
    places[gap] = FREE
    stored[gap] = undefined
    if (places.length > PLACES_KEPT && SPARSE * this.size < places.length) this.move(places.length / 2)
    return true
  }

  /** In the order of their keys. */
  entries(): (readonly [number, V])[] {
    const found: (readonly [number, V])[] = []
    if (this.size === 0) return found
    const { places, stored } = this
    for (let at = 0; at < places.length; at++) if (places[at] !== FREE) found.push([places[at]!, stored[at]!])
    return found.length < 2 ? found : found.sort(([a], [b]) => a - b)
  }

  /** Of the least key. */
  first(): V | undefined {
    const { places } = this
    let least = Infinity
    for (let at = 0; at < places.length; at++) {
      const key = places[at]!
      if (key !== FREE && key < least) least = key
    }
    return this.get(least)
  }

  /** In the order of their keys. */
  values(): V[] {
    if (this.size > FEW) return this.entries().map(([, value]) => value)
    const { places, stored } = this
    const keys: number[] = []
    const values: V[] = []
    for (let at = 0; keys.length < this.size; at++) {
      const key = places[at]!
      if (key === FREE) continue
      let to = keys.length
      for (; to > 0 && keys[to - 1]! > key; to--) {
        keys[to] = keys[to - 1]!
        values[to] = values[to - 1]!
      }
      keys[to] = key
      values[to] = stored[at]!
    }
    return values
  }

  /** Where the key lies, or where it would. */
  private find(key: number): number {
    const { places } = this
    const mask = places.length - 1
    let at = hash(key) & mask
    while (places[at] !== key && places[at] !== FREE) at = (at + 1) & mask
    return at
  }

  private move(places: number): void {
    const { places: keys, stored: values } = this
    this.places = new Float64Array(places).fill(FREE)
    this.stored = new Array(places).fill(undefined)
    for (let at = 0; at < keys.length; at++) {
      if (keys[at] === FREE) continue
      const to = this.find(keys[at]!)
      this.places[to] = keys[at]!
      this.stored[to] = values[at]
    }
  }
}

function hash(key: number): number {
  const mixed = Math.imul(key, 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}
