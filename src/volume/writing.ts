/**
 * Writing pages of a file, always to blocks that nothing durable refers to: copy-on-write, shared or not.
 *
 *     claim blocks -> write them -> one edit: the file lies there, checksums, size; the old blocks lose a reference
 *                        \-- the device failed --> the claims are cancelled, the pages are reserved as before
 *
 * Pages that fallocate set aside hold nothing yet, and are written where they are.
 *
 * Invariants
 *   WR1 Pages that are reserved are never refused for lack of space.
 *   WR2 After a failure extents, space and reservations are as they were.
 */
import { assert, type Errno, errno, type PageIndex } from '../base/index.ts'
import { done, type Fail, fail, type Outcome, type Ticket, wait } from '../sched/index.ts'
import { sumsOf } from './checksum.ts'
import { UNWRITTEN, WRITTEN } from './extents.ts'
import { joined, slice } from './pieces.ts'
import type { Blocks } from './space.ts'
import { Transfer, type TransferArgs } from './transfer.ts'

/** Pages from `index` on, and the blocks that take them. */
interface Target extends Blocks {
  readonly index: PageIndex
  readonly how: 'allocated' | 'set aside'
}

interface Piece extends Target {
  readonly ticket: Ticket
  readonly sums: readonly number[]
}

export interface WritingArgs extends TransferArgs {
  pieces: readonly Piece[] | undefined
  /** The pages whose reservation has become a claim. */
  paid: readonly PageIndex[]
}

export class Writing extends Transfer<WritingArgs> {
  readonly name = 'write of a volume'

  step(args: WritingArgs): Outcome {
    if (args.pieces === undefined) {
      const begun = this.begin(args)
      if (begun.kind !== 'done') return begun
    }
    for (const { ticket } of args.pieces!) if (!ticket.complete) return wait(ticket, 'device')
    let failed: Errno = errno.OK
    for (const { ticket } of args.pieces!) if (failed === errno.OK) failed = ticket.errno
    const settled = failed === errno.OK ? this.parts.overlay.edit(() => this.settle(args)) : fail(failed)
    return settled.kind === 'fail' ? this.cancel(args, settled) : settled
  }

  private begin(args: WritingArgs): Outcome {
    const { overlay, space, disk, commits } = this.parts
    const { request, node } = args
    if (commits.broken !== errno.OK) return fail(errno.EROFS)
    const first = request.position / disk.blockSize
    const last = first + Math.ceil(request.length / disk.blockSize)
    const paid: PageIndex[] = []
    for (let index = first; index < last; index++) if (node.reserved.has(index)) paid.push(index)
    const targets = overlay.ask(() => this.targets(args, first, last, space.available + paid.length))
    if (targets.value === undefined) return targets.outcome
    args.paid = paid
    for (const index of paid) node.reserved.delete(index)
    space.unreserve(paid.length)
    args.pieces = targets.value.map(target => this.write(args, target, first))
    return done
  }

  /** Where each page goes. At most `most` blocks are allocated. */
  private targets({ node }: WritingArgs, first: PageIndex, last: PageIndex, most: number): Target[] {
    const { space } = this.parts
    const targets: Target[] = []
    const claim = (index: PageIndex, end: PageIndex) => {
      while (index < end) {
        const blocks = space.allocate(end - index, most)
        most -= blocks.end - blocks.start
        targets.push({ index, ...blocks, how: 'allocated' })
        index += blocks.end - blocks.start
      }
    }
    let index = first
    for (const part of [...node.extents.inside(first, last)]) {
      if (part.tag !== UNWRITTEN) continue
      claim(index, part.start)
      const end = part.value + part.end - part.start
      targets.push({ index: part.start, start: part.value, end, how: 'set aside' })
      index = part.end
    }
    claim(index, last)
    return targets
  }

  private write({ request }: WritingArgs, target: Target, first: PageIndex): Piece {
    const { disk, checksum } = this.parts
    const { blockSize } = disk
    const from = (target.index - first) * blockSize
    const to = from + (target.end - target.start) * blockSize
    const whole = Math.min(to, Math.floor(request.length / blockSize) * blockSize)
    const buffers = slice(request.buffers, from, whole)
    // The last block is written as a whole: what lies past the end of the file is zero.
    if (whole < to) buffers.push(joined(request.buffers, whole, to))
    const sums = sumsOf(checksum, buffers, blockSize)
    return { ...target, sums, ticket: disk.write(target.start, buffers) }
  }

  private settle({ request, node, pieces }: WritingArgs): void {
    const { space, names } = this.parts
    const { extents, ino } = node
    for (const piece of pieces!) {
      if (piece.how === 'allocated') {
        space.settle(piece)
        extents.place(piece.index, piece, WRITTEN)
      } else {
        const end = piece.index + piece.end - piece.start
        extents.retag({ start: piece.index, end, value: piece.start, tag: UNWRITTEN }, WRITTEN)
      }
      extents.setSums(piece.start, piece.sums)
    }
    const inode = names.inode(ino)
    const size = Math.max(inode.size, request.position + request.length)
    if (size !== inode.size) names.setInode(ino, { ...inode, size })
  }

  /** Ends as `failed` says, when what was allocated is given back. */
  private cancel({ node, pieces, paid }: WritingArgs, failed: Fail): Outcome {
    const { overlay, space } = this.parts
    const nowhere = new Set<PageIndex>()
    const cancelled = overlay.edit(() => {
      for (const piece of pieces!) if (piece.how === 'allocated') space.cancel(piece)
      for (const index of paid) if (node.extents.at(index) === undefined) nowhere.add(index)
    })
    if (cancelled.kind === 'wait') return cancelled
    if (cancelled.kind === 'fail') return failed
    space.reserve(paid.length)
    for (const index of paid) {
      assert(!node.reserved.has(index), 'WR2: a page on its way is reserved once')
      node.reserved.add(index, nowhere.has(index) ? 'nowhere' : 'in a block')
    }
    return failed
  }
}
