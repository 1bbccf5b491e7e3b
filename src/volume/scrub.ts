/**
 * Reading all data of a volume and comparing it with its checksums, in order of block, each block once however many files
 * share it.
 *
 * Invariants
 *   SC1 A block is told to be bad only if its checksum is still the one it was compared with: writers may go on meanwhile.
 *   SC2 A block that can't be read is told of alone: its neighbours are read without it.
 */
import { type Errno, errno } from '../base/index.ts'
import { again, done, type Outcome, type Ticket, wait } from '../sched/index.ts'
import { sumsOf } from './checksum.ts'
import { Extents } from './extents.ts'
import type { Parts } from './parts.ts'
import { CHUNK_BLOCKS } from './records.ts'
import type { Blocks } from './space.ts'

/** Blocks of one read, and reads on their way. */
const READ_BLOCKS = 256
const READS_MAX = 4

interface Read extends Blocks {
  readonly bytes: Uint8Array
  readonly sums: readonly number[]
  readonly ticket: Ticket
}

export interface BadBlock {
  readonly block: number
  readonly why: 'unreadable' | "doesn't match its checksum"
}

/** What is said of all that was asked for: it is read, or nobody could be asked. Other errors are of some block of it. */
const NOBODY_ASKED: ReadonlySet<Errno> = new Set([
  errno.OK,
  errno.EREMOTEIO,
  errno.ETIMEDOUT,
  errno.EACCES,
  errno.EKEYREJECTED,
  errno.EPROTO,
])

export interface ScrubArgs {
  /** In order, without overlap. */
  readonly ranges: readonly Blocks[]
  readonly bad: BadBlock[]
  /** Blocks that have been compared. */
  compared: number
  /** The range at hand, and how far reads of it have begun. */
  at: number
  begun: number
  readonly reads: Read[]
  readonly unused: Uint8Array[]
}

export function scrubArgs(ranges: readonly Blocks[]): ScrubArgs {
  return { ranges, bad: [], compared: 0, at: 0, begun: 0, reads: [], unused: [] }
}

export class Scrub {
  private readonly parts: Parts
  private readonly sums: Extents

  constructor(parts: Parts) {
    this.parts = parts
    this.sums = new Extents(parts.overlay, parts.space, 0)
  }

  /** One attempt at it. */
  step(args: ScrubArgs): Outcome {
    while (args.reads.length < READS_MAX && this.begin(args));
    const read = args.reads[0]
    if (read === undefined) return done
    if (!read.ticket.complete) return wait(read.ticket, 'device')
    args.reads.shift()
    if (read.end - read.start > 1 && !NOBODY_ASKED.has(read.ticket.errno)) this.halve(args, read)
    else this.compare(args, read)
    return again
  }

  /** Begins the next read; says whether there was one. */
  private begin(args: ScrubArgs): boolean {
    const { disk, overlay } = this.parts
    const range = args.ranges[args.at]
    if (range === undefined) return false
    const start = Math.max(range.start, args.begun)
    const sumsTo = (end: number) => overlay.ask(() => this.sums.sums({ start, end })).value
    let end = Math.min(range.end, start + READ_BLOCKS)
    let sums = sumsTo(end)
    if (sums === undefined) {
      end = Math.min(end, (Math.floor(start / CHUNK_BLOCKS) + 1) * CHUNK_BLOCKS)
      sums = sumsTo(end)
    }
    args.begun = end
    if (end === range.end) args.at++
    // What has no checksums to be read is told of by the check of the metadata.
    if (sums === undefined) return true
    const whole = args.unused.pop() ?? new Uint8Array(READ_BLOCKS * disk.blockSize)
    const bytes = whole.subarray(0, (end - start) * disk.blockSize)
    args.reads.push({ start, end, bytes, sums, ticket: disk.read(start, [bytes]) })
    return true
  }

  /** A block that can't be read doesn't speak for those that were asked for with it. */
  private halve({ reads }: ScrubArgs, { start, end, bytes, sums }: Read): void {
    const { disk } = this.parts
    const middle = start + Math.floor((end - start) / 2)
    const part = (from: number, to: number): Read => {
      const into = bytes.subarray((from - start) * disk.blockSize, (to - start) * disk.blockSize)
      return {
        start: from,
        end: to,
        bytes: into,
        sums: sums.slice(from - start, to - start),
        ticket: disk.read(from, [into]),
      }
    }
    reads.unshift(part(start, middle), part(middle, end))
  }

  private compare(args: ScrubArgs, read: Read): void {
    const { disk, checksum } = this.parts
    const { start, end, bytes, sums, ticket } = read
    const failed = ticket.errno !== errno.OK
    const found = failed ? [] : sumsOf(checksum, [bytes], disk.blockSize)
    for (let block = start; block < end; block++) {
      const sum = sums[block - start]!
      if (sum === 0 || found[block - start] === sum) continue
      if (this.isStill(block, sum))
        args.bad.push({ block, why: failed ? 'unreadable' : "doesn't match its checksum" })
    }
    args.compared += end - start
    if (bytes.length === READ_BLOCKS * disk.blockSize) args.unused.push(bytes)
  }

  private isStill(block: number, sum: number): boolean {
    return this.parts.overlay.ask(() => this.sums.sums({ start: block, end: block + 1 })[0]).value === sum
  }
}
