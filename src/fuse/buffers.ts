/** Buffers for requests, and for long answers: one is taken for each, and comes back when the request has been answered. */
import type { Bytes } from '../base/index.ts'

/** More than this are left to the garbage collector. */
const KEPT_MAX = 16

export class Buffers {
  readonly size: Bytes
  private readonly free: Uint8Array[] = []

  constructor(size: Bytes) {
    this.size = size
  }

  take(): Uint8Array {
    return this.free.pop() ?? Buffer.allocUnsafeSlow(this.size)
  }

  giveBack(buffer: Uint8Array): void {
    if (this.free.length < KEPT_MAX) this.free.push(buffer)
  }
}
