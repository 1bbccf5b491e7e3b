/**
 * The software MMU: what a section of a program sees of a mapping. A load or store that hits is a table look-up and a
 * typed-array access; one that misses throws MISS, a single preallocated signal that unwinds the section.
 *
 *     offset -> page -> entry -> frame * pageSize + rest          hit: LOAD (or STORE) is set in the entry
 *                         \----> remember the miss, throw MISS    the door brings the page and runs the section again
 *
 * Stores are logged with what they overwrote (undo-log.ts), and taken back before the section runs again (attempts.ts), so
 * a section takes effect once or not at all. JavaScript runs a section to completion: nobody sees what is rolled back.
 * A view is good for the length of its section and no longer.
 *
 * Invariants
 *   U1  A load returns bytes of the mapping's pages only: every offset is checked against its length.
 *   U5  What is not of the kind that a method takes is refused with EINVAL. (A load of a page in a row is a DataView's own, which
 *       takes what is no whole number for one: row-view.ts.)
 *   U2  After a rollback of the log every byte is as it was at `begin`.
 *   U4  A hit allocates nothing.
 *
 * Compare   the look-up is what a TLB and a page walk do; an entry without LOAD is a missing accessed bit.
 */
import { type Bytes, FaultlineError, type Vpn } from '../base/index.ts'
import { type Entry, FRAME_SHIFT, frameOf, LOAD, STORE } from './page-table.ts'
import type { Stored, UndoLog } from './undo-log.ts'

export interface Miss {
  readonly vpn: Vpn
  readonly access: 'load' | 'store'
}

/** The one signal. It has no stack and is compared by identity. */
export const MISS = Object.freeze({ signal: 'a page is missing: let this signal pass' })

// hot: constants of this module are folded into compiled code; imported ones are read from their cells and checked at
// each load. With one bound for all widths this takes a random load from 69 ns to 60, a sequential one from 11 to 9.
const MAY_LOAD: number = LOAD
const FRAME: number = FRAME_SHIFT
/** The widest access of one load. */
const WIDEST = 8
/** So many elements are gathered at a time. */
const BATCH = 1024
/** What isn't UTF-8 is U+FFFD; a byte order mark stays. */
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** What `gather` fills and `scatter` takes from. */
export type Elements =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array

/** Where each element lies, in bytes. */
export type Offsets = Float64Array | Uint32Array | Int32Array | readonly Bytes[]

/** What it looks pages up in: the page table of a space, or what the hardware MMU says of one mapping. */
export interface Walk {
  get(vpn: Vpn): Entry
  leafOf(vpn: Vpn): Int32Array
}

/** The memory that entries lead to. */
export interface FrameMemory extends Stored {
  readonly pageSize: Bytes
  /** How many pages may be in it at once. */
  readonly count: number
}

export class View {
  /** Length of the mapping in bytes. */
  readonly length: Bytes
  /** Pages the section needed and didn't find, in the order it asked. */
  misses: Miss[] = []
  private readonly table: Walk
  private readonly base: Vpn
  /** What entries lead to, and its two faces. */
  private memory: Stored
  protected words: DataView
  private data: Uint8Array
  protected readonly pageSize: Bytes
  protected readonly shift: number
  protected readonly mask: number
  /** The window: what the mapping has of the leaf that was used last, from offset `from` to `from + span`, span < 2^31. */
  private leaf: Int32Array = new Int32Array(0)
  /** All of that leaf. */
  private whole: Int32Array = this.leaf
  private from: Bytes = 0
  private span: Bytes = -1
  /** The last offset into the window at which every load lies inside it; below 0: none does. */
  private last: Bytes = -1
  private readonly scratch = new DataView(new ArrayBuffer(8))
  private readonly places = new Float64Array(BATCH)
  /** Whether MISS was thrown since `begin`. */
  private stopped = false

  /** Whether a section that may use it is running. */
  private open = false
  private readonly undo: UndoLog
  /** More pages than this are not asked for at once: they would have to be in memory together. */
  private readonly missesMax: number

  /** `undo`: the log that it shares with the views of other sections of the machine. */
  constructor(table: Walk, frames: FrameMemory, base: Vpn, length: Bytes, undo: UndoLog) {
    this.table = table
    this.memory = frames
    this.base = base
    this.length = length
    this.words = frames.words
    this.data = frames.data
    // hot: a whole number of 32 bits, whatever was given
    this.pageSize = frames.pageSize | 0
    this.mask = frames.pageSize - 1
    this.shift = 31 - Math.clz32(frames.pageSize)
    this.undo = undo
    this.missesMax = Math.max(1, frames.count >>> 1)
  }

  u8(offset: Bytes): number {
    const at = this.find(offset, 1, LOAD)
    return this.data[at]!
  }

  // hot: one leaf, one entry, one load; `npm run bench` holds it against a raw DataView
  u32(offset: Bytes): number {
    if (!Number.isSafeInteger(offset)) throw this.outside(offset, 4)
    const at = offset - this.from
    if (at >= 0 && at <= this.last) {
      const entry = this.leaf[at >>> this.shift]!
      const rest = at & this.mask
      if ((entry & MAY_LOAD) !== 0 && rest <= this.pageSize - 4)
        return this.words.getUint32((entry >>> FRAME) * this.pageSize + rest, true)
    }
    return this.load(offset, 4).getUint32(0, true)
  }

  i32(offset: Bytes): number {
    return this.u32(offset) | 0
  }

  u16(offset: Bytes): number {
    return this.load(offset, 2).getUint16(0, true)
  }

  f32(offset: Bytes): number {
    return this.load(offset, 4).getFloat32(0, true)
  }

  f64(offset: Bytes): number {
    if (!Number.isSafeInteger(offset)) throw this.outside(offset, 8)
    const at = offset - this.from
    if (at >= 0 && at <= this.last) {
      const entry = this.leaf[at >>> this.shift]!
      const rest = at & this.mask
      if ((entry & MAY_LOAD) !== 0 && rest <= this.pageSize - 8)
        return this.words.getFloat64((entry >>> FRAME) * this.pageSize + rest, true)
    }
    return this.load(offset, 8).getFloat64(0, true)
  }

  u64(offset: Bytes): bigint {
    return this.load(offset, 8).getBigUint64(0, true)
  }

  i8(offset: Bytes): number {
    return (this.u8(offset) << 24) >> 24
  }

  i16(offset: Bytes): number {
    return (this.u16(offset) << 16) >> 16
  }

  i64(offset: Bytes): bigint {
    return BigInt.asIntN(64, this.u64(offset))
  }

  text(offset: Bytes, length: Bytes): string {
    return UTF8.decode(this.bytes(offset, length))
  }

  /** How [offset, offset + bytes.length) stands to `bytes`, as memcmp(3) says. Pages behind the first difference aren't needed. */
  compare(offset: Bytes, bytes: Uint8Array): -1 | 0 | 1 {
    checkBytes(bytes, 'compare')
    this.check(offset, bytes.length)
    for (let done = 0; done < bytes.length; ) {
      const part = this.partAt(offset + done, bytes.length - done)
      for (let byte = 0; byte < part.length; byte++) {
        const here = part[byte]!
        const there = bytes[done + byte]!
        if (here !== there) return here < there ? -1 : 1
      }
      done += part.length
    }
    return 0
  }

  /** Where `bytes` lie first as a whole in [from, to); -1 if nowhere. */
  indexOf(bytes: Uint8Array, from: Bytes = 0, to: Bytes = this.length): Bytes {
    checkBytes(bytes, 'indexOf')
    this.check(from, 0)
    if (!Number.isSafeInteger(to)) throw this.outside(to, 0)
    this.check(from, to - from)
    if (bytes.length === 0) return from
    const first = bytes[0]!
    const end = to - bytes.length + 1
    for (let at = from; at < end; ) {
      const part = this.partAt(at, to - at)
      const within = Math.min(part.length, end - at)
      for (
        let found = part.indexOf(first);
        found !== -1 && found < within;
        found = part.indexOf(first, found + 1)
      )
        if (this.compare(at + found, bytes) === 0) return at + found
      at += part.length
    }
    return -1
  }

  /** A copy of [offset, offset + length). */
  bytes(offset: Bytes, length: Bytes): Uint8Array {
    this.check(offset, length)
    const copy = new Uint8Array(length)
    this.read(offset, copy)
    return copy
  }

  /** Fills `target` from `offset`. All of its pages are asked for before the first is copied. */
  read(offset: Bytes, target: Uint8Array): void {
    checkBytes(target, 'read')
    this.want(offset, target.length)
    this.settle()
    for (let done = 0; done < target.length; ) {
      const at = this.find(offset + done, 1, LOAD)
      const part = Math.min(target.length - done, this.pageSize - (at & this.mask))
      if (part < 64) for (let byte = 0; byte < part; byte++) target[done + byte] = this.data[at + byte]!
      else target.set(this.data.subarray(at, at + part), done)
      done += part
    }
  }

  /**
   * [offset, offset + length) as it lies in memory, piece by piece: nothing is copied, and a piece goes on as long as frames lie
   * in a row. If a page is missing, the others of the range are asked for with it.
   */
  *runs(offset: Bytes, length: Bytes): Generator<Uint8Array, void, undefined> {
    this.check(offset, length)
    for (let done = 0; done < length; ) {
      const bytes = this.runAt(offset + done, length - done)
      yield bytes
      done += bytes.length
    }
  }

  /** Hands each piece of `runs` to `act`. */
  eachRun(offset: Bytes, length: Bytes, act: (bytes: Uint8Array) => void): void {
    this.check(offset, length)
    if (typeof act !== 'function') throw notA('function', act, 'eachRun')
    for (let done = 0; done < length; ) {
      const bytes = this.runAt(offset + done, length - done)
      act(bytes)
      done += bytes.length
    }
  }

  /** Loads as many elements as `target` has, each from its offset. All that is missing is brought together. */
  gather(offsets: Offsets, target: Elements): void {
    checkElements(offsets, target, 'gather')
    const size = target.BYTES_PER_ELEMENT
    const { buffer, byteOffset, length } = target
    if (size === 4 && IS_LITTLE) this.gatherWords(offsets, new Uint32Array(buffer, byteOffset, length))
    else {
      this.askEach(offsets, size, LOAD)
      this.settle()
      const into = new Uint8Array(buffer, byteOffset, length * size)
      for (let each = 0; each < length; each++) {
        const value = this.load(offsets[each]!, size)
        for (let byte = 0; byte < size; byte++)
          into[each * size + byte] = value.getUint8(IS_LITTLE ? byte : size - 1 - byte)
      }
    }
  }

  /** Stores the elements of `source`, each to its offset, one after the other. All that is missing is brought together. */
  scatter(offsets: Offsets, source: Elements): void {
    checkElements(offsets, source, 'scatter')
    const size = source.BYTES_PER_ELEMENT
    const { buffer, byteOffset, length } = source
    if (size === 4 && IS_LITTLE) {
      this.scatterWords(offsets, new Uint32Array(buffer, byteOffset, length))
      return
    }
    this.askEach(offsets, size, STORE)
    this.settle()
    const from = new Uint8Array(source.buffer, source.byteOffset, source.length * size)
    for (let each = 0; each < source.length; each++) {
      for (let byte = 0; byte < size; byte++)
        this.scratch.setUint8(IS_LITTLE ? byte : size - 1 - byte, from[each * size + byte]!)
      this.store(offsets[each]!, size)
    }
  }

  setU8(offset: Bytes, value: number): void {
    if (typeof value !== 'number') throw notA('number', value, 'setU8')
    const at = this.find(offset, 1, STORE)
    this.undo.note(this.memory, at, 1)
    this.data[at] = value
  }

  setU16(offset: Bytes, value: number): void {
    if (typeof value !== 'number') throw notA('number', value, 'setU16')
    this.scratch.setUint16(0, value, true)
    this.store(offset, 2)
  }

  setU32(offset: Bytes, value: number): void {
    if (typeof value !== 'number') throw notA('number', value, 'setU32')
    if (typeof offset !== 'number') throw this.outside(offset, 4)
    if ((offset & this.mask) <= this.pageSize - 4) {
      const at = this.find(offset, 4, STORE)
      this.undo.note(this.memory, at, 4)
      this.words.setUint32(at, value, true)
      return
    }
    this.scratch.setUint32(0, value, true)
    this.store(offset, 4)
  }

  setI32(offset: Bytes, value: number): void {
    this.setU32(offset, value)
  }

  setF32(offset: Bytes, value: number): void {
    if (typeof value !== 'number') throw notA('number', value, 'setF32')
    this.scratch.setFloat32(0, value, true)
    this.store(offset, 4)
  }

  setF64(offset: Bytes, value: number): void {
    if (typeof value !== 'number') throw notA('number', value, 'setF64')
    this.scratch.setFloat64(0, value, true)
    this.store(offset, 8)
  }

  setU64(offset: Bytes, value: bigint): void {
    if (typeof value !== 'bigint') throw notA('bigint', value, 'setU64')
    this.scratch.setBigUint64(0, value, true)
    this.store(offset, 8)
  }

  setI8(offset: Bytes, value: number): void {
    this.setU8(offset, value)
  }

  setI16(offset: Bytes, value: number): void {
    this.setU16(offset, value)
  }

  setI64(offset: Bytes, value: bigint): void {
    this.setU64(offset, value)
  }

  /** Copies `source` to `offset`. All of its pages are asked for before the first byte is stored. */
  write(offset: Bytes, source: Uint8Array): void {
    checkBytes(source, 'write')
    this.ask(offset, source.length, STORE)
    this.settle()
    for (let done = 0; done < source.length; ) {
      const at = this.find(offset + done, 1, STORE)
      const part = Math.min(source.length - done, this.pageSize - (at & this.mask))
      this.undo.noteBlob(this.memory, at, part)
      this.data.set(source.subarray(done, done + part), at)
      done += part
    }
  }

  /**
   * Says that the section will read [offset, offset + length). It never unwinds: what is missing is brought together
   * with the page at which the section stops next, so that N cold pages cost one round trip.
   */
  want(offset: Bytes, length: Bytes): void {
    this.ask(offset, length, LOAD)
  }

  /** Stops here if a page that was asked for by `want` is missing. */
  settle(): void {
    if (this.misses.length > 0) this.stop()
  }

  // ---- for the door

  /** Whether MISS has been thrown since `begin`. */
  get missed(): boolean {
    return this.stopped
  }

  begin(): void {
    if (this.misses.length > 0) this.misses = []
    this.open = true
    // Leaves may have come or gone since the last section.
    this.span = -1
    this.last = -1
  }

  /** The section that it took part in is over, one way or the other. */
  close(): void {
    this.stopped = false
    this.open = false
    this.span = -1
    this.last = -1
  }

  /** Where in memory `size` bytes at `offset` are, within one page. Throws MISS or a RangeError. */
  private find(offset: Bytes, size: number, need: typeof LOAD | typeof STORE): number {
    if (!Number.isSafeInteger(offset)) throw this.outside(offset, size)
    const at = offset - this.from
    if (!(at >= 0 && at <= this.span - size)) {
      this.check(offset, size)
      this.moveWindow(offset)
      return this.find(offset, size, need)
    }
    const entry = this.leaf[at >>> this.shift]!
    if ((entry & need) === 0) {
      this.misses.push({ vpn: this.vpnOf(offset), access: need === LOAD ? 'load' : 'store' })
      this.stop()
    }
    return frameOf(entry) * this.pageSize + (at & this.mask)
  }

  /** The bytes of memory that are [offset, offset + length), as far as they lie in one page. */
  private partAt(offset: Bytes, length: Bytes): Uint8Array {
    const at = this.startOf(offset, length)
    return this.data.subarray(at, at + Math.min(length, this.pageSize - (at & this.mask)))
  }

  /** Where in memory [offset, offset + length) begins. If that page is missing, the others of the range are asked for with it. */
  private startOf(offset: Bytes, length: Bytes): number {
    if ((this.table.get(this.vpnOf(offset)) & LOAD) === 0) {
      this.ask(offset, length, LOAD)
      this.settle()
    }
    return this.find(offset, 1, LOAD)
  }

  /** As much of [offset, offset + length) as lies in a row from `offset` on. */
  private runAt(offset: Bytes, length: Bytes): Uint8Array {
    const start = this.startOf(offset, length)
    let size = Math.min(length, this.pageSize - (start & this.mask))
    while (size < length && this.lies(offset + size, start + size))
      size += Math.min(this.pageSize, length - size)
    return this.data.subarray(start, start + size)
  }

  /** Whether the page of `offset`, behind the start of the window, is there and lies at `at` in the memory that is looked at. */
  private lies(offset: Bytes, at: number): boolean {
    const within = offset - this.from
    if (within >= this.span) return false
    const entry = this.leaf[within >>> this.shift]!
    return (entry & LOAD) !== 0 && frameOf(entry) * this.pageSize === at
  }

  // hot: first where the elements of a batch lie, then what lies there: a processor goes on past a miss of its caches for some
  // hundred instructions, and so has as many loads on their way as a loop of bare loads has (decision 0011).
  private gatherWords(offsets: Offsets, into: Uint32Array): void {
    let missing: Set<Vpn> | undefined
    for (let each = 0; each < into.length; ) {
      const batchEnd = Math.min(each + BATCH, into.length)
      const placed = this.placeWords(offsets, each, batchEnd, LOAD)
      const { words, places } = this
      for (let first = each; each < placed; each++) into[each] = words.getUint32(places[each - first]!, true)
      if (placed === batchEnd) continue
      missing = this.note(offsets[each]!, 4, LOAD, missing)
      if (this.misses.length === 0) into[each] = this.load(offsets[each]!, 4).getUint32(0, true)
      each++
    }
    this.settle()
  }

  // hot: as gatherWords. Nothing is stored before all pages are there.
  private scatterWords(offsets: Offsets, from: Uint32Array): void {
    let missing: Set<Vpn> | undefined
    for (let each = 0; each < from.length; ) {
      const batchEnd = Math.min(each + BATCH, from.length)
      each = this.placeWords(offsets, each, batchEnd, STORE)
      if (each < batchEnd) missing = this.note(offsets[each++]!, 4, STORE, missing)
    }
    this.settle()
    for (let each = 0; each < from.length; ) {
      const batchEnd = Math.min(each + BATCH, from.length)
      const placed = this.placeWords(offsets, each, batchEnd, STORE)
      const { words, places, undo, memory } = this
      for (let first = each; each < placed; each++) {
        const place = places[each - first]!
        undo.note(memory, place, 4)
        words.setUint32(place, from[each]!, true)
      }
      if (each === batchEnd) continue
      this.scratch.setUint32(0, from[each]!, true)
      this.store(offsets[each++]!, 4)
    }
  }

  /** Where in memory the words at the offsets [begin, end) lie, up to the first that isn't there, in the window, in one page. */
  private placeWords(offsets: Offsets, begin: number, end: number, need: typeof LOAD | typeof STORE): number {
    const { places, from, last, leaf, shift, mask, pageSize } = this
    for (let each = begin; each < end; ) {
      let offset = offsets[each]!
      const at = (offset - from) | 0
      if (at !== offset - from || at < 0 || at > last) return each
      const entry = leaf[at >>> shift]!
      const rest = at & mask
      if ((entry & need) === 0 || rest > pageSize - 4) return each
      let place = (entry >>> FRAME) * pageSize + rest
      places[each++ - begin] = place
      if (each === end || offsets[each] !== offset + 4) continue
      // Words in a row lie in a row, as far as the page and the window go.
      const rowEnd = Math.min(end, each - 1 + (Math.min(pageSize - rest, last + 4 - at) >>> 2))
      for (offset += 4; each < rowEnd && offsets[each] === offset; each++, offset += 4) {
        place += 4
        places[each - begin] = place
      }
    }
    return end
  }

  /** Notes each page of the elements that isn't there, once. */
  private askEach(offsets: Offsets, size: number, need: typeof LOAD | typeof STORE): void {
    let missing: Set<Vpn> | undefined
    for (let each = 0; each < offsets.length; each++) missing = this.note(offsets[each]!, size, need, missing)
  }

  /** Notes the pages of [offset, offset + size) that aren't there, unless they were noted before: those are in `missing`. */
  private note(
    offset: Bytes,
    size: number,
    need: typeof LOAD | typeof STORE,
    missing: Set<Vpn> | undefined,
  ): Set<Vpn> | undefined {
    this.check(offset, size)
    const last = this.vpnOf(offset + size - 1)
    let noted = missing
    for (let vpn = this.vpnOf(offset); vpn <= last; vpn++) {
      if ((this.table.get(vpn) & need) !== 0 || noted?.has(vpn)) continue
      if (this.misses.length >= this.missesMax) return noted
      noted ??= new Set()
      noted.add(vpn)
      this.misses.push({ vpn, access: need === LOAD ? 'load' : 'store' })
    }
    return noted
  }

  private vpnOf(offset: Bytes): Vpn {
    return this.base + Math.floor(offset / this.pageSize)
  }

  /** The entries of the next window lead to this memory. */
  protected lookAt(memory: Stored): void {
    this.memory = memory
    this.words = memory.words
    this.data = memory.data
  }

  /** Turns the window to the leaf that holds the page of `offset`. */
  protected moveWindow(offset: Bytes): void {
    const vpn = this.vpnOf(offset)
    const leaf = this.table.leafOf(vpn)
    const leafStart = vpn - (vpn & (leaf.length - 1))
    const first = Math.max(this.base, leafStart)
    const from = (first - this.base) * this.pageSize
    if (leaf !== this.whole || from !== this.from) this.leaf = leaf.subarray(first - leafStart)
    this.whole = leaf
    this.from = from
    this.span = Math.min(this.length - this.from, this.leaf.length * this.pageSize)
    this.last = this.span - WIDEST
  }

  /** `size` bytes at `offset`, which may cross into the next page, brought together. */
  private load(offset: Bytes, size: number): DataView {
    this.check(offset, size)
    if ((offset & this.mask) <= this.pageSize - size) {
      const at = this.find(offset, size, LOAD)
      for (let byte = 0; byte < size; byte++) this.scratch.setUint8(byte, this.data[at + byte]!)
      return this.scratch
    }
    this.ask(offset, size, LOAD)
    for (let byte = 0; byte < size; byte++) {
      const at = this.find(offset + byte, 1, LOAD)
      this.scratch.setUint8(byte, this.data[at]!)
    }
    return this.scratch
  }

  /** Stores the first `size` bytes of scratch at `offset`. */
  private store(offset: Bytes, size: number): void {
    this.check(offset, size)
    if ((offset & this.mask) > this.pageSize - size) this.ask(offset, size, STORE)
    for (let byte = 0; byte < size; byte++) this.find(offset + byte, 1, STORE)
    for (let byte = 0; byte < size; byte++) {
      const at = this.find(offset + byte, 1, STORE)
      this.undo.note(this.memory, at, 1)
      this.data[at] = this.scratch.getUint8(byte)
    }
  }

  /** Notes every page of the range that isn't there as a miss, without unwinding. */
  private ask(offset: Bytes, length: Bytes, need: typeof LOAD | typeof STORE): void {
    if (length === 0) this.check(offset, length)
    else this.note(offset, length, need, undefined)
  }

  private stop(): never {
    this.stopped = true
    throw MISS
  }

  private check(offset: Bytes, size: number): void {
    if (
      !this.open ||
      !Number.isSafeInteger(offset) ||
      offset < 0 ||
      !Number.isSafeInteger(size) ||
      size < 0 ||
      offset > this.length - size
    )
      throw this.outside(offset, size)
  }

  protected outside(offset: unknown, size: unknown): Error {
    if (!this.open)
      return new FaultlineError(
        'EBADF',
        'run',
        'this view was used outside of its section; use it only inside the function given to run',
      )
    if (typeof offset !== 'number') return notA('number', offset, 'an offset')
    if (!Number.isSafeInteger(offset)) return new RangeError(`offset ${offset} isn't a whole number of bytes`)
    if (typeof size !== 'number') return notA('number', size, 'a length')
    if (!Number.isSafeInteger(size) || size < 0)
      return new RangeError(`length ${size} isn't a whole number of bytes from 0`)
    if (size > this.length)
      return new RangeError(
        `length ${size} is longer than the mapping: expected at most its ${this.length} bytes`,
      )
    return new RangeError(
      `offset ${offset} with ${size} bytes is outside the mapping: expected 0 <= offset <= ${this.length - size}`,
    )
  }
}

/** Of the numbers in typed arrays on this host; in files they are little-endian. */
const IS_LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

function checkElements(offsets: unknown, elements: unknown, method: string): void {
  if (!ArrayBuffer.isView(elements) || elements instanceof DataView)
    throw notA('typed array', elements, method)
  if (!Array.isArray(offsets) && !(ArrayBuffer.isView(offsets) && !(offsets instanceof DataView)))
    throw notA('list of offsets', offsets, method)
  const isOfNumbers = Array.isArray(offsets)
    ? offsets.every(each => typeof each === 'number')
    : !(offsets instanceof BigInt64Array || offsets instanceof BigUint64Array)
  if (!isOfNumbers)
    throw new FaultlineError(
      'EINVAL',
      'run',
      `${method} of a view: expected offsets that are numbers, in bytes`,
    )
  const { length } = elements as Uint8Array
  if ((offsets as Uint8Array).length !== length)
    throw new FaultlineError(
      'EINVAL',
      'run',
      `${method} of a view: expected as many offsets as elements, got ${(offsets as Uint8Array).length} and ${length}`,
    )
}

/** Text has a length and elements too, which compare with nothing. */
function checkBytes(bytes: unknown, method: string): void {
  if (!(bytes instanceof Uint8Array)) throw notA('Uint8Array or Buffer', bytes, method)
}

function notA(kind: string, given: unknown, method: string): FaultlineError {
  const got = given === null ? 'null' : typeof given
  return new FaultlineError(
    'EINVAL',
    'run',
    `${method} of a view: expected a ${kind}, got ${got === 'object' ? 'an object' : got}`,
  )
}
