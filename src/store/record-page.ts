/**
 * A page of records: what the store on disk is made of. Each covers a range of keys from fence to fence, so that a key which
 * isn't in the page that covers it isn't in the store. A look-up that was led astray comes to a page that doesn't cover its
 * key, and tells so instead of finding nothing.
 *
 *     0     8       10    12     14       16      24      32    40
 *     | sum | count | low | high | layout | stamp | pages | all | low fence | high fence | record | record | …  | zeros
 *                     lengths             '------ mark ------'
 *     record  | key length u16 | value length u16 | key | value |
 *
 * The mark tells of the commit that wrote the page: its stamp, and how many pages it left in the store with the sum of all
 * (tally.ts). Pages of layout 0 have none: their fences begin at 16.
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

const LAYOUT = 1
const HEADER_BYTES = [16, 40] as const
const RECORD_BYTES = 4

/** What a page says of the commit that wrote it. */
export interface Mark {
  /** Of the commit: later ones have greater stamps. */
  readonly stamp: number
  /** Of all pages of records that it left. */
  readonly pages: number
  readonly sum: number
}

/** Numbers that tell where a record is: where its key begins, how long that is, and how long the value behind it. */
const PLACE = 3

/** hot: its records are made when they are asked for. A page that is kept leaves the collector nothing to move but this. */
export class RecordPage {
  readonly low: string
  readonly high: string
  /** undefined: it has layout 0. */
  readonly mark: Mark | undefined
  private readonly bytes: Buffer
  private readonly places: Uint16Array
  /** How many characters all keys between the fences begin with. */
  private readonly alike: number

  constructor(
    { low, high, mark }: Pick<RecordPage, 'low' | 'high' | 'mark'>,
    bytes: Buffer,
    places: Uint16Array,
  ) {
    this.low = low
    this.high = high
    this.mark = mark
    this.bytes = bytes
    this.places = places
    let alike = 0
    while (alike < low.length && low[alike] === high[alike]) alike++
    this.alike = alike
  }

  /** How many records it has. */
  get count(): number {
    return this.places.length / PLACE
  }

  key(at: number): string {
    const start = this.places[PLACE * at]!
    return this.bytes.toString('latin1', start, start + this.places[PLACE * at + 1]!)
  }

  /** A part of the bytes of the page: no Buffer, whose slice would be no copy. */
  value(at: number): Uint8Array {
    const { bytes, places } = this
    const start = places[PLACE * at]! + places[PLACE * at + 1]!
    return new Uint8Array(bytes.buffer, bytes.byteOffset + start, places[PLACE * at + 2])
  }

  /** The place of the first key that is at least `key`, which the page covers. */
  lower(key: string): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.compare(middle, key, this.alike) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Above 0: the key there comes behind `key`; 0: it is the same. The first `alike` characters are known to be. */
  compare(at: number, key: string, alike = 0): number {
    const start = this.places[PLACE * at]!
    const length = this.places[PLACE * at + 1]!
    const both = Math.min(length, key.length)
    for (let place = alike; place < both; place++) {
      const differs = this.bytes[start + place]! - key.charCodeAt(place)
      if (differs !== 0) return differs
    }
    return length - key.length
  }

  records(): Entry[] {
    return Array.from({ length: this.count }, (_, at) => ({ key: this.key(at), value: this.value(at) }))
  }
}

/** How many bytes a record takes. */
export function recordBytes({ key, value }: Entry): Bytes {
  return RECORD_BYTES + key.length + value.length
}

/** How many bytes of records fit between two fences. */
export function roomBetween(low: string, high: string): Bytes {
  return PAGE_BYTES - HEADER_BYTES[LAYOUT] - low.length - high.length
}

export function encodePage(
  low: string,
  high: string,
  records: readonly Entry[],
  { stamp, pages, sum: all }: Mark,
): Buffer {
  const bytes = Buffer.alloc(PAGE_BYTES)
  bytes.writeUInt16LE(records.length, 8)
  bytes.writeUInt16LE(low.length, 10)
  bytes.writeUInt16LE(high.length, 12)
  bytes.writeUInt16LE(LAYOUT, 14)
  putU64(bytes, 16, stamp)
  putU64(bytes, 24, pages)
  putU64(bytes, 32, all)
  let at = HEADER_BYTES[LAYOUT]
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
  putU64(bytes, 0, MIX53.of(bytes.subarray(8)))
  return bytes
}

/** The page in these bytes, or in words why they aren't one. Values are parts of `bytes`. */
export function decodePage(bytes: Buffer): RecordPage | string {
  if (u64(bytes, 0) !== MIX53.of(bytes.subarray(8))) return "doesn't match its checksum"
  const headerBytes = HEADER_BYTES[bytes.readUInt16LE(14)]
  if (headerBytes === undefined)
    return `has layout ${bytes.readUInt16LE(14)}, which this program doesn't read`
  const mark =
    headerBytes === HEADER_BYTES[0]
      ? undefined
      : { stamp: u64(bytes, 16), pages: u64(bytes, 24), sum: u64(bytes, 32) }
  const count = bytes.readUInt16LE(8)
  let at: number = headerBytes
  const text = (length: number) => {
    const found = bytes.toString('latin1', at, at + length)
    at += length
    return found
  }
  const low = text(bytes.readUInt16LE(10))
  const high = text(bytes.readUInt16LE(12))
  if (at > bytes.length || low >= high) return 'has fences without sense'
  if (count * RECORD_BYTES > bytes.length - at) return 'ends within a record'
  const places = new Uint16Array(PLACE * count)
  for (let place = 0; place < count; place++) {
    if (at + RECORD_BYTES > bytes.length) return 'ends within a record'
    const keyLength = bytes.readUInt16LE(at)
    const valueLength = bytes.readUInt16LE(at + 2)
    at += RECORD_BYTES
    if (at + keyLength + valueLength > bytes.length) return 'ends within a record'
    places[PLACE * place] = at
    places[PLACE * place + 1] = keyLength
    places[PLACE * place + 2] = valueLength
    at += keyLength + valueLength
  }
  return new RecordPage({ low, high, mark }, bytes, places)
}

/** Numbers above 2^53 come out rounded: none that is written is so great. */
export function u64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32
}

export function putU64(bytes: Buffer, at: number, number: number): void {
  bytes.writeUInt32LE(number >>> 0, at)
  bytes.writeUInt32LE(Math.floor(number / 2 ** 32), at + 4)
}
