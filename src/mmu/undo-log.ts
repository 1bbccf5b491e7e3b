/**
 * What the stores of a section overwrote, in the order they were made, so that they can be taken back. A machine has one
 * log: sections that run inside one another share it, and are undone in the reverse order of all their stores.
 *
 * Invariants
 *   UL1 After rollback(mark) every byte is as it was when `mark` was taken.
 *   UL2 Noting a store of 1 or 4 bytes allocates nothing, but for the rare doubling of the log.
 */
import type { Bytes } from '../base/index.ts'

/** Memory that sections store to. */
export interface Stored {
  readonly data: Uint8Array
  readonly words: DataView
}

const BLOB = 255
const LOG_START = 64

export class UndoLog {
  /** Where, how many bytes, and what stood there: the bytes themselves, or which blob holds them. */
  private length = 0
  private readonly memory: Stored[] = []
  private at = new Float64Array(LOG_START)
  private size = new Uint8Array(LOG_START)
  private low = new Uint32Array(LOG_START)
  private readonly blobs: Uint8Array[] = []

  /** A moment to roll back to. */
  get mark(): number {
    return this.length
  }

  /** `size` bytes at `at` of `memory` are about to be overwritten. */
  note(memory: Stored, at: Bytes, size: 1 | 4): void {
    const entry = this.length++
    if (entry === this.at.length) this.grow()
    this.memory[entry] = memory
    this.at[entry] = at
    this.size[entry] = size
    this.low[entry] = size === 1 ? memory.data[at]! : memory.words.getUint32(at, true)
  }

  noteBlob(memory: Stored, at: Bytes, length: Bytes): void {
    const entry = this.length++
    if (entry === this.at.length) this.grow()
    this.memory[entry] = memory
    this.at[entry] = at
    this.size[entry] = BLOB
    this.low[entry] = this.blobs.push(memory.data.slice(at, at + length)) - 1
  }

  rollback(mark: number): void {
    while (this.length > mark) {
      const entry = --this.length
      const at = this.at[entry]!
      const size = this.size[entry]!
      const { data, words } = this.memory[entry]!
      if (size === BLOB) data.set(this.blobs.pop()!, at)
      else if (size === 1) data[at] = this.low[entry]!
      else words.setUint32(at, this.low[entry]!, true)
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
