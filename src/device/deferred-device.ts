/** Stands in for a device that can't be made yet: devices need the scheduler, and swap is named when the engine makes it. */
import type { Device, Request } from './device.ts'

export class DeferredDevice implements Device {
  readonly name = 'swap'
  readonly disk = '1:1'
  readonly readOnly = false
  onEnd: Device['onEnd'] = () => {}
  private inner: Device | undefined

  /** Before the first request. */
  stands(inner: Device): void {
    this.inner = inner
    inner.onEnd = (request, error) => this.onEnd(request, error)
  }

  start(request: Request): void {
    this.inner!.start(request)
  }
}
