/**
 * A device whose completion is deferred: what is started waits in `held` until the caller lets it go. Tests and the
 * explorer decide with it when, and in which order, I/O ends.
 *
 * Invariants
 *   D1 to D3 (device.ts), D1 once everything held was let go
 *   HD1  While `holding`, nothing ends that the caller didn't end.
 */
import { assert, type Errno, errno } from '../base/index.ts'
import type { Device, Request } from './device.ts'

export class HeldDevice implements Device {
  readonly name: string
  readonly disk: string
  readonly readOnly: boolean
  onEnd: (request: Request, error: Errno) => void = () => {}
  /** Whether requests that start from now on are held. */
  holding = true
  /** First started first. */
  readonly held: Request[] = []
  private readonly inner: Device

  constructor(inner: Device) {
    this.name = inner.name
    this.disk = inner.disk
    this.readOnly = inner.readOnly
    this.inner = inner
    inner.onEnd = (request, error) => this.onEnd(request, error)
  }

  start(request: Request): void {
    if (this.holding) this.held.push(request)
    else this.inner.start(request)
  }

  /** Lets one held request go on to the device, which ends it in its own time. */
  release(request: Request): void {
    this.take(request)
    this.inner.start(request)
  }

  /** Ends one held request here and now, with an errno; the device never sees it. */
  fail(request: Request, error: Errno = errno.EIO): void {
    this.take(request)
    this.onEnd(request, error)
  }

  /** Lets go of everything, and holds nothing more. */
  releaseAll(): void {
    this.holding = false
    for (const request of this.held.splice(0)) this.inner.start(request)
  }

  private take(request: Request): void {
    const place = this.held.indexOf(request)
    assert(place !== -1, 'HD1: only a held request is let go')
    this.held.splice(place, 1)
  }
}
