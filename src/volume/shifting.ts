/**
 * Taking a range out of a file, so that what lies behind it moves down (FALLOC_FL_COLLAPSE_RANGE), and putting a hole into its
 * midst, so that what lies there moves up (FALLOC_FL_INSERT_RANGE). Whole blocks only: no byte is copied, extents are numbered anew.
 *
 *     claim the file from the range on, its dirty pages written (claiming.ts) -> look at its extents, in slices
 *         -> move them, in slices: down from the first, up from the last -> its pages leave the cache, in slices -> size -> release
 *
 * Between two slices whoever wants a page of the claimed range waits for the claim; commits are held meanwhile.
 *
 * Invariants
 *   SF1 Afterwards the file reads as it did, without the range or with zeros in its place, and no block has another owner.
 *   SF2 A crash, or a kill, leaves the file as it was or as it is to be.
 *   SF3 Between two slices the file is as long as what it holds: a check finds nothing wrong.
 *
 * Compare   Linux vfs_fallocate, xfs_file_fallocate: what they refuse.
 */
import { type Bytes, type Errno, errno, type PageIndex } from '../base/index.ts'
import { again, fail, type Outcome } from '../sched/index.ts'
import { type Claim, type Claimable, Claiming, type ClaimingArgs, claimOf, unclaimed } from './claiming.ts'
import { canBeLong } from './parts.ts'
import { NUMBERS_MAX } from './records.ts'
import type { Run } from './runs.ts'

export interface ShiftPlan {
  readonly how: 'collapse' | 'insert'
  readonly file: Claimable
  readonly position: Bytes
  readonly length: Bytes
}

export interface ShiftingArgs extends ClaimingArgs {
  readonly plan: ShiftPlan
  /** What is to be moved, in the order in which it is; as far as it has been looked at, then as far as it is left. */
  readonly runs: Run[]
  /** Up to which page it has been looked at. */
  looked: PageIndex
  state: 'looks' | 'moves' | 'has moved' | 'is so long'
}

export function shiftingArgs(plan: ShiftPlan): ShiftingArgs {
  return { plan, ...unclaimed(), runs: [], looked: 0, state: 'looks' }
}

export class Shifting extends Claiming<ShiftingArgs> {
  readonly name = 'shift'

  protected refusal({ plan }: ShiftingArgs): Errno {
    if (this.brokenRule(plan) !== undefined) return errno.EINVAL
    const { how, file, length } = plan
    return how === 'collapse' || canBeLong(file.size + length) ? errno.OK : errno.EFBIG
  }

  /** The rule that forbids it, in words. */
  brokenRule({ how, file, position, length }: ShiftPlan): string | undefined {
    const { blockSize } = this.parts.disk
    for (const [what, is] of [
      ['position', position],
      ['length', length],
    ] as const)
      if (is < 0 || is % blockSize !== 0)
        return `${what} is ${is}: blocks are moved as a whole, so it is a multiple of the block size, ${blockSize}`
    if (length === 0) return 'length is 0: expected one block at least'
    if (how === 'collapse' && position + length >= file.size)
      return `the range reaches the end of the file: ${file.name} has ${file.size} bytes; make it shorter by truncate`
    if (how === 'insert' && position >= file.size)
      return `position is ${position}, and ${file.name} has ${file.size} bytes; make it longer by truncate`
    return undefined
  }

  protected claims({ plan: { file, position } }: ShiftingArgs): readonly Claim[] {
    return [claimOf(file, { start: this.pages(position, 0).start, end: NUMBERS_MAX }, 'all')]
  }

  protected change(args: ShiftingArgs): Outcome {
    const { file, how, length } = args.plan
    const [claim] = args.claims
    switch (args.state) {
      case 'looks':
        return this.look(args)
      case 'moves':
        return this.move(args)
      case 'has moved': {
        const dropped = file.drop(claim!, { start: claim!.start, end: NUMBERS_MAX })
        if (dropped.kind !== 'done') return dropped
        file.shifted(file.size + (how === 'insert' ? length : -length))
        args.state = 'is so long'
        return again
      }
      case 'is so long':
        return file.cut(claim!)
    }
  }

  protected override isUnderWay({ state }: ShiftingArgs): boolean {
    return state !== 'looks'
  }

  protected override giveBack({ state }: ShiftingArgs): void {
    if (state !== 'looks') this.parts.commits.letGo()
  }

  /** One slice of the extents that are to move. */
  private look(args: ShiftingArgs): Outcome {
    const { file, how, position, length } = args.plan
    const { overlay, sliceRecords, commits } = this.parts
    const from = Math.max(args.looked, this.pages(position, 0).start)
    const said = overlay.ask(() => {
      const some: Run[] = []
      for (const run of file.node.extents.inside(from, NUMBERS_MAX)) {
        some.push(run)
        if (some.length === sliceRecords) break
      }
      return some
    })
    if (said.value === undefined) return said.outcome
    args.runs.push(...said.value)
    args.looked = said.value.at(-1)?.end ?? NUMBERS_MAX
    if (said.value.length === sliceRecords) return again
    const end = args.runs.at(-1)?.end ?? 0
    if (how === 'insert' && !canBeLong(end * this.parts.disk.blockSize + length)) return fail(errno.EFBIG)
    // Down from the first on, up from the last on: the next one is at the end of the list.
    if (how === 'collapse') args.runs.reverse()
    args.state = 'moves'
    commits.hold(`${how} in ${file.name}`)
    return again
  }

  /** One slice of them moves. The file is as long as what it holds in between: longer with the first, shorter with the last. */
  private move(args: ShiftingArgs): Outcome {
    const { file, how, position, length } = args.plan
    const { overlay, names, sliceRecords } = this.parts
    const { extents, ino } = file.node
    const { start, end } = this.pages(position, length)
    const left = Math.max(0, args.runs.length - sliceRecords)
    const moved = overlay.edit(() => {
      for (const run of args.runs.slice(left).reverse())
        if (how === 'insert') extents.move(run, end - start)
        else {
          if (run.start < end) extents.remove(run.start, Math.min(run.end, end))
          if (run.end > end) extents.move({ ...run, start: Math.max(run.start, end) }, start - end)
        }
      const size = file.size + (how === 'insert' ? length : -length)
      if (how === 'insert' || left === 0) names.setInode(ino, { ...names.inode(ino), size })
    })
    if (moved.kind !== 'done') return moved
    args.runs.length = left
    if (left === 0) args.state = 'has moved'
    return again
  }
}
