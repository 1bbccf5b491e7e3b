/**
 * Reading pages of a file: each part of an extent is one read of the device, and holes are zeros. What is begun and what is
 * compared goes in slices: a large request may lie in many pieces, and holds many blocks. Nobody moves a page of it meanwhile.
 *
 * Invariants
 *   RD1 Bytes that don't match their checksum end the read with EIO, and the volume is told of file and offset.
 */
import { type Bytes, type Errno, errno } from '../base/index.ts'
import { again, done, fail, type Outcome, type Ticket, wait } from '../sched/index.ts'
import { sumsOf } from './checksum.ts'
import { blocksOf, LOST, UNWRITTEN, WRITTEN } from './extents.ts'
import { Failure } from './failure.ts'
import { slice, zero } from './pieces.ts'
import type { Run } from './runs.ts'
import { Transfer, type TransferArgs } from './transfer.ts'

interface Plan {
  readonly part: Run
  readonly sums: readonly number[]
}

interface Piece extends Plan {
  readonly ticket: Ticket
}

export interface ReadingArgs extends TransferArgs {
  /** What has been begun, in order. */
  readonly pieces: Piece[]
  /** Bytes of the request before this are zero or on their way. */
  begun: Bytes
  /** How many pieces have come and are as their checksums say, and how many blocks of the next. */
  compared: { readonly pieces: number; readonly blocks: number }
  /** A block was another than its checksum says. */
  unsound: boolean
  /** Why it is to fail, when nothing of it is on its way any more. */
  failed: Errno
}

export function readingArgs(request: Pick<ReadingArgs, 'request' | 'node' | 'device'>): ReadingArgs {
  return {
    ...request,
    pieces: [],
    begun: 0,
    compared: { pieces: 0, blocks: 0 },
    unsound: false,
    failed: errno.OK,
  }
}

/** A checksum takes a part of what beginning a read does. */
const BLOCKS_A_RECORD = 4

export class Reading extends Transfer<ReadingArgs> {
  readonly name = 'read of a volume'

  step(args: ReadingArgs): Outcome {
    const { length } = args.request
    if (args.begun < length) {
      const plans = this.parts.overlay.ask(() => this.plan(args))
      if (plans.outcome.kind === 'wait') return plans.outcome
      if (plans.value === undefined) this.stop(args, plans.errno)
      else this.begin(args, plans.value)
      if (args.begun < length) return again
    }
    const { pieces, compared } = args
    for (let at = compared.pieces; at < pieces.length; at++)
      if (!pieces[at]!.ticket.complete) return wait(pieces[at]!.ticket, 'device')
    for (const { ticket } of pieces) if (args.failed === errno.OK) args.failed = ticket.errno
    if (args.failed !== errno.OK) return fail(args.failed)
    const isSound = this.isSound(args)
    args.unsound ||= !isSound
    if (args.compared.pieces < pieces.length) return again
    return args.unsound ? fail(errno.EIO) : done
  }

  private stop(args: ReadingArgs, failed: Errno): void {
    args.begun = args.request.length
    args.failed = failed
  }

  /** The next parts of extents that hold something, with their checksums. The last may be undefined: they are all. */
  private plan({ request, node, begun }: ReadingArgs): (Plan | undefined)[] {
    const { disk, sliceRecords } = this.parts
    const { blockSize } = disk
    const first = (request.position + begun) / blockSize
    const end = request.position / blockSize + Math.ceil(request.length / blockSize)
    const plans: (Plan | undefined)[] = []
    for (const part of node.extents.inside(first, end)) {
      if (plans.length === sliceRecords) return plans
      if (part.tag === LOST) throw new Failure(errno.EIO)
      if (part.tag !== UNWRITTEN)
        plans.push({ part, sums: part.tag === WRITTEN ? node.extents.sums(blocksOf(part)) : [] })
    }
    return [...plans, undefined]
  }

  private begin(args: ReadingArgs, plans: readonly (Plan | undefined)[]): void {
    const { disk } = this.parts
    const { blockSize } = disk
    const { position, length, buffers } = args.request
    for (const plan of plans) {
      const from = plan === undefined ? length : plan.part.start * blockSize - position
      zero(slice(buffers, args.begun, from))
      args.begun = length
      if (plan === undefined) return
      const { part, sums } = plan
      const to = part.end * blockSize - position
      args.pieces.push({ part, sums, ticket: disk.read(part.value, slice(buffers, from, to)) })
      args.begun = to
    }
  }

  /** Compares one slice. */
  private isSound(args: ReadingArgs): boolean {
    const { request, node, pieces } = args
    const { disk, checksum, damaged, sliceRecords } = this.parts
    const { blockSize } = disk
    let sound = true
    let { pieces: piece, blocks } = args.compared
    for (let left = BLOCKS_A_RECORD * sliceRecords; left > 0 && piece < pieces.length; left--) {
      const { part, sums } = pieces[piece]!
      const end = Math.min(sums.length, blocks + left)
      const from = (part.start + blocks) * blockSize - request.position
      const read = slice(request.buffers, from, from + (end - blocks) * blockSize)
      for (const found of sumsOf(checksum, read, blockSize)) {
        const [sum, position, number] = [sums[blocks], (part.start + blocks) * blockSize, part.value + blocks]
        blocks++
        left--
        if (found === sum) continue
        sound = false
        damaged(
          `${node.name}, bytes ${position} to ${position + blockSize - 1}: block ${number} doesn't match its checksum`,
        )
      }
      if (blocks < sums.length) continue
      piece++
      blocks = 0
    }
    args.compared = { pieces: piece, blocks }
    return sound
  }
}
