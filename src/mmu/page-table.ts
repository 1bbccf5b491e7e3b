/**
 * The page table of a space: a number for each page, in leaves that exist only where something is mapped.
 *
 *     directory[vpn >>> 10] -> leaf[vpn & (leaf.length - 1)] -> entry        4 bytes an entry
 *
 *     entry:  pfn or swap slot (27 bits) | SWAP | STORE | LOAD | WRITABLE | PRESENT
 *
 * Leaves are of many sizes, each a power of two of entries, 1024 at least, aligned to itself: a large mapping gets few
 * large leaves, so that the software MMU finds an entry with one index. The host gives the memory of a leaf as it is
 * touched.
 *
 * PRESENT and WRITABLE say what the mapping allows. LOAD and STORE say what the software MMU may do without asking: they
 * are PRESENT and WRITABLE of a page that is young. Reclaim makes an entry old by clearing them; the next touch comes
 * through the fault path and makes it young again, which is how a reference is noticed at no cost to a hit.
 *
 * Invariants
 *   P1  STORE implies LOAD and WRITABLE; LOAD and WRITABLE imply PRESENT; SWAP excludes PRESENT.
 *   P2  `mapped` of a frame (frames.ts) = the entries that map it, over all tables. Kept by the callers of set.
 *   P3  The shared empty leaf stays empty.
 *   P4  All slots of the directory that a leaf covers hold that leaf.
 *   P5  A mirror is told of each entry that changes, after it has.
 *   P6  `changes` has risen since any moment at which a load through the table would have found something else.
 */
import { assert, type Pfn, type Slice, type Vpn } from '../base/index.ts'

export const PRESENT = 1
export const WRITABLE = 2
export const LOAD = 4
export const STORE = 8
export const SWAP = 16
/** Where the number of a frame begins in its entry. */
export const FRAME_SHIFT = 5

const SLOT_BITS = 10
const SLOT = 1 << SLOT_BITS

/** Spaces end at 2^31 pages, so that a page number is a positive int32. */
export const VPN_END: Vpn = 2 ** 31

const EMPTY = new Int32Array(SLOT)

export type Entry = number

/** So many empty entries are passed in the time that one of a page takes. */
const EMPTY_A_PAGE = 64

/** Who keeps a second copy of a table: the hardware MMU. */
export interface TableMirror {
  changed(vpn: Vpn, entry: Entry): void
}

export function entryOf(frame: Pfn, writable: 'writable' | 'read only'): Entry {
  const bits = writable === 'writable' ? PRESENT | LOAD | WRITABLE | STORE : PRESENT | LOAD
  return (frame << FRAME_SHIFT) | bits
}

export function swapEntry(slot: number): Entry {
  return (slot << FRAME_SHIFT) | SWAP
}

/** A present entry as it is, of another frame. */
export function inFrame(entry: Entry, frame: Pfn): Entry {
  return (frame << FRAME_SHIFT) | (entry & ((1 << FRAME_SHIFT) - 1))
}

/** The frame of a present entry, or the slot of a swapped one. */
export function frameOf(entry: Entry): Pfn {
  return entry >>> FRAME_SHIFT
}

export function young(entry: Entry): Entry {
  return entry & WRITABLE ? entry | LOAD | STORE : entry | LOAD
}

export function old(entry: Entry): Entry {
  return entry & ~(LOAD | STORE)
}

export function readOnly(entry: Entry): Entry {
  return entry & ~(WRITABLE | STORE)
}

export class PageTable {
  /** A leaf for each SLOT pages. Read by the software MMU; changed here only. */
  readonly directory: Int32Array[] = []
  /** For a slot without a leaf: how many entries the leaf that will cover it has. */
  private readonly planned: number[] = []
  private readonly leafMax: number
  private readonly mirror: TableMirror | undefined
  private entries = 0
  private changed = 0

  /** `leafMax`: the most entries in one leaf, a power of two of at least 1024. */
  constructor(leafMax: number, mirror?: TableMirror) {
    this.leafMax = Math.max(SLOT, leafMax)
    this.mirror = mirror
  }

  get(vpn: Vpn): Entry {
    const leaf = this.directory[vpn >>> SLOT_BITS]
    return leaf === undefined ? 0 : leaf[vpn & (leaf.length - 1)]!
  }

  set(vpn: Vpn, entry: Entry): void {
    let leaf = this.directory[vpn >>> SLOT_BITS]
    if (leaf === undefined || leaf === EMPTY) {
      if (entry === 0) return
      leaf = this.grow(vpn)
    }
    const at = vpn & (leaf.length - 1)
    const before = leaf[at]!
    leaf[at] = entry
    if (((before ^ entry) & ~(WRITABLE | STORE)) !== 0) this.changed++
    if (this.mirror !== undefined && before !== entry) this.mirror.changed(vpn, entry)
  }

  /** The leaf of `vpn`, which is empty and shared where nothing is mapped. */
  leafOf(vpn: Vpn): Int32Array {
    return this.directory[vpn >>> SLOT_BITS] ?? EMPTY
  }

  /** Rises with what loads find; other than that it has no meaning. */
  get changes(): number {
    return this.changed
  }

  /** The first page of [from, end) that may not be loaded from, or whose frame doesn't lie in a row with that of `start`; or `end`. */
  rowEnd(start: Vpn, from: Vpn, end: Vpn): Vpn {
    const first = frameOf(this.get(start))
    for (let vpn = from; vpn < end; ) {
      const leaf = this.leafOf(vpn)
      const leafEnd = Math.min(end, vpn - (vpn & (leaf.length - 1)) + leaf.length)
      for (; vpn < leafEnd; vpn++) {
        const entry = leaf[vpn & (leaf.length - 1)]!
        if ((entry & LOAD) === 0 || frameOf(entry) !== first + vpn - start) return vpn
      }
    }
    return end
  }

  /** The first page of [from, end) that may not be loaded from; or `end`. */
  presentEnd(from: Vpn, end: Vpn): Vpn {
    for (let vpn = from; vpn < end; ) {
      const leaf = this.leafOf(vpn)
      const leafEnd = Math.min(end, vpn - (vpn & (leaf.length - 1)) + leaf.length)
      for (; vpn < leafEnd; vpn++) if ((leaf[vpn & (leaf.length - 1)]! & LOAD) === 0) return vpn
    }
    return end
  }

  /** The entries of pages [start, end), if they lie in one leaf. They are the table's own. */
  entriesOf(start: Vpn, end: Vpn): Int32Array | undefined {
    const leaf = this.leafOf(start)
    const first = start & (leaf.length - 1)
    return first + end - start <= leaf.length ? leaf.subarray(first, first + end - start) : undefined
  }

  /** Prepares for a mapping of [start, end): large aligned runs of it that hold nothing yet will get large leaves. */
  plan(start: Vpn, end: Vpn): void {
    assert(end <= VPN_END, 'a space ends at 2^31 pages')
    const last = Math.ceil(end / SLOT)
    while (this.directory.length < last) {
      this.directory.push(EMPTY)
      this.planned.push(SLOT)
    }
    for (let slot = start >>> SLOT_BITS; slot < last; ) {
      const size = this.sizeAt(slot, last)
      for (let covered = 0; covered < size / SLOT; covered++) this.planned[slot + covered] = size
      slot += size / SLOT
    }
  }

  /** Page numbers in [start, end) whose entry isn't 0, in order. The entry just seen may be changed meanwhile. */
  *used(start: Vpn, end: Vpn): Generator<Vpn> {
    for (let vpn = start; vpn < end; ) {
      const leaf = this.directory[vpn >>> SLOT_BITS]
      if (leaf === undefined) return
      const leafEnd = Math.min(end, vpn - (vpn & (leaf.length - 1)) + leaf.length)
      if (leaf === EMPTY) vpn = leafEnd
      else for (; vpn < leafEnd; vpn++) if (leaf[vpn & (leaf.length - 1)] !== 0) yield vpn
    }
  }

  /**
   * Calls `act` for the pages of [start, end) whose entry isn't 0, in order, as far as the slice goes; it may change that
   * entry. Returns the page to go on from: `end`, if that was all.
   */
  walk(start: Vpn, end: Vpn, slice: Slice, act: (vpn: Vpn) => void): Vpn {
    for (let vpn = start; vpn < end; ) {
      if (slice.left <= 0) return vpn
      const leaf = this.directory[vpn >>> SLOT_BITS]
      if (leaf === undefined) return end
      const leafEnd = Math.min(end, vpn - (vpn & (leaf.length - 1)) + leaf.length)
      if (leaf === EMPTY) {
        vpn = leafEnd
        slice.left -= 1 / EMPTY_A_PAGE
        continue
      }
      const from = vpn
      let acted = 0
      while (vpn < leafEnd && acted < slice.left && vpn - from < slice.left * EMPTY_A_PAGE) {
        if (leaf[vpn & (leaf.length - 1)] !== 0) {
          act(vpn)
          acted++
        }
        vpn++
      }
      slice.left -= acted + (vpn - from) / EMPTY_A_PAGE
    }
    return end
  }

  /** Gives back the leaves that lie wholly inside [start, end). Everything in the range must be unmapped. */
  prune(start: Vpn, end: Vpn): void {
    const last = Math.min(this.directory.length, end >>> SLOT_BITS)
    for (let slot = Math.ceil(start / SLOT); slot < last; ) {
      const leaf = this.directory[slot]!
      const slots = leaf.length / SLOT
      const whole = slot % slots === 0 && slot + slots <= last
      if (leaf !== EMPTY && whole) {
        this.entries -= leaf.length
        for (let covered = 0; covered < slots; covered++) this.directory[slot + covered] = EMPTY
      }
      slot += whole ? slots : 1
    }
  }

  /** What the table may hold in memory when every page of its leaves has been touched. */
  get bytes(): number {
    return this.entries * 4 + this.directory.length * 16
  }

  private grow(vpn: Vpn): Int32Array {
    const slot = vpn >>> SLOT_BITS
    if (slot >= this.directory.length) this.plan(vpn, vpn + 1)
    let slots = this.planned[slot]! / SLOT
    while (!this.isFree(slot & ~(slots - 1), slots)) slots /= 2
    const leaf = new Int32Array(slots * SLOT)
    const first = slot & ~(slots - 1)
    for (let covered = 0; covered < slots; covered++) this.directory[first + covered] = leaf
    this.entries += leaf.length
    return leaf
  }

  /** The largest leaf that can begin at `slot`, end at `last` or before, and covers only slots that are free. */
  private sizeAt(slot: number, last: number): number {
    let slots = 1
    const max = this.leafMax / SLOT
    while (
      2 * slots <= max &&
      slot % (2 * slots) === 0 &&
      slot + 2 * slots <= last &&
      this.isFree(slot, 2 * slots)
    )
      slots *= 2
    return slots * SLOT
  }

  private isFree(slot: number, slots: number): boolean {
    for (let at = slot; at < slot + slots; at++) if (this.directory[at] !== EMPTY) return false
    return true
  }
}
