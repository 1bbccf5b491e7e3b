/**
 * Strings made once: turns a range of bytes into a string, and the same bytes into the same string.
 *
 * A trace of millions of events has a few hundred task names; making a new string for each line would cost more than
 * parsing the line. An open table of SLOTS places, keyed by the bytes; a name that meets a full place replaces it,
 * so the table never grows and a hostile trace costs time, not memory.
 */
const SLOTS = 4096
const LENGTH_MAX = 256

export class Interner {
  readonly #keys: (Uint8Array | null)[] = new Array(SLOTS).fill(null)
  readonly #values: string[] = new Array(SLOTS).fill('')
  readonly #make: (bytes: Buffer) => string

  constructor(make: (bytes: Buffer) => string = bytes => bytes.toString('utf8')) {
    this.#make = make
  }

  // hot: about 20 ns for a task name.
  get(bytes: Buffer, start: number, end: number): string {
    const length = end - start
    if (length <= 0) return ''
    if (length > LENGTH_MAX) return this.#make(bytes.subarray(start, end))
    let hash = length
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0
    const slot = (hash ^ (hash >>> 12)) & (SLOTS - 1)
    const key = this.#keys[slot]!
    if (key !== null && key.length === length && same(key, bytes, start)) return this.#values[slot]!
    const copy = Buffer.from(bytes.subarray(start, end))
    const value = this.#make(copy)
    this.#keys[slot] = copy
    this.#values[slot] = value
    return value
  }
}

function same(key: Uint8Array, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false
  return true
}
