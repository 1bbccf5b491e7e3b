/**
 * Threads of our own that make the calls of the host which may take long. libuv's threads would not do: a
 * program may have all of them waiting for pages (an asynchronous write of a mapped array, say), and the pager must be
 * able to read those pages.
 *
 * A call waits for `start`: what it frees or reads must be so in the hardware first.
 *
 *     begun -> in the host's cache: read at once ----------------\
 *        \---> a short read: given to the kernel ---------------\ \
 *         \--> queue -> given to a thread -> the thread has ended -> collected
 *
 * What the host has in its cache comes sooner by a copy here than by a thread's turn and back; the host says so without waiting for
 * its device (RWF_NOWAIT). Other short reads need no thread where the host has io_uring for us (ring-reads.ts).
 *
 * Invariants
 *   CR1 A call ends once, in a turn of the pager, never inside the call that began it.
 *   CR2 Memory that a call reads or fills is kept until it has ended.
 */
import { assert, type Bytes } from '../base/index.ts'
import type { HostCalls } from '../host/index.ts'
import type { Linux } from '../linux/index.ts'
import type { Range } from './bounce.ts'
import {
  ASKED,
  type CallKind,
  CallSlot,
  ENDED_CALL,
  FLUSH,
  READ,
  RESIZE,
  VECTORS_MAX,
  WRITE,
} from './call-slot.ts'
import { failure } from './failure.ts'
import type { RingReads } from './ring-reads.ts'
import type { MemoryFiles } from './store.ts'

/** A longer read is a thread's: chosen, since to copy this much takes about as long as a turn of a thread. */
const READ_HERE_MAX: Bytes = 64 * 1024

type Ended = (failure: NodeJS.ErrnoException | null, count: number) => void

interface Call {
  readonly kind: CallKind
  /** Through the host's cache, where what is asked for may be. */
  readonly cached: boolean
  readonly fd: number
  readonly position: number
  readonly buffers: readonly Uint8Array[]
  readonly ended: Ended
}

/** A call that the kernel makes for the pager. */
export interface RingCall extends Call {
  readonly range: Range
}

export class IoThreads implements HostCalls {
  /** A call waits for `start`. */
  onBegun: () => void = () => {}
  private readonly linux: Linux
  private readonly store: MemoryFiles
  private readonly ring: RingReads<RingCall> | undefined
  private readonly slots: readonly CallSlot[]
  private readonly running: (Call | undefined)[] = []
  /** Not looked at yet. */
  private begun: Call[] = []
  private readonly queue: Call[] = []
  /** Read at once, not collected yet. */
  private readHere: Call[] = []

  /** `ring`: undefined where the host has none. */
  constructor(
    linux: Linux,
    store: MemoryFiles,
    ring: RingReads<RingCall> | undefined,
    slots: readonly SharedArrayBuffer[],
  ) {
    this.linux = linux
    this.store = store
    this.ring = ring
    this.slots = slots.map(buffer => new CallSlot(buffer))
  }

  read(fd: number, buffers: readonly Uint8Array[], position: Bytes, ended: Ended): void {
    this.begin({ kind: READ, cached: true, fd, position, buffers, ended })
  }

  readDirect(fd: number, buffers: readonly Uint8Array[], position: Bytes, ended: Ended): void {
    this.begin({ kind: READ, cached: false, fd, position, buffers, ended })
  }

  write(fd: number, buffers: readonly Uint8Array[], position: Bytes, ended: Ended): void {
    this.begin({ kind: WRITE, cached: false, fd, position, buffers, ended })
  }

  flush(fd: number, ended: Ended): void {
    this.begin({ kind: FLUSH, cached: false, fd, position: 0, buffers: [], ended })
  }

  resize(fd: number, length: Bytes, ended: Ended): void {
    this.begin({ kind: RESIZE, cached: false, fd, position: length, buffers: [], ended })
  }

  /** Reads what is in the host's cache, gives the kernel other short reads, and threads that are free the rest of what has been begun. */
  start(): void {
    const { begun } = this
    this.begun = []
    for (const call of begun)
      if (this.isReadHere(call)) this.readHere.push(call)
      else if (!this.isRingRead(call)) this.queue.push(call)
    if (this.ring !== undefined) this.queue.push(...this.ring.submit())
    for (const at of this.slots.keys()) {
      if (this.running[at] !== undefined) continue
      const call = this.queue.shift()
      if (call === undefined) return
      this.give(at, call)
    }
  }

  /** Whether `collect` ends a call that no thread has made. */
  get hasReadHere(): boolean {
    return this.readHere.length > 0
  }

  /** Ends the calls that were made. */
  collect(): void {
    const { readHere } = this
    this.readHere = []
    for (const { buffers, ended } of readHere) ended(null, lengthOf(buffers))
    this.ring?.collect(end)
    for (const [at, slot] of this.slots.entries()) {
      if (slot.state !== ENDED_CALL) continue
      const call = this.running[at]!
      this.running[at] = undefined
      end(call, slot.take())
    }
  }

  /** Whether a thread is making a call now. */
  get isCalling(): boolean {
    return this.slots.some(slot => slot.state === ASKED)
  }

  stop(): void {
    for (const slot of this.slots) slot.stop()
    this.ring?.close()
  }

  private begin(call: Call): void {
    assert(call.buffers.length <= VECTORS_MAX, `a call has at most ${VECTORS_MAX} pieces`)
    this.begun.push(call)
    this.onBegun()
  }

  /** All of it, or none: what the host has a part of is asked for as a whole. */
  private isReadHere({ cached, fd, position, buffers }: Call): boolean {
    if (!cached) return false
    const length = lengthOf(buffers)
    if (length > READ_HERE_MAX) return false
    return this.linux.preadvNow(fd, this.vectorsOf(buffers), position) === length
  }

  /** Gives it to the kernel, if it is short and lies in a row. */
  private isRingRead(call: Call): boolean {
    const { kind, buffers } = call
    if (this.ring === undefined || kind !== READ || buffers.length !== 1) return false
    const range = this.rangeOf(buffers[0]!)
    if (range === undefined || !this.ring.takes(range.length)) return false
    this.ring.take({ ...call, range })
    return true
  }

  private vectorsOf(buffers: readonly Uint8Array[]): BigUint64Array {
    const { ffi } = this.linux
    return BigUint64Array.from(
      buffers.flatMap(buffer => [BigInt(ffi.addressOf(buffer)), BigInt(buffer.byteLength)]),
    )
  }

  private give(at: number, call: Call): void {
    this.running[at] = call
    const { kind, fd, position, buffers } = call
    const range = buffers.length === 1 ? this.rangeOf(buffers[0]!) : undefined
    const vectors = this.vectorsOf(range === undefined ? buffers : [])
    this.slots[at]!.ask({ kind, fd, position, range, vectors })
  }

  /** Where a buffer lies, if it does in a memory file. Pages that follow one another come as one, but for two pieces' edge. */
  private rangeOf(buffer: Uint8Array): Range | undefined {
    const place = this.store.placeOf(buffer)
    return place && { ...place, length: buffer.byteLength }
  }
}

function end({ ended }: Call, result: number): void {
  if (result < 0) ended(failure(result), 0)
  else ended(null, result)
}

function lengthOf(buffers: readonly Uint8Array[]): Bytes {
  let length = 0
  for (const { byteLength } of buffers) length += byteLength
  return length
}
