/**
 * The device of a volume, by blocks: each request is a ticket. It lies below the I/O scheduler, which has let the request
 * of the file go by then: one request of a file may be several here.
 *
 * Invariants
 *   DK1 Each ticket completes once, with the device's errno.
 */
import { assert, type Bytes } from '../base/index.ts'
import type { Device, Operation, Request } from '../device/index.ts'
import type { Scheduler, Ticket } from '../sched/index.ts'

export class Disk {
  readonly name: string
  readonly queue: string
  readonly readOnly: boolean
  readonly blockSize: Bytes
  private readonly scheduler: Scheduler
  private readonly device: Device
  private readonly flights = new Map<Request, Ticket>()

  constructor(scheduler: Scheduler, device: Device, blockSize: Bytes) {
    this.scheduler = scheduler
    this.device = device
    this.name = device.name
    this.queue = device.disk
    this.readOnly = device.readOnly
    this.blockSize = blockSize
    device.onEnd = (request, error) => {
      const ticket = this.flights.get(request)
      assert(ticket !== undefined, 'D1: a device ends each request once')
      this.flights.delete(request)
      scheduler.complete(ticket, error)
    }
  }

  /** `buffers` hold whole blocks together. */
  read(block: number, buffers: readonly Uint8Array[]): Ticket {
    return this.start('read', block, buffers)
  }

  write(block: number, buffers: readonly Uint8Array[]): Ticket {
    return this.start('write', block, buffers)
  }

  /** Makes durable what has been written. */
  flush(): Ticket {
    return this.start('flush', 0, [])
  }

  private start(operation: Operation, block: number, buffers: readonly Uint8Array[]): Ticket {
    const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    assert(length % this.blockSize === 0, `a ${operation} of blocks is of whole blocks`)
    const ticket = this.scheduler.ticket(`${operation} of ${this.name} block ${block}`)
    const request: Request = { operation, position: block * this.blockSize, length, buffers }
    this.flights.set(request, ticket)
    this.device.start(request)
    return ticket
  }
}
