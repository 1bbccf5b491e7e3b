/**
 * Bytes of the model, each of which may be one of two values. Nearly always the two are the same. They differ where a
 * program is promised one of two things: what was stored past the end of a file is there, or is zero again because the
 * page has been written out or read in since; or what may be dropped by MADV_FREE.
 */
import type { Bytes } from '../base/index.ts'

export class Twin {
  readonly one: Uint8Array
  readonly other: Uint8Array

  constructor(one: Uint8Array, other: Uint8Array) {
    this.one = one
    this.other = other
  }

  static zeros(length: Bytes): Twin {
    return new Twin(new Uint8Array(length), new Uint8Array(length))
  }

  get length(): Bytes {
    return this.one.length
  }

  set(bytes: Uint8Array, at: Bytes): void {
    this.one.set(bytes, at)
    this.other.set(bytes, at)
  }

  /** Stores what may be zero again at any time. */
  setFleeting(bytes: Uint8Array, at: Bytes): void {
    this.one.set(bytes, at)
    this.other.fill(0, at, at + bytes.length)
  }

  /** All of it may be zero again at any time. */
  mayBeZero(): void {
    this.other.fill(0)
  }

  zero(start: Bytes, end: Bytes): void {
    this.one.fill(0, start, end)
    this.other.fill(0, start, end)
  }

  copy(start: Bytes, end: Bytes): Twin {
    return new Twin(this.one.slice(start, end), this.other.slice(start, end))
  }

  /** Where `bytes` is neither one nor the other, compared from `at`; -1: nowhere. */
  differs(bytes: Uint8Array, at: Bytes): number {
    const { one, other } = this
    for (let offset = 0; offset < bytes.length; offset++) {
      const byte = bytes[offset]
      if (byte !== one[at + offset] && byte !== other[at + offset]) return offset
    }
    return -1
  }
}
