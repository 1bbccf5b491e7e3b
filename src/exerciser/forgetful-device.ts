/**
 * A device whose writes are safe only once a flush that began after them has ended: a crash may lose any of the others, in
 * whole or in half.
 *
 * Invariants
 *   D1 to D3 (device.ts)
 *   FO1 A crash loses no write that ended before a flush began which has ended.
 */
import type { Bytes, Errno, Prng } from '../base/index.ts'
import type { Device, MemoryDevice, Request } from '../device/index.ts'

/** A write that could still be lost, and what was there before it. */
interface Unsafe {
  readonly position: Bytes
  readonly before: Uint8Array
}

export class ForgetfulDevice implements Device {
  readonly name: string
  readonly disk: string
  readonly readOnly: boolean
  onEnd: (request: Request, error: Errno) => void = () => {}
  private readonly inner: MemoryDevice
  private readonly started = new Map<Request, Unsafe>()
  private unsafe: Unsafe[] = []
  /** How many writes had ended when a flush began. */
  private readonly covered = new Map<Request, number>()

  constructor(inner: MemoryDevice) {
    this.inner = inner
    this.name = inner.name
    this.disk = inner.disk
    this.readOnly = inner.readOnly
    inner.onEnd = (request, error) => this.end(request, error)
  }

  start(request: Request): void {
    const { operation, position, length } = request
    if (operation === 'flush') this.covered.set(request, this.unsafe.length)
    if (operation === 'write') {
      const before = new Uint8Array(length)
      this.inner.peek(position, before)
      this.started.set(request, { position, before })
    }
    this.inner.start(request)
  }

  /** Loses what chance decides of the writes that aren't safe, the last ones first. */
  crash(prng: Prng): void {
    for (const { position, before } of this.unsafe.reverse()) {
      const kept = prng.pick([0, 0, before.length >>> 1, before.length])
      this.inner.poke(position + kept, before.subarray(kept))
    }
    this.unsafe = []
  }

  private end(request: Request, error: Errno): void {
    const written = this.started.get(request)
    if (written !== undefined) this.unsafe.push(written)
    this.started.delete(request)
    if (request.operation === 'flush') this.flushed(request)
    this.onEnd(request, error)
  }

  private flushed(request: Request): void {
    const safe = this.covered.get(request)!
    this.covered.delete(request)
    this.unsafe.splice(0, safe)
    for (const [other, count] of this.covered) this.covered.set(other, Math.max(0, count - safe))
  }
}
