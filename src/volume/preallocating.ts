/**
 * fallocate: gives the holes of a range blocks of their own, which read as zeros until they are written; or makes the
 * whole range so, whatever it held (FALLOC_FL_ZERO_RANGE). A store there needs no promise of a block any more.
 *
 *     claim the range -> promise the blocks -> zero: give up what the range held, its edges written anew (reshaping.ts)
 *         -> one edit: all holes get blocks -> release
 *
 * A size that is kept leaves blocks behind the end of the file (FALLOC_FL_KEEP_SIZE).
 *
 * Invariants
 *   PA1 All holes of the range get blocks, or none does; a range isn't zeroed unless they can.
 *   PA2 What was promised is given back however the task ends.
 */
import { type Bytes, type Errno, errno, type PageRange } from '../base/index.ts'
import { done, type Outcome } from '../sched/index.ts'
import { type Claim, type Claimable, Claiming, type ClaimingArgs, claimOf, unclaimed } from './claiming.ts'
import { UNWRITTEN } from './extents.ts'
import type { Transfers } from './file-device.ts'
import { canBeLong, type Parts, roomFor } from './parts.ts'
import type { ReshapingArgs } from './reshaping.ts'

export interface PreallocationPlan {
  readonly file: Claimable
  readonly position: Bytes
  readonly length: Bytes
  /** `zero`: what the range holds is given up. */
  readonly how: 'allocate' | 'zero'
  /** Whether a range that goes past the end makes the file longer. */
  readonly size: 'grows' | 'kept'
}

export interface PreallocatingArgs extends ClaimingArgs {
  readonly plan: PreallocationPlan
  /** Blocks that are promised to it; undefined: it hasn't asked yet. */
  promised: number | undefined
  reshaping: ReshapingArgs | undefined
  /** What the range held is gone. */
  isZeroed: boolean
}

export function preallocatingArgs(plan: PreallocationPlan): PreallocatingArgs {
  return { plan, ...unclaimed(), promised: undefined, reshaping: undefined, isZeroed: false }
}

export class Preallocating extends Claiming<PreallocatingArgs> {
  readonly name = 'fallocate'
  private readonly transfers: Transfers

  constructor(parts: Parts, transfers: Transfers) {
    super(parts)
    this.transfers = transfers
  }

  protected refusal({ plan: { position, length } }: PreallocatingArgs): Errno {
    if (position < 0 || length <= 0) return errno.EINVAL
    return canBeLong(this.parts, position + length) ? errno.OK : errno.EFBIG
  }

  protected claims({ plan: { file, position, length, how } }: PreallocatingArgs): readonly Claim[] {
    return [claimOf(file, this.pages(position, length), how === 'zero' ? 'edges' : 'none')]
  }

  protected change(args: PreallocatingArgs): Outcome {
    const { plan } = args
    const { file, how } = plan
    const promise = this.promise(args)
    if (promise.kind !== 'done') return promise
    if (how === 'zero' && !args.isZeroed) {
      const zeroed = this.zero(args)
      if (zeroed.kind !== 'done') return zeroed
      const dropped = file.drop(args.claims[0]!, this.pages(plan.position, plan.length))
      if (dropped.kind !== 'done') return dropped
      args.isZeroed = true
    }
    const filled = this.parts.journal.edit(() => this.fill(plan, args.promised!))
    if (filled.kind !== 'done') return filled
    if (plan.size === 'grows') file.grow(plan.position + plan.length)
    return done
  }

  protected override isUnderWay({ reshaping }: PreallocatingArgs): boolean {
    return reshaping !== undefined
  }

  protected override giveBack(args: PreallocatingArgs): void {
    this.parts.space.unreserve(args.promised ?? 0)
    args.promised = 0
  }

  private promise(args: PreallocatingArgs): Outcome {
    if (args.promised !== undefined) return done
    const { file, position, length, how } = args.plan
    const range = this.pages(position, length)
    const holes = this.parts.journal.ask(() => [...holesOf(file, range)])
    if (holes.value === undefined) return holes.outcome
    const wanted = how === 'zero' ? [range] : holes.value
    const blocks = wanted.reduce((sum, { start, end }) => sum + end - start, 0)
    const room = roomFor(this.parts, blocks)
    if (room.kind !== 'done') return room
    this.parts.space.reserve(blocks)
    args.promised = blocks
    return done
  }

  private zero(args: PreallocatingArgs): Outcome {
    const { file, position, length } = args.plan
    args.reshaping ??= {
      node: file.node,
      request: { operation: 'zero', position, length, buffers: [] },
      plan: undefined,
    }
    return this.transfers.reshaping.step(args.reshaping)
  }

  /** Gives each hole of the range blocks, of which `most` were promised. */
  private fill({ file, position, length, size }: PreallocationPlan, most: number): void {
    const { space, names } = this.parts
    const { extents, ino } = file.node
    for (const hole of [...holesOf(file, this.pages(position, length))])
      for (let index = hole.start; index < hole.end; ) {
        const claimed = space.claim(hole.end - index, most)
        space.settle(claimed)
        extents.place(index, claimed, UNWRITTEN)
        most -= claimed.end - claimed.start
        index += claimed.end - claimed.start
      }
    if (size === 'grows' && position + length > file.size)
      names.setInode(ino, { ...names.inode(ino), size: position + length })
  }
}

/** The pages of the range that have no block. */
function* holesOf({ node }: Claimable, { start, end }: PageRange): Generator<PageRange> {
  let at = start
  for (const part of node.extents.inside(start, end)) {
    if (part.start > at) yield { start: at, end: part.start }
    at = part.end
  }
  if (at < end) yield { start: at, end }
}
