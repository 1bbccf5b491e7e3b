/**
 * Values made once: turns a range of bytes into a value, a string mostly, and the same bytes into the same value.
 *
 * A trace of millions of events has a few hundred task names and a few thousand different things that its events say; making a
 * new string for each line would cost more than parsing the line. An open table of SLOTS places, keyed by the bytes; what
 * meets a full place replaces it, so the table never grows and a hostile trace costs time, not memory.
 */
const SLOTS = 4096
/** The highest bits of a hash, on which all bytes have worked, are a place of 0 to SLOTS - 1. */
const SLOT_SHIFT = 20
const LENGTH_MAX = 256
const KEY_BYTES_MIN = 4096
/** When so many bytes of keys are kept, all is forgotten. */
const KEY_BYTES_MAX = SLOTS * LENGTH_MAX
const PRIME = 0x9e3779b1
const WORD = 4
const NEWLINE = 10
const RETURN = 13

/** What was kept by its bytes, to be found again. */
export class Kept<T> {
  /** Where the line ended that `findLine` has found. */
  lineEnd = 0
  /** The keys, one behind the other, and where each place's begins. */
  private keys = new DataView(new ArrayBuffer(KEY_BYTES_MIN))
  private keyBytes = 0
  private readonly offsets = new Uint32Array(SLOTS)
  private readonly lengths = new Uint16Array(SLOTS)
  private readonly values: (T | null)[] = new Array(SLOTS).fill(null)
  /** What was found last, and for each place what was found after it: a trace says much in the same order again. */
  private last = 0
  private readonly next = new Uint16Array(SLOTS)
  /** The bytes asked for last, to be read by words. */
  private bytes: Buffer = Buffer.alloc(0)
  private view = new DataView(this.bytes.buffer)

  // hot: about 10 ns for a task name, 30 ns for what an event says.
  find(bytes: Buffer, start: number, end: number): T | null {
    const length = end - start
    if (length > LENGTH_MAX) return null
    if (bytes !== this.bytes) this.look(bytes)
    let slot = this.next[this.last]!
    if (this.lengths[slot] !== length || !this.isKey(slot, start, end)) {
      slot = this.slotOf(start, end)
      if (this.lengths[slot] !== length || !this.isKey(slot, start, end)) return null
      this.next[this.last] = slot
    }
    this.last = slot
    return this.values[slot]!
  }

  /**
   * The value of the bytes up to the end of the line, which `lineEnd` gives then. The line's end isn't looked for where the bytes
   * are what mostly comes after what was found last.
   */
  findLine(bytes: Buffer, start: number, limit: number): T | null {
    const slot = this.next[this.last]!
    const guessed = start + this.lengths[slot]!
    if (bytes !== this.bytes) this.look(bytes)
    if (guessed < limit && endsLine(bytes, guessed, limit) && this.isKey(slot, start, guessed)) {
      this.last = slot
      this.lineEnd = guessed
      return this.values[slot]!
    }
    const newline = bytes.indexOf(NEWLINE, start)
    if (newline === -1 || newline >= limit) return null
    this.lineEnd = newline > start && bytes[newline - 1] === RETURN ? newline - 1 : newline
    return this.find(bytes, start, this.lineEnd)
  }

  keep(bytes: Buffer, start: number, end: number, value: T): void {
    const length = end - start
    if (length > LENGTH_MAX) return
    if (bytes !== this.bytes) this.look(bytes)
    if (this.keyBytes + length > this.keys.byteLength) this.makeRoom()
    const slot = this.slotOf(start, end)
    this.offsets[slot] = this.keyBytes
    for (let at = start; at < end; at++) this.keys.setUint8(this.keyBytes++, bytes[at]!)
    this.lengths[slot] = length
    this.values[slot] = value
  }

  private makeRoom(): void {
    const { buffer, byteLength } = this.keys
    if (byteLength < KEY_BYTES_MAX) {
      this.keys = new DataView(new ArrayBuffer(byteLength * 2))
      new Uint8Array(this.keys.buffer).set(new Uint8Array(buffer))
      return
    }
    this.keyBytes = 0
    this.lengths.fill(0)
    this.values.fill(null)
  }

  private look(bytes: Buffer): void {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  private slotOf(start: number, end: number): number {
    const { view } = this
    let hash = end - start
    let at = start
    for (; at + WORD <= end; at += WORD) hash = Math.imul(hash ^ view.getInt32(at, true), PRIME)
    for (; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), PRIME)
    return hash >>> SLOT_SHIFT
  }

  private isKey(slot: number, start: number, end: number): boolean {
    const { view, keys } = this
    let at = start
    let key = this.offsets[slot]!
    for (; at + WORD <= end; at += WORD, key += WORD)
      if (view.getInt32(at, true) !== keys.getInt32(key, true)) return false
    for (; at < end; at++, key++) if (view.getUint8(at) !== keys.getUint8(key)) return false
    return true
  }
}

const endsLine = (bytes: Buffer, at: number, limit: number): boolean =>
  bytes[at] === NEWLINE || (bytes[at] === RETURN && at + 1 < limit && bytes[at + 1] === NEWLINE)

export class Interner<T = string> {
  private readonly kept = new Kept<T>()
  private readonly make: (bytes: Buffer) => T

  constructor(make: (bytes: Buffer) => T) {
    this.make = make
  }

  get(bytes: Buffer, start: number, end: number): T {
    const known = this.kept.find(bytes, start, end)
    if (known !== null) return known
    const value = this.make(bytes.subarray(start, end))
    this.kept.keep(bytes, start, end, value)
    return value
  }
}

export const nameInterner = (): Interner => new Interner(bytes => bytes.toString('utf8'))
