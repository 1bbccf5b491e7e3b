/**
 * Writes databases in MaxMind's format (MaxMind DB File Format Specification 2.0), for IPv4.
 *
 *     search tree, a node of two records for each bit that matters | 16 zeros | data | marker, metadata
 *
 *     a record is   another node   |   the number of nodes: nothing is known   |   that + 16 + where in the data
 *
 * Records have 32 bits. A string that was written before is written as a pointer to it.
 *
 * Invariants
 *   MM1 A network that lies in another's wins over it, whichever came first.
 */
import fs from 'node:fs'

export type Value = string | number | readonly Value[] | { readonly [key: string]: Value }

export interface Network {
  /** The first 32 bits' worth of the address; bits after the prefix are 0. */
  readonly address: number
  /** How many bits of it are the network's. */
  readonly prefix: number
  readonly value: Value
}

const RECORD_BITS = 32
const NODE_BYTES = RECORD_BITS / 4
const SEPARATOR_BYTES = 16
const METADATA_MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')
const NOTHING = 0

export function writeMmdb(path: string, networks: readonly Network[]): void {
  const tree = new Tree()
  const data = new Section()
  // A shorter prefix first: what lies in it then cuts it (MM1).
  for (const { address, prefix, value } of [...networks].sort((a, b) => a.prefix - b.prefix))
    tree.add(address, prefix, data.write(value))
  const metadata = new Section()
  metadata.write({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    database_type: 'Faultline-City',
    description: { en: 'Networks at random' },
    ip_version: 4,
    languages: ['en'],
    node_count: tree.count,
    record_size: RECORD_BITS,
  })
  const separator = Buffer.alloc(SEPARATOR_BYTES)
  fs.writeFileSync(
    path,
    Buffer.concat([tree.bytes(), separator, data.bytes(), METADATA_MARKER, metadata.bytes()]),
  )
}

/** Records while the tree grows: a node above 0, NOTHING, or -1 minus where in the data. */
class Tree {
  count = 1
  private records = new Int32Array(2 ** 20)

  add(address: number, prefix: number, at: number): void {
    let node = 0
    for (let bit = 0; ; bit++) {
      const record = 2 * node + ((address >>> (31 - bit)) & 1)
      if (bit === prefix - 1) {
        this.records[record] = -1 - at
        return
      }
      const next = this.records[record]!
      node = next > 0 ? next : this.split(record)
    }
  }

  /** Puts a node in the place of a record; both of its records say what that one said. */
  private split(record: number): number {
    const node = this.count++
    if (2 * this.count > this.records.length) {
      const wider = new Int32Array(2 * this.records.length)
      wider.set(this.records)
      this.records = wider
    }
    this.records.fill(this.records[record]!, 2 * node, 2 * node + 2)
    this.records[record] = node
    return node
  }

  bytes(): Buffer {
    const bytes = Buffer.alloc(this.count * NODE_BYTES)
    for (let at = 0; at < 2 * this.count; at++) {
      const record = this.records[at]!
      const nothing = record === NOTHING
      const value = record < 0 ? this.count + SEPARATOR_BYTES - 1 - record : nothing ? this.count : record
      bytes.writeUInt32BE(value, at * 4)
    }
    return bytes
  }
}

/** Numbers of types, as a control byte has them in its three high bits; those above 7 have a byte of their own. */
const POINTER = 1
const STRING = 2
const DOUBLE = 3
const UINT32 = 6
const MAP = 7
const UINT64 = 9
const ARRAY = 11

/** What a pointer of 1, 2 and 3 bytes beside its control byte points at least to, and fewer than. */
const POINTERS = [
  { from: 0, to: 2048 },
  { from: 2048, to: 526_336 },
  { from: 526_336, to: 134_744_064 },
] as const

class Section {
  private memory = Buffer.alloc(2 ** 16)
  private length = 0
  private readonly strings = new Map<string, number>()

  bytes(): Buffer {
    return this.memory.subarray(0, this.length)
  }

  /** Returns where it begins. */
  write(value: Value): number {
    const at = this.length
    if (typeof value === 'string') this.string(value)
    else if (typeof value === 'number') this.number(value)
    else if (Array.isArray(value)) {
      this.control(ARRAY, value.length)
      for (const each of value) this.write(each)
    } else {
      const entries = Object.entries(value)
      this.control(MAP, entries.length)
      for (const [key, each] of entries) {
        this.string(key)
        this.write(each)
      }
    }
    return at
  }

  private string(text: string): void {
    const before = this.strings.get(text)
    if (before === undefined) {
      this.strings.set(text, this.length)
      const bytes = Buffer.from(text)
      this.control(STRING, bytes.length)
      bytes.copy(this.room(bytes.length))
    } else this.pointer(before)
  }

  private pointer(to: number): void {
    const size = POINTERS.findIndex(each => to < each.to)
    if (size === -1) {
      this.room(1)[0] = (POINTER << 5) | (3 << 3)
      this.room(4).writeUInt32BE(to)
      return
    }
    const rest = to - POINTERS[size]!.from
    const low = 8 * (size + 1)
    this.room(1)[0] = (POINTER << 5) | (size << 3) | Math.floor(rest / 2 ** low)
    this.room(size + 1).writeUIntBE(rest % 2 ** low, 0, size + 1)
  }

  private number(value: number): void {
    if (!Number.isInteger(value) || value < 0) {
      this.control(DOUBLE, 8)
      this.room(8).writeDoubleBE(value)
    } else if (value < 2 ** 32) {
      this.control(UINT32, 4)
      this.room(4).writeUInt32BE(value)
    } else {
      this.control(UINT64, 8)
      this.room(8).writeBigUInt64BE(BigInt(value))
    }
  }

  private control(type: number, size: number): void {
    const extended = type > 7
    // 29, 30 and 31 say that the size is in 1, 2 or 3 bytes that follow.
    const [short, beside, bytes] =
      size < 29
        ? [size, 0, 0]
        : size < 285
          ? [29, size - 29, 1]
          : size < 65_821
            ? [30, size - 285, 2]
            : [31, size - 65_821, 3]
    this.room(1)[0] = ((extended ? 0 : type) << 5) | short
    if (extended) this.room(1)[0] = type - 7
    if (bytes > 0) this.room(bytes).writeUIntBE(beside, 0, bytes)
  }

  /** The next `bytes` bytes of the section. */
  private room(bytes: number): Buffer {
    const from = this.length
    this.length += bytes
    if (this.length > this.memory.length) {
      const wider = Buffer.alloc(2 * Math.max(this.length, this.memory.length))
      this.memory.copy(wider)
      this.memory = wider
    }
    return this.memory.subarray(from, this.length)
  }
}
