/**
 * Buffers for requests, and for long answers: one is taken for each, and comes back when the request has been answered.
 *
 * Invariants
 *   BU1 What lies behind the head of a message, the bytes of a file, begins at a page: the kernel copies page by page, and takes two
 *       parts of each otherwise.
 */
import type { Bytes } from '../base/index.ts'

/** More than this are left to the garbage collector. */
const KEPT_MAX = 16
const PAGE: Bytes = 4096

export class Buffers {
  readonly size: Bytes
  private readonly head: Bytes
  private readonly addressOf: (bytes: Uint8Array) => number
  private readonly free: Uint8Array[] = []

  /** Of a head and so many bytes behind it. */
  constructor(head: Bytes, length: Bytes, addressOf: (bytes: Uint8Array) => number) {
    this.size = head + length
    this.head = head
    this.addressOf = addressOf
  }

  take(): Uint8Array {
    return this.free.pop() ?? this.make()
  }

  giveBack(buffer: Uint8Array): void {
    if (this.free.length < KEPT_MAX) this.free.push(buffer)
  }

  private make(): Uint8Array {
    const memory = Buffer.allocUnsafeSlow(PAGE + this.size)
    const after = (this.addressOf(memory) + this.head) % PAGE
    return memory.subarray(PAGE - after, PAGE - after + this.size)
  }
}
