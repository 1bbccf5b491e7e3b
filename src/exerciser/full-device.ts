/**
 * A device that gives blocks to a file only as they are written, out of a limited number, as a filesystem does: a write
 * that needs a block when none is left fails with ENOSPC, and one over blocks that are there succeeds.
 *
 * Invariants
 *   D1 to D3 (device.ts)
 *   FU1 No more than `limit` blocks are allocated.
 *   FU2 A write that fails took no block and no byte.
 */
import { type Bytes, type Errno, errno, type Ns } from '../base/index.ts'
import type { Device, Request } from '../device/index.ts'
import { Alarm, type Chore, type Scheduler } from '../sched/index.ts'

const BLOCK: Bytes = 4096

export class FullDevice implements Device, Chore {
  readonly name: string
  readonly disk: string
  readonly readOnly: boolean
  onEnd: (request: Request, error: Errno) => void = () => {}
  /** May be raised at any time. */
  limit: number
  private readonly inner: Device
  private readonly alarm: Alarm
  private readonly scheduler: Scheduler
  private readonly allocated = new Set<number>()
  private refused: Request[] = []

  /** Blocks of [0, length) are allocated already. */
  constructor(scheduler: Scheduler, inner: Device, length: Bytes, limit: number) {
    this.name = inner.name
    this.disk = inner.disk
    this.readOnly = inner.readOnly
    this.inner = inner
    this.limit = limit
    this.scheduler = scheduler
    this.alarm = new Alarm(scheduler, this)
    for (let block = 0; block * BLOCK < length; block++) this.allocated.add(block)
    inner.onEnd = (request, error) => this.onEnd(request, error)
  }

  start(request: Request): void {
    if (this.takes(request)) this.inner.start(request)
    else {
      this.refused.push(request)
      this.alarm.by(this.scheduler.now())
    }
  }

  run(): Ns {
    const ending = this.refused
    this.refused = []
    for (const request of ending) this.onEnd(request, errno.ENOSPC)
    return Infinity
  }

  private takes({ operation, position, length }: Request): boolean {
    if (operation === 'resize') this.free(Math.ceil(length / BLOCK), Infinity)
    if (operation === 'zero') this.free(Math.ceil(position / BLOCK), Math.floor((position + length) / BLOCK))
    if (operation !== 'write') return true
    const missing: number[] = []
    for (let block = Math.floor(position / BLOCK); block * BLOCK < position + length; block++)
      if (!this.allocated.has(block)) missing.push(block)
    if (missing.length > Math.max(0, this.limit - this.allocated.size)) return false
    for (const block of missing) this.allocated.add(block)
    return true
  }

  private free(start: number, end: number): void {
    for (const block of this.allocated) if (block >= start && block < end) this.allocated.delete(block)
  }
}
