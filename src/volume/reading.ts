/**
 * Reading pages of a file: each part of an extent is one read of the device, and holes are zeros.
 *
 * Invariants
 *   RD1 Bytes that don't match their checksum end the read with EIO, and the volume is told of file and offset.
 */
import { type Bytes, errno } from '../base/index.ts'
import { done, fail, type Outcome, type Ticket, wait } from '../sched/index.ts'
import { blocksOf, LOST, UNWRITTEN, WRITTEN } from './extents.ts'
import { Failure } from './failure.ts'
import { blocksIn, slice, zero } from './pieces.ts'
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
  pieces: readonly Piece[] | undefined
}

export class Reading extends Transfer<ReadingArgs> {
  readonly name = 'read of a volume'

  step(args: ReadingArgs): Outcome {
    if (args.pieces === undefined) {
      const plans = this.parts.journal.ask(() => this.plan(args))
      if (plans.value === undefined) return plans.outcome
      args.pieces = this.begin(args, plans.value)
    }
    for (const { ticket } of args.pieces) if (!ticket.complete) return wait(ticket, 'device')
    for (const { ticket } of args.pieces) if (ticket.errno !== errno.OK) return fail(ticket.errno)
    return this.isSound(args) ? done : fail(errno.EIO)
  }

  /** The parts of extents that hold something, with their checksums. */
  private plan({ request, node }: ReadingArgs): Plan[] {
    const { blockSize } = this.parts.disk
    const first = request.position / blockSize
    const plans: Plan[] = []
    for (const part of node.extents.inside(first, first + Math.ceil(request.length / blockSize)))
      if (part.tag === LOST) throw new Failure(errno.EIO)
      else if (part.tag !== UNWRITTEN)
        plans.push({ part, sums: part.tag === WRITTEN ? node.extents.sums(blocksOf(part)) : [] })
    return plans
  }

  private begin({ request: { position, length, buffers } }: ReadingArgs, plans: readonly Plan[]): Piece[] {
    const { disk } = this.parts
    const { blockSize } = disk
    let done: Bytes = 0
    const pieces: Piece[] = []
    for (const { part, sums } of plans) {
      const from = part.start * blockSize - position
      const to = part.end * blockSize - position
      zero(slice(buffers, done, from))
      pieces.push({ part, sums, ticket: disk.read(part.value, slice(buffers, from, to)) })
      done = to
    }
    zero(slice(buffers, done, length))
    return pieces
  }

  private isSound({ request, node, pieces }: ReadingArgs): boolean {
    const { disk, checksum, damaged } = this.parts
    const { blockSize } = disk
    let sound = true
    for (const { part, sums } of pieces!) {
      if (sums.length === 0) continue
      const from = part.start * blockSize - request.position
      const read = slice(request.buffers, from, from + sums.length * blockSize)
      let at = 0
      for (const block of blocksIn(read, blockSize)) {
        const [sum, position, number] = [sums[at], (part.start + at) * blockSize, part.value + at]
        at++
        if (checksum.of(block) === sum) continue
        sound = false
        damaged(
          `${node.name}, bytes ${position} to ${position + blockSize - 1}: block ${number} doesn't match its checksum`,
        )
      }
    }
    return sound
  }
}
