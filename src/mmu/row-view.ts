/**
 * The views of a mapping whose pages are all in memory and young. Where their frames lie in a row, a load needs no look-up;
 * where they lie anywhere, it needs one that can't miss.
 *
 *     pages   0  1  2  3  4          in a row    offset -> first * pageSize + offset
 *     frames  7  8  9 10 11
 *     frames  9 30  2  4  7          anywhere    offset -> entries[page] -> frame * pageSize + rest
 *
 * The first is how a mapping lies that was populated while memory was free, and stays while nobody needs its frames. Which view
 * a section gets is decided when it begins (`Views`), and holds to its end, since nothing of the machine runs in a section.
 * Stores are looked up as ever: what may be stored to changes with each writeback.
 *
 * Invariants
 *   RV1 A load finds what the look-up of view.ts would find.
 *   RV2 The table is read through at most once for each change of it, and only after a section in which it didn't change:
 *       a busy table costs sections one comparison. It is read from where the row broke, or a page was missing, the last time,
 *       and from its start if nothing is amiss from there on.
 *
 * Compare   contiguous entries of one large page, for which the processor needs one TLB entry (arm64 contpte, THP).
 */
import type { Bytes, Pfn, Vpn } from '../base/index.ts'
import { FRAME_SHIFT, frameOf, type PageTable } from './page-table.ts'
import type { UndoLog } from './undo-log.ts'
import { type FrameMemory, View } from './view.ts'

const NONE: DataView = new DataView(new ArrayBuffer(0))

// hot: without a call on the way, V8 hoists the checks of a loop of loads as it does for a bare DataView. What lies outside
// of the row is refused by the DataView itself, and told in our words.
class RowView extends View {
  private first: Pfn = 0
  private row = NONE
  /** The row while a section runs. */
  private current = NONE

  /** Where the row begins from now on. */
  place(first: Pfn): void {
    if (first === this.first) return
    const { buffer, byteOffset } = this.words
    this.first = first
    this.row = new DataView(buffer, byteOffset + first * this.pageSize, this.length)
  }

  override begin(): void {
    super.begin()
    this.current = this.row
  }

  override close(): void {
    super.close()
    this.current = NONE
  }

  override u8(offset: Bytes): number {
    try {
      return this.current.getUint8(offset)
    } catch {
      throw this.outside(offset, 1)
    }
  }

  override u16(offset: Bytes): number {
    try {
      return this.current.getUint16(offset, true)
    } catch {
      throw this.outside(offset, 2)
    }
  }

  override u32(offset: Bytes): number {
    try {
      return this.current.getUint32(offset, true)
    } catch {
      throw this.outside(offset, 4)
    }
  }

  override i32(offset: Bytes): number {
    try {
      return this.current.getInt32(offset, true)
    } catch {
      throw this.outside(offset, 4)
    }
  }

  override f32(offset: Bytes): number {
    try {
      return this.current.getFloat32(offset, true)
    } catch {
      throw this.outside(offset, 4)
    }
  }

  override f64(offset: Bytes): number {
    try {
      return this.current.getFloat64(offset, true)
    } catch {
      throw this.outside(offset, 8)
    }
  }

  override u64(offset: Bytes): bigint {
    try {
      return this.current.getBigUint64(offset, true)
    } catch {
      throw this.outside(offset, 8)
    }
  }
}

// hot: as above, and for the same reason the one check is whether there is memory at the place: whatever else there is to say
// of an offset is said by the look-up of view.ts (decision 0011).
class PresentView extends View {
  /** The entries of the mapping's pages, in order. */
  private entries: Int32Array = NO_ENTRIES
  /** The same while a section runs, and the length of what may be loaded from. */
  private current: Int32Array = NO_ENTRIES
  private end: Bytes = 0

  place(entries: Int32Array): void {
    this.entries = entries
  }

  override begin(): void {
    super.begin()
    this.current = this.entries
    this.end = this.length
  }

  override close(): void {
    super.close()
    this.current = NO_ENTRIES
    this.end = 0
  }

  override u8(offset: Bytes): number {
    try {
      return this.words.getUint8(this.placeOf(offset, 1))
    } catch {
      return super.u8(offset)
    }
  }

  override u16(offset: Bytes): number {
    try {
      return this.words.getUint16(this.placeOf(offset, 2), true)
    } catch {
      return super.u16(offset)
    }
  }

  override u32(offset: Bytes): number {
    try {
      return this.words.getUint32(this.placeOf(offset, 4), true)
    } catch {
      return super.u32(offset)
    }
  }

  override i32(offset: Bytes): number {
    try {
      return this.words.getInt32(this.placeOf(offset, 4), true)
    } catch {
      return super.i32(offset)
    }
  }

  override f32(offset: Bytes): number {
    try {
      return this.words.getFloat32(this.placeOf(offset, 4), true)
    } catch {
      return super.f32(offset)
    }
  }

  override f64(offset: Bytes): number {
    try {
      return this.words.getFloat64(this.placeOf(offset, 8), true)
    } catch {
      return super.f64(offset)
    }
  }

  override u64(offset: Bytes): bigint {
    try {
      return this.words.getBigUint64(this.placeOf(offset, 8), true)
    } catch {
      return super.u64(offset)
    }
  }

  /** Where in memory `size` bytes at `offset` are; where none is, unless they are bytes of one page. */
  private placeOf(offset: Bytes, size: number): number {
    const at = offset | 0
    const rest = at & this.mask
    return at === offset && at >= 0 && at <= this.end - size && rest <= this.mask - (size - 1)
      ? (this.current[at >>> this.shift]! >>> FRAME) * this.pageSize + rest
      : NOWHERE
  }
}

const NO_ENTRIES = new Int32Array(0)
const NOWHERE = -1
// hot: see view.ts
const FRAME: number = FRAME_SHIFT

/** The views of one mapping. */
export class Views {
  private readonly table: PageTable
  private readonly start: Vpn
  private readonly end: Vpn
  private readonly missing: View
  private readonly present: PresentView
  private readonly inRow: RowView
  /** `changes` of the table when the last section began, and when its entries were last read through. */
  private seen = -1
  private looked = -1
  /** Where the row ended, and where the first page was missing, when the entries were last read through. */
  private broke: Vpn
  private gap: Vpn
  /** What was found then. */
  private chosen: View

  constructor(table: PageTable, memory: FrameMemory, start: Vpn, length: Bytes, undo: UndoLog) {
    this.table = table
    this.start = start
    this.end = start + Math.ceil(length / memory.pageSize)
    this.broke = start
    this.gap = start
    this.missing = new View(table, memory, start, length, undo)
    this.present = new PresentView(table, memory, start, length, undo)
    this.inRow = new RowView(table, memory, start, length, undo)
    this.chosen = this.missing
  }

  /** The view for a section that begins now. */
  choose(): View {
    const { changes } = this.table
    if (changes === this.looked) return this.chosen
    if (changes !== this.seen) {
      this.seen = changes
      return this.missing
    }
    this.looked = changes
    this.chosen = this.look()
    return this.chosen
  }

  // hot: where pages come, or get other frames, one after the other, all that is new is how far
  private look(): View {
    const { table, start, end, broke, gap, inRow, present } = this
    this.broke = table.rowEnd(start, broke, end)
    if (this.broke === end && broke > start) this.broke = table.rowEnd(start, start, end)
    if (this.broke === end) {
      inRow.place(frameOf(table.get(start)))
      return inRow
    }
    const entries = table.entriesOf(start, end)
    if (entries === undefined) return this.missing
    this.gap = table.presentEnd(gap, end)
    if (this.gap === end && gap > start) this.gap = table.presentEnd(start, end)
    if (this.gap < end) return this.missing
    present.place(entries)
    return present
  }
}
