/**
 * Node's calls, but for short reads past the host's cache: those the program's main thread gives to the kernel itself, by
 * io_uring, some at once, and hears of their ends by an eventfd in its event loop. No thread wakes up for one, and the device is
 * told of several by one call.
 *
 *     begun -> [PORTION have been, or the callback ends: submitted] -> under way -> [the eventfd: a turn of the event loop] -> ended
 *                                   \--> the kernel refuses it: Node's threads make it
 *
 * The ring is opened by the first such read, and stays. Where there is none (no package koffi, or what ring.ts says) Node's
 * threads make all calls.
 *
 * In the main thread alone: koffi ends a process of which a thread that watches a descriptor is stopped, and memory that the
 * kernel fills must not go with a thread.
 *
 * Invariants
 *   RGC1 A read ends once, in a turn of its own, never inside the call that began it nor at the end of the same callback.
 *   RGC2 The event loop goes on while a read is under way, and not for the ring alone.
 *   RGC3 Memory that a read fills is kept until it has ended.
 *   RGC4 While a callback goes on the device has work: what is begun when nothing is under way is submitted at once.
 */
import type { Bytes } from '../base/index.ts'
import { type HostCalls, NODE_CALLS } from '../host/index.ts'
import { Linux, NoFfi, Ring, type Watch } from '../linux/index.ts'
import { failure } from './failure.ts'

/** So many are under way at most; those that come then are made by Node's threads. */
const PLACES = 64
/** So many are worth a call that tells the device, while the callback that has begun them goes on. */
const PORTION = 4
/** What is longer keeps a thread busy rather than waking it. */
const LENGTH_MAX: Bytes = 64 * 1024

type Read = Parameters<HostCalls['read']>

export class RingCalls implements HostCalls {
  readonly read = NODE_CALLS.read
  readonly write = NODE_CALLS.write
  readonly flush = NODE_CALLS.flush
  readonly resize = NODE_CALLS.resize
  private readonly linux: Linux
  private readonly ring: Ring
  private readonly watch: Watch
  private readonly reads: (Read | undefined)[] = []
  private isSubmitting = false

  private constructor(linux: Linux, ring: Ring, eventfd: number) {
    this.linux = linux
    this.ring = ring
    this.watch = linux.ffi.watch(eventfd, () => this.collect())
    this.watch.start()
    this.watch.unref()
    // koffi ends a process in whose last turn of the event loop there is something to tell.
    process.once('exit', () => this.watch.close())
  }

  /** Undefined where there can be none. */
  static open(): RingCalls | undefined {
    try {
      const linux = new Linux()
      const eventfd = linux.eventfd()
      const ring = Ring.open(linux, PLACES, eventfd)
      if (ring !== undefined) return new RingCalls(linux, ring, eventfd)
      linux.close(eventfd)
      return undefined
    } catch (error) {
      if (error instanceof NoFfi) return undefined
      throw error
    }
  }

  readDirect(...read: Read): void {
    const [fd, [buffer], position] = read
    const { linux, ring } = this
    if (read[1].length !== 1 || buffer!.length > LENGTH_MAX || !ring.hasPlace) {
      NODE_CALLS.readDirect(...read)
      return
    }
    if (!this.isSubmitting) {
      this.isSubmitting = true
      this.watch.ref()
      process.nextTick(this.submitRest)
    }
    const address = linux.ffi.addressOf(buffer!)
    this.reads[ring.read({ fd, position, length: buffer!.length, addressAt: () => address })] = read
    if (!ring.isReading || ring.waiting >= PORTION) this.submit()
  }

  private readonly submitRest = () => {
    this.isSubmitting = false
    this.submit()
    this.rest()
  }

  private submit(): void {
    for (const place of this.ring.submit()) NODE_CALLS.readDirect(...this.taken(place))
  }

  private collect(): void {
    const ended: (readonly [place: Read, result: number])[] = []
    this.ring.ended((place, result) => ended.push([this.taken(place), result]))
    this.rest()
    for (const [[, , , tell], result] of ended)
      if (result < 0) tell(failure(result), 0)
      else tell(null, result)
  }

  private taken(place: number): Read {
    const read = this.reads[place]!
    this.reads[place] = undefined
    return read
  }

  private rest(): void {
    if (!this.ring.isReading && !this.isSubmitting) this.watch.unref()
  }
}

let opened: RingCalls | 'not yet' | undefined = 'not yet'

/** The main thread's. */
export const RING_CALLS: HostCalls = {
  ...NODE_CALLS,
  readDirect(...read) {
    if (opened === 'not yet') opened = RingCalls.open()
    const calls = opened ?? NODE_CALLS
    calls.readDirect(...read)
  },
}
