/**
 * A bounce buffer: bytes go from a file of the host to a memory file, or back, through a piece of memory that lies in a
 * row. A device fills it in one transfer, and pages of the memory file are made from it without being cleared first. Read
 * straight into the mapped memory file, each page would be faulted in, cleared and transferred by itself, which takes
 * three times as long (docs/decisions/0505-bounce-buffers.md).
 *
 *     in     file -> bounce -> pages that the memory file doesn't have: UFFDIO_COPY, which takes no lock of the file's
 *                           -> others, and the end of the file: written, which does
 *     out    memory file -> bounce -> file
 */
import type { Bytes } from '../base/index.ts'
import type { Address, Linux, Userfaultfd } from '../linux/index.ts'

/** A range of a memory file. */
export interface Range {
  readonly fd: number
  readonly offset: Bytes
  readonly length: Bytes
  /** The same bytes in a registered view of it, if there is one. */
  readonly address: Address | undefined
}

export class Bounce {
  private readonly linux: Linux
  private readonly uffd: Userfaultfd
  private readonly address: Address
  private readonly length: Bytes

  constructor(linux: Linux, uffd: Userfaultfd, address: Address, length: Bytes) {
    this.linux = linux
    this.uffd = uffd
    this.address = address
    this.length = length
  }

  /** Fills a range from a file, as far as that goes. Returns the bytes moved, or -errno if that is none. */
  fill(range: Range, fd: number, position: Bytes): number {
    return this.move(range.length, (at, wanted) => {
      const got = this.linux.pread(fd, this.address, wanted, position + at)
      return got <= 0 ? got : makePages(this.linux, this.uffd, range, at, this.address, got)
    })
  }

  /** Writes a range to a file. Returns as `fill` does. */
  drain(range: Range, fd: number, position: Bytes): number {
    return this.move(range.length, (at, wanted) => {
      const got = this.linux.pread(range.fd, this.address, wanted, range.offset + at)
      return got <= 0 ? got : this.linux.pwrite(fd, this.address, got, position + at)
    })
  }

  private move(length: Bytes, part: (at: Bytes, wanted: Bytes) => number): number {
    for (let moved = 0; ; ) {
      const wanted = Math.min(this.length, length - moved)
      if (wanted === 0) return moved
      const result = part(moved, wanted)
      if (result < 0) return moved === 0 ? result : moved
      moved += result
      if (result < wanted) return moved
    }
  }
}

/** `length` bytes at `source`, of this process, become those of the range from `at` on. Returns how many did, or -errno if none. */
export function makePages(
  linux: Linux,
  uffd: Userfaultfd,
  { fd, offset, address }: Range,
  at: Bytes,
  source: Address,
  length: Bytes,
): number {
  const whole = length - (length % linux.pageSize)
  const made = address === undefined ? 0 : uffd.copy(address + at, source, whole)
  if (made === length) return length
  const rest = linux.pwrite(fd, source + made, length - made, offset + at + made)
  return rest < 0 && made === 0 ? rest : made + Math.max(0, rest)
}
