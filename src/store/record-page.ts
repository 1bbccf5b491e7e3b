/**
 * A page of records: what the store on disk is made of. Each covers a range of keys from fence to fence, so that a key which
 * isn't in the page that covers it isn't in the store. A look-up that was led astray comes to a page that doesn't cover its
 * key, and tells so instead of finding nothing.
 *
 *     0       8       10      12      14     16
 *     | sum   | count | low   | high  | 0    | low fence | high fence | record | record | …  | zeros
 *                       lengths
 *     record  | key length u16 | value length u16 | key | value |
 *
 * A page is PAGE_BYTES long: a page of 4 KiB less LMDB's own header, so that it fills one page of the file. The sum is mix53
 * of all behind it, whatever function the volume in it uses.
 *
 * Invariants
 *   RG1 Keys of a page rise, from the low fence on and below the high one.
 */
import { assert, type Bytes } from '../base/index.ts'
import { type Entry, MIX53 } from '../volume/index.ts'

export const PAGE_BYTES: Bytes = 4096 - 24
/** Above every key. */
export const KEYS_END = '~'

const HEADER_BYTES = 16
const RECORD_BYTES = 4

export interface RecordPage {
  readonly low: string
  readonly high: string
  readonly keys: readonly string[]
  readonly values: readonly Uint8Array[]
}

/** How many bytes a record takes. */
export function recordBytes({ key, value }: Entry): Bytes {
  return RECORD_BYTES + key.length + value.length
}

/** How many bytes of records fit between two fences. */
export function roomBetween(low: string, high: string): Bytes {
  return PAGE_BYTES - HEADER_BYTES - low.length - high.length
}

export function encodePage(low: string, high: string, records: readonly Entry[]): Buffer {
  const bytes = Buffer.alloc(PAGE_BYTES)
  bytes.writeUInt16LE(records.length, 8)
  bytes.writeUInt16LE(low.length, 10)
  bytes.writeUInt16LE(high.length, 12)
  let at = HEADER_BYTES
  at += bytes.write(low, at, 'latin1')
  at += bytes.write(high, at, 'latin1')
  for (const { key, value } of records) {
    assert(at + recordBytes({ key, value }) <= PAGE_BYTES, 'the records of a page fit into it')
    bytes.writeUInt16LE(key.length, at)
    bytes.writeUInt16LE(value.length, at + 2)
    at += RECORD_BYTES
    at += bytes.write(key, at, 'latin1')
    bytes.set(value, at)
    at += value.length
  }
  const sum = MIX53.of(bytes.subarray(8))
  bytes.writeUInt32LE(sum >>> 0, 0)
  bytes.writeUInt32LE(Math.floor(sum / 2 ** 32), 4)
  return bytes
}

/** The page in these bytes, or in words why they aren't one. Values are parts of `bytes`. */
export function decodePage(bytes: Buffer): RecordPage | string {
  const sum = bytes.readUInt32LE(0) + bytes.readUInt32LE(4) * 2 ** 32
  if (sum !== MIX53.of(bytes.subarray(8))) return "doesn't match its checksum"
  const keys: string[] = []
  const values: Uint8Array[] = []
  let at = HEADER_BYTES
  const text = (length: number) => {
    const found = bytes.toString('latin1', at, at + length)
    at += length
    return found
  }
  const low = text(bytes.readUInt16LE(10))
  const high = text(bytes.readUInt16LE(12))
  for (let left = bytes.readUInt16LE(8); left > 0; left--) {
    if (at + RECORD_BYTES > bytes.length) return 'ends within a record'
    const keyLength = bytes.readUInt16LE(at)
    const valueLength = bytes.readUInt16LE(at + 2)
    at += RECORD_BYTES
    if (at + keyLength + valueLength > bytes.length) return 'ends within a record'
    keys.push(text(keyLength))
    // No Buffer: its slice would be no copy.
    values.push(new Uint8Array(bytes.buffer, bytes.byteOffset + at, valueLength))
    at += valueLength
  }
  return { low, high, keys, values }
}
