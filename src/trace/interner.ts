/**
 * Values made once: turns a range of bytes into a value, a string mostly, and the same bytes into the same value.
 *
 * A trace of millions of events has a few hundred task names; making a new string for each line would cost more than
 * parsing the line. An open table of SLOTS places, keyed by the bytes; a name that meets a full place replaces it,
 * so the table never grows and a hostile trace costs time, not memory.
 */
const SLOTS = 4096
const LENGTH_MAX = 256
/** The hash looks at so many bytes from the end, where names of a family differ. */
const HASHED_MAX = 8

export class Interner<T = string> {
  private readonly keys: (Uint8Array | null)[] = new Array(SLOTS).fill(null)
  private readonly values: (T | null)[] = new Array(SLOTS).fill(null)
  private readonly make: (bytes: Buffer) => T
  /** The last one asked for: events of one task stand together. */
  private lastKey: Uint8Array = new Uint8Array(0)
  private lastValue: T | null = null

  constructor(make: (bytes: Buffer) => T) {
    this.make = make
  }

  // hot: about 20 ns for a task name.
  get(bytes: Buffer, start: number, end: number): T {
    const length = end - start
    const last = this.lastKey
    if (length === last.length && this.lastValue !== null && same(last, bytes, start)) return this.lastValue
    if (length > LENGTH_MAX) return this.make(bytes.subarray(start, end))
    let hash = length
    for (let i = length > HASHED_MAX ? end - HASHED_MAX : start; i < end; i++)
      hash = (Math.imul(hash, 31) + bytes[i]!) | 0
    const slot = (hash ^ (hash >>> 12)) & (SLOTS - 1)
    const key = this.keys[slot]!
    if (key !== null && key.length === length && same(key, bytes, start)) {
      this.lastKey = key
      this.lastValue = this.values[slot]!
      return this.lastValue
    }
    const copy = Buffer.from(bytes.subarray(start, end))
    const value = this.make(copy)
    this.keys[slot] = copy
    this.values[slot] = value
    this.lastKey = copy
    this.lastValue = value
    return value
  }
}

function same(key: Uint8Array, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false
  return true
}

export const nameInterner = (): Interner => new Interner(bytes => bytes.toString('utf8'))
