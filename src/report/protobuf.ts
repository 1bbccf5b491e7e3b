/**
 * The wire format of protocol buffers, as far as a trace needs it: an append-only buffer of fields.
 *
 *     field   tag (number << 3 | wire type) as varint, then the value
 *     0 varint · 1 fixed64, little-endian · 2 length as varint, then bytes
 *
 * A message inside a message is a Wire of its own, appended when it is whole, so that its length is known.
 *
 * Invariants
 *   PW1  A varint carries a safe integer that isn't negative; it is never rounded.
 *
 * Hot  One Wire is reused for each kind of message: `clear` keeps the memory.
 */
import { assert } from '../base/index.ts'

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2

const utf8 = new TextEncoder()

export class Wire {
  private store: Uint8Array<ArrayBuffer> = new Uint8Array(256)
  private view = new DataView(this.store.buffer)
  length = 0

  clear(): this {
    this.length = 0
    return this
  }

  /** A copy of what was written. */
  bytes(): Uint8Array {
    return this.store.slice(0, this.length)
  }

  varint(field: number, value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, `PW1 expected a natural number, got ${value}`)
    this.raw(field * 8 + VARINT)
    this.raw(value)
    return this
  }

  fixed64(field: number, value: number): this {
    this.raw(field * 8 + FIXED64)
    const at = this.grow(8)
    this.view.setUint32(at, value >>> 0, true)
    this.view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
    return this
  }

  double(field: number, value: number): this {
    this.raw(field * 8 + FIXED64)
    const at = this.grow(8)
    this.view.setFloat64(at, value, true)
    return this
  }

  text(field: number, value: string): this {
    const bytes = utf8.encode(value)
    return this.block(field, bytes, bytes.length)
  }

  message(field: number, inner: Wire): this {
    return this.block(field, inner.store, inner.length)
  }

  private block(field: number, bytes: Uint8Array, length: number): this {
    this.raw(field * 8 + LENGTH)
    this.raw(length)
    const at = this.grow(length)
    this.store.set(bytes.subarray(0, length), at)
    return this
  }

  private raw(value: number): void {
    let left = value
    while (left >= 0x80) {
      this.byte((left % 0x80) | 0x80)
      left = Math.floor(left / 0x80)
    }
    this.byte(left)
  }

  private byte(value: number): void {
    const at = this.grow(1)
    this.store[at] = value
  }

  /** Makes room for `count` more bytes; returns where they begin. `store` and `view` may be new ones afterwards. */
  private grow(count: number): number {
    const at = this.length
    this.length += count
    if (this.length > this.store.length) {
      const larger = new Uint8Array(Math.max(this.store.length * 2, this.length))
      larger.set(this.store.subarray(0, at))
      this.store = larger
      this.view = new DataView(larger.buffer)
    }
    return at
  }
}
