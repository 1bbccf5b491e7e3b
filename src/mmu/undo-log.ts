/**
 * What the stores of a section overwrote, in the order they were made, so that they can be taken back. A machine has one
 * log: sections that run inside one another share it, and are undone in the reverse order of all their stores.
 *
 * Invariants
 *   UL1 After rollback(mark) every byte is as it was when `mark` was taken.
 *   UL2 Noting a store of 1 or 4 bytes allocates nothing, but for the rare doubling of the log.
 */
import type { Bytes } from '../base/index.ts'
import type { Frames } from '../memory/index.ts'

const BLOB = 255
const LOG_START = 64

export class UndoLog {
  private readonly data: Uint8Array
  private readonly words: DataView
  /** Where, how many bytes, and what stood there: the bytes themselves, or which blob holds them. */
  private length = 0
  private at = new Float64Array(LOG_START)
  private size = new Uint8Array(LOG_START)
  private low = new Uint32Array(LOG_START)
  private readonly blobs: Uint8Array[] = []

  constructor({ data, words }: Frames) {
    this.data = data
    this.words = words
  }

  /** A moment to roll back to. */
  get mark(): number {
    return this.length
  }

  /** `size` bytes at `at` of memory are about to be overwritten. */
  note(at: Bytes, size: 1 | 4): void {
    const entry = this.length++
    if (entry === this.at.length) this.grow()
    this.at[entry] = at
    this.size[entry] = size
    this.low[entry] = size === 1 ? this.data[at]! : this.words.getUint32(at, true)
  }

  noteBlob(at: Bytes, length: Bytes): void {
    const entry = this.length++
    if (entry === this.at.length) this.grow()
    this.at[entry] = at
    this.size[entry] = BLOB
    this.low[entry] = this.blobs.push(this.data.slice(at, at + length)) - 1
  }

  rollback(mark: number): void {
    while (this.length > mark) {
      const entry = --this.length
      const at = this.at[entry]!
      const size = this.size[entry]!
      if (size === BLOB) this.data.set(this.blobs.pop()!, at)
      else if (size === 1) this.data[at] = this.low[entry]!
      else this.words.setUint32(at, this.low[entry]!, true)
    }
  }

  /** The stores count: they can't be taken back any more. */
  forget(): void {
    this.length = 0
    if (this.blobs.length > 0) this.blobs.length = 0
  }

  private grow(): void {
    const double = 2 * this.at.length
    const grown = <T extends Float64Array | Uint8Array | Uint32Array>(log: T, larger: T): T => {
      larger.set(log)
      return larger
    }
    this.at = grown(this.at, new Float64Array(double))
    this.size = grown(this.size, new Uint8Array(double))
    this.low = grown(this.low, new Uint32Array(double))
  }
}
