/**
 * The view that sections have of a hardware mapping. Its pages lie in a row, so an entry's frame is the page itself,
 * counted from the start of a window: a window has no more bytes than 32 bits can count, and no more pages than an entry.
 *
 *     offset -> window -> leaf: LOAD | STORE | page of the window       one leaf a window, parts of the mirror's
 *                     \-> memory: the window's part of the array
 *
 * Invariants
 *   WN1 An offset is looked up in the leaf, and found in the memory, of its own window.
 */
import type { Bytes } from '../base/index.ts'
import { entryOf, LOAD, STORE, type Stored, type UndoLog, View, type Walk } from '../mmu/index.ts'

const WINDOW: Bytes = 2 ** 31

/** The entry of a page of a mapping that may be used as `allowed` says: LOAD, STORE or both. */
export function windowEntry(page: number, pageSize: Bytes, allowed: number): number {
  return (entryOf(page % (WINDOW / pageSize), 'writable') & ~(LOAD | STORE)) | allowed
}

/** A leaf for so many pages, to be looked up in by the low bits of a page number. All of its pages are absent. */
export function leafFor(pages: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4 * 2 ** Math.ceil(Math.log2(pages))))
}

/** Leaf and memory of each window that was looked at. */
class Windows implements Walk {
  private readonly leaf: Int32Array
  private readonly array: Uint8Array
  private readonly pages: number
  private readonly leaves: Int32Array[] = []
  private readonly parts: Stored[] = []

  constructor(leaf: Int32Array, array: Uint8Array, pageSize: Bytes) {
    this.leaf = leaf
    this.array = array
    this.pages = WINDOW / pageSize
  }

  get(page: number): number {
    return this.leaf[page]!
  }

  leafOf(page: number): Int32Array {
    const { pages, leaf } = this
    const at = Math.floor(page / pages)
    this.leaves[at] ??= leaf.subarray(at * pages, (at + 1) * pages)
    return this.leaves[at]
  }

  memoryOf(offset: Bytes): Stored {
    const at = Math.floor(offset / WINDOW)
    this.parts[at] ??= this.part(at * WINDOW)
    return this.parts[at]
  }

  private part(from: Bytes): Stored {
    const data = this.array.subarray(from, from + WINDOW)
    return { data, words: new DataView(data.buffer, data.byteOffset, data.length) }
  }
}

export class WindowedView extends View {
  private readonly windows: Windows

  /** `frames`: how many pages may be in memory at once. */
  constructor(leaf: Int32Array, array: Uint8Array, pageSize: Bytes, frames: number, undo: UndoLog) {
    const windows = new Windows(leaf, array, pageSize)
    const memory = { ...windows.memoryOf(0), pageSize, count: frames }
    super(windows, memory, 0, array.length, undo)
    this.windows = windows
  }

  protected override moveWindow(offset: Bytes): void {
    super.moveWindow(offset)
    this.lookAt(this.windows.memoryOf(offset))
  }
}
