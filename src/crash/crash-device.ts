/**
 * A device that knows what a crash would leave of it, at any moment. It stands before a device in memory, gives it one
 * request at a time, and keeps book of the writes and flushes that pass.
 *
 * If the device's blocks are frames that programs store to (DAX), a store is a write nobody announces: `notice` compares the
 * blocks with what they were.
 *
 * Invariants   D1 to D3 (device/device.ts), ME1 (medium.ts)
 *   CD1 A flush covers the writes that had ended, and the stores that had been made, when it was started.
 *   CD2 A write may be there, in part or as a whole, from the moment it is started.
 */
import { assert, type Bytes, type Prng } from '../base/index.ts'
import type { Device, Request } from '../device/index.ts'
import { Alarm, type Chore, type Scheduler } from '../sched/index.ts'
import type { Block } from './image.ts'
import { type Mark, Medium } from './medium.ts'

/** In which order requests that are on their way end. */
export type Order = 'oldest-first' | 'newest-first'

export interface CrashDevicePlan {
  readonly inner: Device
  /** What is on it. */
  readonly blocks: readonly Block[]
  readonly order: Order
  /** The bytes of a block that programs may store to; undefined: none may. */
  readonly stored: ((block: number) => Uint8Array) | undefined
  /** Where the blocks are noted that are read; undefined: nowhere. */
  readonly reads: Set<number> | undefined
}

export class CrashDevice implements Device, Chore {
  readonly name = 'crash'
  readonly disk: string
  readonly readOnly = false
  onEnd: Device['onEnd'] = () => {}
  /** Rises with everything that changes what a crash may leave. */
  version = 0
  private readonly plan: CrashDevicePlan
  private readonly alarm: Alarm
  private readonly scheduler: Scheduler
  private readonly medium: Medium
  private readonly blockSize: Bytes
  private readonly waiting: Request[] = []
  private serving: Request | undefined
  private readonly marks = new Map<Request, Mark>()
  /** The versions that writes on their way will have written. */
  private readonly unwritten = new Map<Request, readonly Block[]>()

  constructor(scheduler: Scheduler, plan: CrashDevicePlan) {
    this.scheduler = scheduler
    this.plan = plan
    this.disk = plan.inner.disk
    this.medium = new Medium(plan.blocks)
    this.blockSize = plan.blocks[0]!.bytes.length
    this.alarm = new Alarm(scheduler, this)
    plan.inner.onEnd = (request, error) => this.ended(request, error)
  }

  start(request: Request): void {
    const { operation } = request
    assert(
      operation === 'read' || operation === 'write' || operation === 'flush',
      'a volume reads, writes and flushes its device, and nothing else',
    )
    if (operation === 'read') this.noteRead(request)
    else if (operation === 'flush') {
      this.marks.set(request, this.covers())
    } else if (operation === 'write' && this.plan.stored === undefined) {
      this.unwritten.set(request, this.versionsOf(request))
      this.version++
    }
    this.waiting.push(request)
    this.serveNext()
  }

  /** Passes one request on, so that there is a moment between each two. */
  run(): number {
    if (this.serving !== undefined) return Infinity
    this.serving = this.plan.order === 'oldest-first' ? this.waiting.shift() : this.waiting.pop()
    if (this.serving !== undefined) this.plan.inner.start(this.serving)
    return Infinity
  }

  /** Looks for blocks that were stored to. */
  notice(): void {
    const { stored, blocks } = this.plan
    if (stored === undefined) return
    for (let block = 0; block < blocks.length; block++) {
      const bytes = stored(block)
      if (Buffer.compare(bytes, this.medium.latest(block).bytes) === 0) continue
      this.medium.written(block, bytes)
      this.version++
    }
  }

  /** What a flush that begins now will make durable (CD1). */
  covers(): Mark {
    this.notice()
    const unwritten = new Set([...this.unwritten.values()].flat())
    return this.medium.mark(version => !unwritten.has(version))
  }

  /** What a crash at this moment may leave. */
  images(prng: Prng): Generator<readonly Block[]> {
    return this.medium.images(prng)
  }

  /** What is on it, as whoever reads it sees it. */
  content(): readonly Block[] {
    this.notice()
    return this.plan.blocks.map((_, block) => this.medium.latest(block))
  }

  private serveNext(): void {
    if (this.serving === undefined && this.waiting.length > 0) this.alarm.by(this.scheduler.now())
  }

  private ended(request: Request, error: number): void {
    const mark = this.marks.get(request)
    if (mark !== undefined) {
      this.marks.delete(request)
      this.medium.settle(mark)
      this.version++
    }
    this.unwritten.delete(request)
    this.serving = undefined
    this.serveNext()
    this.onEnd(request, error)
  }

  private noteRead({ position, length }: Request): void {
    const { reads } = this.plan
    if (reads !== undefined)
      for (let at = position; at < position + length; at += this.blockSize) reads.add(at / this.blockSize)
  }

  private versionsOf({ position, length, buffers }: Request): Block[] {
    const bytes = Buffer.concat(buffers)
    const versions: Block[] = []
    for (let at = 0; at < length; at += this.blockSize)
      versions.push(
        this.medium.written((position + at) / this.blockSize, bytes.subarray(at, at + this.blockSize)),
      )
    return versions
  }
}
