/**
 * A ring of io_uring: reads that one thread gives to the kernel, which makes them without any thread, and their results.
 *
 *     read -> not submitted -> [submit] -> under way -> the eventfd is counted up -> [ended] -> its place is free
 *                                 \--> not taken: the kernel refuses it
 *
 * It belongs to the thread that opened it, and the kernel moves its ends only inside that thread's own calls (DEFER_TASKRUN),
 * so neither side's view of the other's is ever old. To have them moved counts the eventfd up once more, so it is cleared after
 * that; what has ended in between the kernel shows by a flag.
 *
 * Invariants
 *   RNG1 At most as many reads are under way as there are places, so the kernel has room for every result.
 *   RNG2 When `ended` returns the eventfd is clear, or will tell of what has ended since.
 */
import { assert, type Bytes } from '../base/index.ts'
import {
  IO_CQRING_OFFSETS_BYTE,
  IO_SQRING_OFFSETS_BYTE,
  IO_URING_CQE_BYTES,
  IO_URING_PARAMS_BYTES,
  IO_URING_SQE_BYTES,
  IORING_ENTER_GETEVENTS,
  IORING_OFF_SQ_RING,
  IORING_OFF_SQES,
  IORING_OP_READ,
  IORING_REGISTER_EVENTFD,
  IORING_SETUP_DEFER_TASKRUN,
  IORING_SETUP_SINGLE_ISSUER,
  IORING_SETUP_TASKRUN_FLAG,
  IORING_SQ_TASKRUN,
  SYS_IO_URING_ENTER,
  SYS_IO_URING_REGISTER,
  SYS_IO_URING_SETUP,
} from './abi.ts'
import { type Linux, LinuxError } from './calls.ts'
import type { Address } from './ffi.ts'

/** So often results are asked for: without them nobody would hear of what is under way. */
const TRIES = 5
const ENTRY_WORDS = IO_URING_SQE_BYTES / 4
/** What the second word of a number counts. */
const WORD = 2 ** 32

export interface RingRead {
  readonly fd: number
  readonly length: Bytes
  readonly position: Bytes
  /** The memory of each place. It is kept until what is read there has ended. */
  readonly addressAt: (place: number) => Address
}

/** Where the kernel has put the parts, in words of the mapping. */
interface Layout {
  readonly places: number
  readonly submissions: {
    readonly head: number
    readonly tail: number
    readonly flags: number
    readonly array: number
  }
  readonly completions: {
    readonly head: number
    readonly tail: number
    readonly mask: number
    readonly entries: number
  }
  readonly ringBytes: Bytes
}

export class Ring {
  private readonly linux: Linux
  private readonly fd: number
  private readonly eventfd: number
  private readonly layout: Layout
  private readonly ring: Address
  private readonly words: Int32Array
  private readonly entries: Address
  private readonly entry: Uint32Array
  /** Places of reads that are neither not submitted nor under way. */
  private readonly free: number[]
  private unsubmitted: number[] = []

  private constructor(linux: Linux, fd: number, eventfd: number, layout: Layout) {
    this.linux = linux
    this.fd = fd
    this.eventfd = eventfd
    this.layout = layout
    this.ring = linux.mmap(fd, IORING_OFF_SQ_RING, layout.ringBytes)
    const entriesBytes = layout.places * IO_URING_SQE_BYTES
    this.entries = linux.mmap(fd, IORING_OFF_SQES, entriesBytes)
    this.words = new Int32Array(linux.ffi.view(this.ring, layout.ringBytes))
    this.entry = new Uint32Array(linux.ffi.view(this.entries, entriesBytes))
    this.free = Array.from({ length: layout.places }, (_, place) => layout.places - 1 - place)
  }

  /** `places`: a power of 2. Undefined where the host has no io_uring for this process: an old kernel, a switch, seccomp. */
  static open(linux: Linux, places: number, eventfd: number): Ring | undefined {
    const params = new DataView(new ArrayBuffer(IO_URING_PARAMS_BYTES))
    const flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG
    params.setUint32(8, flags, true)
    const bytes = new Uint8Array(params.buffer)
    const fd = linux.trySyscall(SYS_IO_URING_SETUP, places, linux.ffi.addressOf(bytes))
    if (fd < 0) return undefined
    try {
      const ring = new Ring(linux, fd, eventfd, layoutOf(params))
      const descriptor = Int32Array.of(eventfd)
      const { ffi } = linux
      const error = linux.trySyscall(
        SYS_IO_URING_REGISTER,
        fd,
        IORING_REGISTER_EVENTFD,
        ffi.addressOf(descriptor),
        1,
      )
      if (error === 0) return ring
      ring.close()
    } catch (error) {
      linux.close(fd)
      if (!(error instanceof LinuxError)) throw error
    }
    return undefined
  }

  /** Whether one more read can be taken. */
  get hasPlace(): boolean {
    return this.free.length > 0
  }

  /** How many are taken and not submitted. */
  get waiting(): number {
    return this.unsubmitted.length
  }

  /** Whether `ended` may have something to say. */
  get isReading(): boolean {
    return this.free.length + this.unsubmitted.length < this.layout.places
  }

  /** Takes a read, to be submitted. Returns its place, which it has until it has ended or isn't taken by the kernel. */
  read({ fd, addressAt, length, position }: RingRead): number {
    const place = this.free.pop()
    assert(place !== undefined, 'RNG1: a read has a place')
    const { entry } = this
    const at = place * ENTRY_WORDS
    const address = addressAt(place)
    // struct io_uring_sqe: opcode, a byte, and flags and priority after it; fd; offset; address; length; user_data in words 8 and 9.
    entry.fill(0, at, at + ENTRY_WORDS)
    entry[at] = IORING_OP_READ
    entry[at + 1] = fd
    entry[at + 2] = position
    entry[at + 3] = position / WORD
    entry[at + 4] = address
    entry[at + 5] = address / WORD
    entry[at + 6] = length
    entry[at + 8] = place
    this.unsubmitted.push(place)
    return place
  }

  /** Gives the kernel what was taken. Returns the places of reads that it refuses, which are free again. */
  submit(): readonly number[] {
    const { words, unsubmitted } = this
    if (unsubmitted.length === 0) return unsubmitted
    const { head, tail, array } = this.layout.submissions
    const mask = this.layout.places - 1
    let end = words[tail]!
    for (const place of unsubmitted) words[array + (end++ & mask)] = place
    words[tail] = end
    this.enter(unsubmitted.length, 0, 0)
    const taken = unsubmitted.length - ((end - words[head]!) | 0)
    words[tail] = words[head]!
    this.unsubmitted = []
    const refused = unsubmitted.slice(taken)
    this.free.push(...refused)
    return refused
  }

  /** Tells of each read that has ended: its place, which is free from then on, and the bytes that were read, or -errno. */
  ended(tell: (place: number, result: number) => void): void {
    const { flags } = this.layout.submissions
    this.take(0, tell)
    this.linux.clear(this.eventfd)
    // Once: the kernel may leave the flag set with nothing to move. What ends from here on is told anew.
    if ((this.words[flags]! & IORING_SQ_TASKRUN) !== 0) this.take(0, tell)
  }

  /** Waits for at least so many results. */
  private take(least: number, tell: (place: number, result: number) => void): void {
    for (let tries = 1; this.enter(0, least, IORING_ENTER_GETEVENTS) < 0; tries++)
      if (tries === TRIES) throw new LinuxError('io_uring_enter', this.linux.ffi.errno())
    const { words } = this
    const { head, tail, mask, entries } = this.layout.completions
    while (words[head] !== words[tail]) {
      // struct io_uring_cqe: user_data, result, flags.
      const at = entries + ((words[head]! & mask) * IO_URING_CQE_BYTES) / 4
      const place = words[at]!
      const result = words[at + 2]!
      words[head] = (words[head]! + 1) | 0
      this.free.push(place)
      tell(place, result)
    }
  }

  /** Waits for what is under way, so that the kernel uses no memory of a read any more. */
  close(): void {
    const { linux, layout } = this
    while (this.isReading) this.take(1, () => {})
    for (const { buffer } of [this.words, this.entry]) (buffer as ArrayBuffer).transfer()
    linux.release(this.ring, layout.ringBytes)
    linux.release(this.entries, layout.places * IO_URING_SQE_BYTES)
    linux.close(this.fd)
  }

  private enter(submitted: number, least: number, flags: number): number {
    return this.linux.trySyscall(SYS_IO_URING_ENTER, this.fd, submitted, least, flags)
  }
}

/** Of struct io_uring_params, as the kernel has filled it. */
function layoutOf(params: DataView): Layout {
  const submission = (field: number) => params.getUint32(IO_SQRING_OFFSETS_BYTE + field, true)
  const completion = (field: number) => params.getUint32(IO_CQRING_OFFSETS_BYTE + field, true)
  const places = params.getUint32(0, true)
  const completions = params.getUint32(4, true)
  return {
    places,
    submissions: {
      head: submission(0) / 4,
      tail: submission(4) / 4,
      flags: submission(16) / 4,
      array: submission(24) / 4,
    },
    completions: {
      head: completion(0) / 4,
      tail: completion(4) / 4,
      mask: completions - 1,
      entries: completion(20) / 4,
    },
    ringBytes: Math.max(submission(24) + 4 * places, completion(20) + IO_URING_CQE_BYTES * completions),
  }
}
