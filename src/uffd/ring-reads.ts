/**
 * Short reads that the pager gives to the kernel itself: no thread has to wake up for one, and none wakes the pager. Each comes
 * through a part of a huge page of the pager's own, as those of threads do through theirs (bounce.ts).
 *
 * Where the host has no io_uring for this process there are none, and threads make every call.
 *
 * Invariants
 *   RGR1 A part of the bounce buffer belongs to one read, from when it is taken until it has ended or the kernel refuses it.
 */
import type { Bytes } from '../base/index.ts'
import {
  type Address,
  HUGE_PAGE_BYTES,
  type Linux,
  LinuxError,
  Ring,
  type Userfaultfd,
} from '../linux/index.ts'
import { makePages, type Range } from './bounce.ts'

/** So many are under way at most; those that come then go to threads. */
const PLACES = 32
/** What is longer is worth a thread's turn. */
const LENGTH_MAX: Bytes = HUGE_PAGE_BYTES / PLACES

export interface ShortRead {
  readonly fd: number
  readonly position: Bytes
  /** Where the bytes are to lie. */
  readonly range: Range
}

export class RingReads<Read extends ShortRead> {
  private readonly linux: Linux
  private readonly uffd: Userfaultfd
  private readonly ring: Ring
  private readonly bounce: Address
  private readonly reads: (Read | undefined)[] = []

  private constructor(linux: Linux, uffd: Userfaultfd, ring: Ring, bounce: Address) {
    this.linux = linux
    this.uffd = uffd
    this.ring = ring
    this.bounce = bounce
  }

  /** `eventfd`: is counted up when a read has ended. */
  static open<Read extends ShortRead>(
    linux: Linux,
    uffd: Userfaultfd,
    eventfd: number,
  ): RingReads<Read> | undefined {
    const ring = Ring.open(linux, PLACES, eventfd)
    if (ring === undefined) return undefined
    try {
      return new RingReads(linux, uffd, ring, linux.hugePage())
    } catch (error) {
      ring.close()
      if (error instanceof LinuxError) return undefined
      throw error
    }
  }

  takes(length: Bytes): boolean {
    return length <= LENGTH_MAX && this.ring.hasPlace
  }

  /** Takes a read, to be submitted. */
  take(read: Read): void {
    const { fd, position, range } = read
    const place = this.ring.read({ fd, position, length: range.length, addressAt: at => this.partAt(at) })
    this.reads[place] = read
  }

  /** Returns what the kernel refuses to take. */
  submit(): Read[] {
    return this.ring.submit().map(place => this.reads[place]!)
  }

  /** Tells of each read that has ended, with the bytes that have arrived where they are to lie, or -errno. */
  collect(tell: (read: Read, result: number) => void): void {
    if (!this.ring.isReading) return
    this.ring.ended((place, result) => {
      const read = this.reads[place]!
      tell(read, result <= 0 ? result : this.arrive(read, place, result))
    })
  }

  close(): void {
    this.ring.close()
    this.linux.release(this.bounce, HUGE_PAGE_BYTES)
  }

  private arrive({ range }: Read, place: number, length: Bytes): number {
    return makePages(this.linux, this.uffd, range, 0, this.partAt(place), length)
  }

  private partAt(place: number): Address {
    return this.bounce + place * LENGTH_MAX
  }
}
