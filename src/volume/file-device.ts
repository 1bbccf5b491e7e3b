/**
 * A file of a volume as a device on the volume's device: positions are the file's, and the bytes lie where its extents
 * say. So the page cache and the I/O scheduler treat it as any other.
 *
 *     read      parts of extents are read, holes are zeros; each block is compared with its checksum
 *     write     new blocks are claimed and written, then one edit lets the file lie there      (never in place, but for
 *               pages that were set aside and hold nothing yet)
 *     zero, resize    what is cut off is given up; a block that is cut in part is written anew, with zeros
 *     flush     a commit of the volume
 *
 * Each request is a task. Requests of one file don't overlap: the page cache has a page on its way once, and claims the
 * range that it cuts.
 *
 * Invariants   D1 to D3 (device/device.ts)
 *   FD1 Bytes that don't match their checksum are never handed on: the read ends with EIO, and the volume is told where.
 *   FD2 A write that fails leaves the extents as they were, its blocks free, and its pages reserved as before.
 *   FD3 A block is written before an extent names it.
 */
import { errno, ROOT } from '../base/index.ts'
import type { Device, Request } from '../device/index.ts'
import { done, fail, type Outcome, type Ticket, wait } from '../sched/index.ts'
import type { Node, Parts } from './parts.ts'
import { Reading, readingArgs } from './reading.ts'
import { Reshaping } from './reshaping.ts'
import { Transfer, type TransferArgs } from './transfer.ts'
import { Writing } from './writing.ts'

/** What requests of one volume are done by. */
export class Transfers {
  readonly reading: Reading
  readonly writing: Writing
  readonly reshaping: Reshaping
  readonly flushing: Flushing

  constructor(parts: Parts) {
    this.reading = new Reading(parts)
    this.writing = new Writing(parts)
    this.reshaping = new Reshaping(parts)
    this.flushing = new Flushing(parts)
  }
}

export class FileDevice implements Device {
  readonly name: string
  readonly disk: string
  onEnd: Device['onEnd'] = () => {}
  private readonly parts: Parts
  private readonly transfers: Transfers
  private readonly node: Node

  constructor(parts: Parts, transfers: Transfers, node: Node) {
    this.parts = parts
    this.transfers = transfers
    this.node = node
    this.name = node.name
    this.disk = parts.disk.queue
  }

  get readOnly(): boolean {
    return this.parts.readOnly
  }

  start(request: Request): void {
    const { scheduler } = this.parts
    const { reading, writing, reshaping, flushing } = this.transfers
    const args: TransferArgs = { device: this, request, node: this.node }
    const who = { name: `${request.operation} of ${this.name}`, group: ROOT }
    switch (request.operation) {
      case 'read':
        scheduler.spawn(reading, readingArgs(args), who)
        break
      case 'write':
        scheduler.spawn(writing, { ...args, pieces: undefined, paid: [] }, who)
        break
      case 'zero':
      case 'resize':
        scheduler.spawn(reshaping, { ...args, plan: undefined }, who)
        break
      case 'flush':
        scheduler.spawn(flushing, { ...args, commit: undefined }, who)
        break
    }
  }
}

interface FlushingArgs extends TransferArgs {
  commit: Ticket | undefined
}

class Flushing extends Transfer<FlushingArgs> {
  readonly name = 'flush of a volume'

  step(args: FlushingArgs): Outcome {
    args.commit ??= this.parts.commits.request()
    if (!args.commit.complete) return wait(args.commit, 'device')
    return args.commit.errno === errno.OK ? done : fail(args.commit.errno)
  }
}
