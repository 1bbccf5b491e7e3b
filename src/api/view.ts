/** What a section loads and stores through. */
import type { Bytes } from '../base/index.ts'
import type { Elements, Offsets } from '../mmu/index.ts'

/**
 * A mapping inside a section: loads and stores at byte offsets of the mapping, aligned or not, little-endian. Good only
 * while the section runs.
 *
 * Errors: an offset outside of the mapping is a RangeError; EINVAL for an argument of another kind; EBADF outside of its section;
 * the others are told by `run`. A load of a page that lies in a row takes what a DataView takes for an offset, NaN for 0.
 * Cost: a load of a resident page is a look-up and an access of a typed array.
 */
export interface ViewFace {
  /** Of the mapping, in bytes. */
  readonly length: Bytes
  /** Loads a byte, signed. */
  i8(offset: Bytes): number
  /** Loads 16 bits, signed. */
  i16(offset: Bytes): number
  /** Loads 64 bits, signed. Allocates a BigInt. */
  i64(offset: Bytes): bigint
  /** Loads a byte. */
  u8(offset: Bytes): number
  /** Loads 16 bits, unsigned. */
  u16(offset: Bytes): number
  /** Loads 32 bits, unsigned. */
  u32(offset: Bytes): number
  /** Loads 32 bits, signed. */
  i32(offset: Bytes): number
  /** Loads 64 bits, unsigned. Allocates a BigInt. */
  u64(offset: Bytes): bigint
  /** Loads a float of 32 bits. */
  f32(offset: Bytes): number
  /** Loads a float of 64 bits. */
  f64(offset: Bytes): number
  /** A copy of [offset, offset + length). All of its pages are asked for before the first is copied. */
  bytes(offset: Bytes, length: Bytes): Uint8Array
  /** Fills `target` from `offset`. All of its pages are asked for before the first is copied. */
  read(offset: Bytes, target: Uint8Array): void
  /** [offset, offset + length) as UTF-8; what isn't is U+FFFD, and a byte order mark stays. Cost: a copy, and the text. */
  text(offset: Bytes, length: Bytes): string
  /**
   * How the bytes from `offset` on stand to as many of `bytes`, as memcmp(3) says: -1 before, 0 equal, 1 after. Needs no page
   * behind the first difference.
   */
  compare(offset: Bytes, bytes: Uint8Array): -1 | 0 | 1
  /**
   * The offset at which `bytes` lie first, as a whole within [from, to); -1 if nowhere. `from` is 0 and `to` the length of the
   * mapping if left out.
   *
   * Cost: at a missing page the section begins anew, with as much of the range as half of memory holds. Search what is bigger
   * by a section for each part.
   */
  indexOf(bytes: Uint8Array, from?: Bytes, to?: Bytes): Bytes
  /**
   * [offset, offset + length) as it lies in memory, piece by piece, to be read: nothing is copied, and a piece goes on as long as
   * pages lie in a row. A piece is good until the next is asked for, or the view stores something; a store to one isn't seen as a store, and may be lost.
   *
   * Cost: at a missing page the section begins anew, with as much of the range as half of memory holds.
   */
  runs(offset: Bytes, length: Bytes): Iterable<Uint8Array>
  /**
   * Hands each piece of `runs` to `act`. A loop over bytes is compiled better in a function than in the body of a `for ... of`:
   * at small pages, or many pieces, this takes half the time.
   */
  eachRun(offset: Bytes, length: Bytes, act: (bytes: Uint8Array) => void): void
  /**
   * Loads as many elements as `target` has, each from its offset in bytes; in a mapping they are little-endian. All that is
   * missing is brought together, so that N cold pages cost one round trip. Errors: EINVAL if there are more of one than of the other.
   */
  gather(offsets: Offsets, target: Elements): void
  /** Stores a byte, signed. */
  setI8(offset: Bytes, value: number): void
  /** Stores 16 bits, signed. */
  setI16(offset: Bytes, value: number): void
  /** Stores 64 bits, signed. */
  setI64(offset: Bytes, value: bigint): void
  /** Stores a byte. */
  setU8(offset: Bytes, value: number): void
  /** Stores 16 bits. */
  setU16(offset: Bytes, value: number): void
  /** Stores 32 bits. */
  setU32(offset: Bytes, value: number): void
  /** Stores 32 bits, signed. */
  setI32(offset: Bytes, value: number): void
  /** Stores 64 bits. */
  setU64(offset: Bytes, value: bigint): void
  /** Stores a float of 32 bits. */
  setF32(offset: Bytes, value: number): void
  /** Stores a float of 64 bits. */
  setF64(offset: Bytes, value: number): void
  /** Copies `source` to `offset`. All of its pages are asked for before the first byte is stored. */
  write(offset: Bytes, source: Uint8Array): void
  /**
   * Stores each element of `source` to its offset in bytes, in order, little-endian. All that is missing is brought together before
   * the first is stored. Errors: as those of `gather`.
   */
  scatter(offsets: Offsets, source: Elements): void
  /**
   * Says that the section will read [offset, offset + length). It never unwinds: what is missing is brought together
   * with the page at which the section stops next, so that N cold pages cost one round trip.
   */
  want(offset: Bytes, length: Bytes): void
  /** Stops here if a page that was asked for by `want` is missing. */
  settle(): void
}
