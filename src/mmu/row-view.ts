/**
 * The view of a mapping whose pages are all in memory, young, and in frames that lie in a row: a load needs no look-up.
 *
 *     pages   0  1  2  3  4          offset -> first * pageSize + offset
 *     frames  7  8  9 10 11
 *
 * That is how a mapping lies that was populated while memory was free, and stays while nobody needs its frames. Which view
 * a section gets is decided when it begins (`Views`), and holds to its end, since nothing of the machine runs in a section.
 * Stores are looked up as ever: what may be stored to changes with each writeback.
 *
 * Invariants
 *   RV1 A load finds what the look-up of view.ts would find.
 *   RV2 The table is read through at most once for each change of it, and only after a section in which it didn't change:
 *       a busy table costs sections one comparison. It is read from where the row broke the last time, and from its start if
 *       nothing breaks it from there on.
 *
 * Compare   contiguous entries of one large page, for which the processor needs one TLB entry (arm64 contpte, THP).
 */
import type { Bytes, Pfn, Vpn } from '../base/index.ts'
import { frameOf, type PageTable } from './page-table.ts'
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

/** The two views of one mapping. */
export class Views {
  private readonly table: PageTable
  private readonly start: Vpn
  private readonly end: Vpn
  private readonly scattered: View
  private readonly inRow: RowView
  /** `changes` of the table when the last section began, and when its entries were last read through. */
  private seen = -1
  private looked = -1
  private first: Pfn = 0
  /** Where the row ended when the entries were last read through. */
  private broke: Vpn

  constructor(table: PageTable, memory: FrameMemory, start: Vpn, length: Bytes, undo: UndoLog) {
    this.table = table
    this.start = start
    this.end = start + Math.ceil(length / memory.pageSize)
    this.broke = start
    this.scattered = new View(table, memory, start, length, undo)
    this.inRow = new RowView(table, memory, start, length, undo)
  }

  /** The view for a section that begins now. */
  choose(): View {
    const first = this.firstOfRow()
    if (first === 0) return this.scattered
    this.inRow.place(first)
    return this.inRow
  }

  /** The first frame, if all lie in a row; 0: they don't, or it isn't known. */
  private firstOfRow(): Pfn {
    const { changes } = this.table
    if (changes === this.looked) return this.first
    if (changes !== this.seen) {
      this.seen = changes
      return 0
    }
    this.looked = changes
    const { table, start, end, broke } = this
    // hot: where pages get other frames one after the other, all that is new is how far
    this.broke = table.rowEnd(start, broke, end)
    if (this.broke === end && broke > start) this.broke = table.rowEnd(start, start, end)
    this.first = this.broke === end ? frameOf(table.get(start)) : 0
    return this.first
  }
}
