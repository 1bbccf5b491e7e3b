/**
 * fallocate: gives the holes of a range blocks of their own, which read as zeros until they are written; or makes the
 * whole range so, whatever it held (FALLOC_FL_ZERO_RANGE). A store there needs no promise of a block any more.
 *
 *     claim the range -> count its holes, in slices -> promise the blocks -> zero: give up what the range held, its edges written
 *         anew (reshaping.ts) -> the holes get blocks, in slices -> release
 *
 * Commits are held from the first block to the last. Blocks that are set aside read as the holes did, so between two slices stat
 * alone shows them.
 *
 * A size that is kept leaves blocks behind the end of the file (FALLOC_FL_KEEP_SIZE).
 *
 * Invariants
 *   PA1 All holes of the range get blocks, or none does, after a crash too; a range isn't zeroed unless they can. Only where the
 *       metadata is found damaged half way the first part has them.
 *   PA2 What was promised is given back however the task ends.
 */
import { type Bytes, type Errno, errno, type PageIndex, type PageRange } from '../base/index.ts'
import { again, done, type Outcome } from '../sched/index.ts'
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
  /** Blocks that its holes before `page` take. */
  counted: { readonly page: PageIndex; readonly blocks: number }
  /** Blocks that are promised to it; undefined: it hasn't asked yet. */
  promised: number | undefined
  /** Before this page every hole has got its blocks; undefined: none has yet. */
  filled: PageIndex | undefined
  /** Whether it holds commits. */
  holds: boolean
  reshaping: ReshapingArgs | undefined
  /** What the range held is gone. */
  isZeroed: boolean
}

export function preallocatingArgs(plan: PreallocationPlan): PreallocatingArgs {
  return {
    plan,
    ...unclaimed(),
    counted: { page: 0, blocks: 0 },
    promised: undefined,
    filled: undefined,
    holds: false,
    reshaping: undefined,
    isZeroed: false,
  }
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
    return canBeLong(position + length) ? errno.OK : errno.EFBIG
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
      // From the first part of it that is gone on: a crash doesn't leave a range without the blocks that it had.
      const { plan: dug } = args.reshaping!
      if (dug !== undefined && dug.dug > dug.holes.start) this.hold(args)
      if (zeroed.kind !== 'done') return zeroed
      const dropped = file.drop(args.claims[0]!, this.pages(plan.position, plan.length))
      if (dropped.kind !== 'done') return dropped
      args.isZeroed = true
    }
    const filled = this.fillSome(args)
    if (filled.kind !== 'done') return filled
    if (plan.size === 'grows') file.grow(plan.position + plan.length)
    return done
  }

  protected override isUnderWay({ reshaping, filled }: PreallocatingArgs): boolean {
    return reshaping !== undefined || filled !== undefined
  }

  protected override giveBack(args: PreallocatingArgs): void {
    this.parts.space.unreserve(args.promised ?? 0)
    args.promised = 0
    if (args.holds) this.parts.commits.letGo()
    args.holds = false
  }

  private promise(args: PreallocatingArgs): Outcome {
    if (args.promised !== undefined) return done
    const { position, length, how } = args.plan
    const range = this.pages(position, length)
    if (how === 'allocate' && args.counted.page < range.end) {
      const counted = this.parts.overlay.ask(() => this.countSome(args, range))
      if (counted.value === undefined) return counted.outcome
      args.counted = counted.value
      if (args.counted.page < range.end) return again
    }
    const blocks = how === 'zero' ? range.end - range.start : args.counted.blocks
    const room = roomFor(this.parts, blocks)
    if (room.kind !== 'done') return room
    this.parts.space.reserve(blocks)
    args.promised = blocks
    return done
  }

  private countSome({ plan: { file }, counted }: PreallocatingArgs, { start, end }: PageRange) {
    let { page, blocks } = { page: Math.max(start, counted.page), blocks: counted.blocks }
    let left = this.parts.sliceRecords
    for (const part of file.node.extents.inside(page, end)) {
      blocks += part.start - page
      page = part.end
      if (--left <= 0) return { page, blocks }
    }
    return { page: end, blocks: blocks + end - page }
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

  /** The holes of one slice get their blocks, and with the last the file its size. */
  private fillSome(args: PreallocatingArgs): Outcome {
    const { overlay, space } = this.parts
    const { file, position, length } = args.plan
    const range = this.pages(position, length)
    const from = args.filled ?? range.start
    const said = overlay.ask(() => this.fill(args.plan, from, range.end, args.promised!))
    if (said.value === undefined) return said.outcome
    const { page, claimed } = said.value
    args.filled = page
    args.promised! -= claimed
    space.unreserve(claimed)
    const { reserved } = file.node
    for (const index of reserved.inHolesInside({ start: from, end: page }, Infinity)) reserved.placed(index)
    if (page === range.end) return done
    this.hold(args)
    return again
  }

  /** No commit begins before it ends. */
  private hold(args: PreallocatingArgs): void {
    if (!args.holds) this.parts.commits.hold(`fallocate of ${args.plan.file.name}`)
    args.holds = true
  }

  /** Gives holes of [from, end) blocks, of which `most` were promised, as far as a slice goes. */
  private fill(
    { file, position, length, size }: PreallocationPlan,
    from: PageIndex,
    end: PageIndex,
    most: number,
  ) {
    const { space, names, sliceRecords } = this.parts
    const { extents, ino } = file.node
    let page = from
    let claimed = 0
    let left = sliceRecords
    const fillTo = (stop: PageIndex) => {
      for (; page < stop && left > 0; left--) {
        const blocks = space.allocate(stop - page, most - claimed)
        space.settle(blocks)
        extents.place(page, blocks, UNWRITTEN)
        claimed += blocks.end - blocks.start
        page += blocks.end - blocks.start
      }
      return page >= stop
    }
    for (const part of extents.inside(from, end)) {
      if (!fillTo(part.start) || left-- <= 0) return { page, claimed }
      page = part.end
    }
    if (fillTo(end) && size === 'grows' && position + length > file.size)
      names.setInode(ino, { ...names.inode(ino), size: position + length })
    return { page, claimed }
  }
}
