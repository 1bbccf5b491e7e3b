/**
 * A device whose bytes are frames of the machine's memory: persistent memory. A page table may point at its blocks.
 *
 *     block b  =  frame first + b
 *
 * What is stored there is there; a flush has nothing to do. Requests are served as those of any other device.
 *
 * Invariants   D1 to D3 (device/device.ts)
 *   RZ1 Its frames are DEVICE frames: nobody else is given one.
 */
import { type Bytes, type Errno, errno, type Ns, type Pfn } from '../base/index.ts'
import type { Device, Request } from '../device/index.ts'
import type { Memory } from '../memory/index.ts'
import { Alarm, type Chore, type Scheduler } from '../sched/index.ts'
import type { Blocks } from './space.ts'

export class Region implements Device, Chore {
  readonly name: string
  readonly disk = '259:0'
  readonly readOnly = false
  /** The frame of block 0. */
  readonly first: Pfn
  onEnd: Device['onEnd'] = () => {}
  private readonly bytes: Uint8Array
  private readonly pageSize: Bytes
  private readonly scheduler: Scheduler
  private readonly alarm: Alarm
  private started: Request[] = []

  /** Takes `blocks` free frames of the memory, for good. */
  constructor(scheduler: Scheduler, memory: Memory, name: string, blocks: number) {
    const { data, pageSize } = memory.frames
    this.name = name
    this.pageSize = pageSize
    this.scheduler = scheduler
    this.first = memory.dedicate(blocks)
    this.bytes = data.subarray(this.first * pageSize, (this.first + blocks) * pageSize)
    this.alarm = new Alarm(scheduler, this)
  }

  get length(): Bytes {
    return this.bytes.length
  }

  /** The bytes of blocks in a row. */
  row({ start, end }: Blocks): Uint8Array {
    return this.bytes.subarray(start * this.pageSize, end * this.pageSize)
  }

  start(request: Request): void {
    this.started.push(request)
    this.alarm.by(this.scheduler.now())
  }

  run(): Ns {
    const ending = this.started
    this.started = []
    for (const request of ending) this.onEnd(request, this.serve(request))
    return Infinity
  }

  private serve({ operation, position, length, buffers }: Request): Errno {
    if (operation === 'flush') return errno.OK
    if (operation === 'resize') return length <= this.bytes.length ? errno.OK : errno.ENOSPC
    if (operation === 'zero') {
      this.bytes.fill(0, position, position + length)
      return errno.OK
    }
    if (operation === 'write' && position + length > this.bytes.length) return errno.ENOSPC
    let at = position
    for (const buffer of buffers) {
      if (operation === 'write') this.bytes.set(buffer, at)
      else {
        const there = this.bytes.subarray(at, at + buffer.length)
        buffer.set(there)
        buffer.fill(0, there.length)
      }
      at += buffer.length
    }
    return errno.OK
  }
}
