/**
 * A device in memory. It is sparse: a chunk exists once something was written to it, so a device of a terabyte costs
 * what is on it.
 *
 * Its bytes move when a request ends, not when it starts, as they do under DMA: whoever changes a buffer meanwhile
 * will see it on the device.
 *
 * Invariants
 *   D1 to D3 (device.ts)
 *   MD1  A byte that isn't in a chunk is zero; no chunk lies wholly past the end.
 *   MD2  Requests end in the order they were started.
 */
import { type Bytes, type Errno, errno, type Ns } from '../base/index.ts'
import { Alarm, type Chore, type Scheduler } from '../sched/index.ts'
import type { Device, Request } from './device.ts'

const CHUNK: Bytes = 65_536

export interface MemoryDeviceOptions {
  readonly name: string
  readonly disk: string
  /** How long it is at first. */
  readonly length: Bytes
  /** How long it may become; a write or a resize past this fails with ENOSPC. */
  readonly capacity: Bytes
  readonly readOnly: boolean
}

const DEFAULTS: MemoryDeviceOptions = {
  name: 'memory',
  disk: '1:0',
  length: 0,
  capacity: Number.MAX_SAFE_INTEGER,
  readOnly: false,
}

export class MemoryDevice implements Device, Chore {
  readonly name: string
  readonly disk: string
  readonly readOnly: boolean
  onEnd: (request: Request, error: Errno) => void = () => {}
  private readonly capacity: Bytes
  private size: Bytes
  private readonly chunks = new Map<number, Uint8Array>()
  private started: Request[] = []
  private readonly alarm: Alarm
  private readonly scheduler: Scheduler

  constructor(scheduler: Scheduler, options: Partial<MemoryDeviceOptions> = {}) {
    const { name, disk, length, capacity, readOnly } = { ...DEFAULTS, ...options }
    this.name = name
    this.disk = disk
    this.size = length
    this.capacity = capacity
    this.readOnly = readOnly
    this.scheduler = scheduler
    this.alarm = new Alarm(scheduler, this)
  }

  get length(): Bytes {
    return this.size
  }

  /** Memory that its bytes take. */
  get allocated(): Bytes {
    return this.chunks.size * CHUNK
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

  /** Reads at once and past every queue, for tests and for looking at what is durable. */
  peek(position: Bytes, buffer: Uint8Array): void {
    for (let done = 0; done < buffer.length; ) {
      const at = position + done
      const within = at % CHUNK
      const length = Math.min(CHUNK - within, buffer.length - done)
      const chunk = this.chunks.get(Math.floor(at / CHUNK))
      if (chunk === undefined) buffer.fill(0, done, done + length)
      else buffer.set(chunk.subarray(within, within + length), done)
      done += length
    }
  }

  /** Writes at once and past every queue: how a test fills it. */
  poke(position: Bytes, bytes: Uint8Array): void {
    this.size = Math.max(this.size, position + bytes.length)
    for (let done = 0; done < bytes.length; ) {
      const at = position + done
      const within = at % CHUNK
      const length = Math.min(CHUNK - within, bytes.length - done)
      this.chunk(Math.floor(at / CHUNK)).set(bytes.subarray(done, done + length), within)
      done += length
    }
  }

  private serve(request: Request): Errno {
    const { operation, position, length } = request
    if (operation === 'flush') return errno.OK
    if (operation === 'read') return this.read(request)
    if (this.readOnly) return errno.EROFS
    if (operation === 'zero') return this.zero(position, Math.min(position + length, this.size))
    if (operation === 'resize') return this.resize(length)
    if (position + length > this.capacity) return errno.ENOSPC
    let at = position
    for (const buffer of request.buffers) {
      this.poke(at, buffer)
      at += buffer.length
    }
    return errno.OK
  }

  private read({ position, buffers }: Request): Errno {
    let at = position
    for (const buffer of buffers) {
      this.peek(at, buffer)
      at += buffer.length
    }
    return errno.OK
  }

  private resize(length: Bytes): Errno {
    if (length > this.capacity) return errno.ENOSPC
    if (length < this.size) this.zero(length, this.size)
    this.size = length
    return errno.OK
  }

  private zero(start: Bytes, end: Bytes): Errno {
    if (end - start > this.chunks.size * CHUNK) {
      for (const number of [...this.chunks.keys()]) this.zeroChunk(number, start, end)
      return errno.OK
    }
    for (let number = Math.floor(start / CHUNK); number * CHUNK < end; number++)
      this.zeroChunk(number, start, end)
    return errno.OK
  }

  private zeroChunk(number: number, start: Bytes, end: Bytes): void {
    const from = Math.max(0, start - number * CHUNK)
    const to = Math.min(CHUNK, end - number * CHUNK, this.size - number * CHUNK)
    if (to <= from) return
    if (from === 0 && number * CHUNK + to >= Math.min((number + 1) * CHUNK, this.size))
      this.chunks.delete(number)
    else this.chunks.get(number)?.fill(0, from, to)
  }

  private chunk(number: number): Uint8Array {
    let chunk = this.chunks.get(number)
    if (chunk === undefined) {
      chunk = new Uint8Array(CHUNK)
      this.chunks.set(number, chunk)
    }
    return chunk
  }
}
