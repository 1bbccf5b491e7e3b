/**
 * Letting a range of one file lie where a range of another does: clone, and dedupe, which first makes sure that the two
 * hold the same. Time and records grow with the extents of the range, not with its bytes.
 *
 *     claim both ranges, their dirty pages written (claiming.ts) -> dedupe: read both and compare
 *         -> the extents, in slices -> the target's pages leave the cache, in slices -> release
 *
 * Between two slices pages of the target that are in the cache are read as they were, and whoever wants another page of it waits
 * for the claim; once the first has left the cache, for any. Extents of the target may be seen to be half changed by stat alone.
 * Commits are held meanwhile.
 *
 * Writing a dirty page takes the right to store away from all who map it, and a claimed range of a DAX file has no
 * entries, so the next store to either asks for a block of its own.
 *
 * Invariants
 *   RP1 Afterwards both ranges read as the source did when the task claimed them, and a store to one doesn't show in the
 *       other.
 *   RP2 Dedupe changes nothing that can be read; of two ranges that differ, in any byte, it changes nothing at all.
 *   RP4 A crash, or a kill, leaves the target as it was or as it is to be. Only where the metadata is found damaged half way
 *       the first part of a range is cloned, and the rest isn't.
 *   RP5 Between two slices the target is as long as what it holds: a check finds nothing wrong.
 *   RP3 What is refused is refused by a rule that can be said in words.
 *
 * Compare   Linux generic_remap_file_range_prep: what it refuses. Of a dedupe it shares whole blocks only, as Linux does; but it
 * compares the bytes behind them too, which Linux leaves to the caller.
 */
import { type Bytes, type Errno, errno } from '../base/index.ts'
import { again, done, type Outcome } from '../sched/index.ts'
import { type Claim, type Claimable, Claiming, type ClaimingArgs, claimOf, unclaimed } from './claiming.ts'
import type { Transfers } from './file-device.ts'
import { canBeLong, type Parts } from './parts.ts'
import { type ReadingArgs, readingArgs } from './reading.ts'

/** Pages that dedupe compares at a time. */
const COMPARE_PAGES = 64

export interface RemapPlan {
  readonly how: 'clone' | 'dedupe'
  readonly source: Claimable
  readonly from: Bytes
  readonly target: Claimable
  readonly to: Bytes
  /** 0: nothing. (FICLONERANGE's 0 is 'to the end'.) */
  readonly length: Bytes | 'to the end'
}

export interface RemappingArgs extends ClaimingArgs {
  readonly plan: RemapPlan
  /** Pages found to be the same so far, and the two reads that look at the next. */
  compared: number
  reads: readonly [ReadingArgs, ReadingArgs] | undefined
  /** Dedupe: the ranges differ, and nothing was changed. */
  differs: boolean
  /** Pages whose extents are shared; undefined: nothing has changed yet. */
  shared: number | undefined
  /** Bytes that lie in the same blocks now. */
  remapped: Bytes
}

export function remappingArgs(plan: RemapPlan): RemappingArgs {
  return {
    plan,
    ...unclaimed(),
    compared: 0,
    reads: undefined,
    differs: false,
    shared: undefined,
    remapped: 0,
  }
}

export class Remapping extends Claiming<RemappingArgs> {
  readonly name = 'remap'
  private readonly transfers: Transfers

  constructor(parts: Parts, transfers: Transfers) {
    super(parts)
    this.transfers = transfers
  }

  /** EINVAL for what breaks a rule. */
  protected refusal({ plan }: RemappingArgs): Errno {
    if (this.brokenRule(plan) !== undefined) return errno.EINVAL
    return canBeLong(plan.to + this.lengthOf(plan)) ? errno.OK : errno.EFBIG
  }

  /** The rule that forbids it, in words (RP3). */
  brokenRule(plan: RemapPlan): string | undefined {
    const { blockSize } = this.parts.disk
    const { source, from, target, to, how } = plan
    const wanted = this.wanted(plan)
    if (source.opened !== target.opened)
      return `${source.name} and ${target.name} are open in different ways, one for DAX and one through the cache: such files share no blocks`
    for (const [what, at] of [
      ['from', from],
      ['to', to],
    ] as const)
      if (at < 0 || at % blockSize !== 0)
        return `${what} is ${at}: blocks are shared as a whole, so an offset is a multiple of the block size, ${blockSize}`
    if (from > source.size || from + wanted > source.size)
      return `the range ends past the end of the source: ${source.name} has ${source.size} bytes, and bytes ${from} to ${from + Math.max(wanted, 1) - 1} are asked for`
    if (how === 'dedupe' && to + wanted > target.size)
      return `the range ends past the end of the target: ${target.name} has ${target.size} bytes, and bytes ${to} to ${to + wanted - 1} are asked for`
    const length = this.lengthOf(plan)
    const endsFiles = from + length === source.size && to + length >= target.size
    if (length % blockSize !== 0 && !endsFiles)
      return `length is ${length}: it is a multiple of the block size, ${blockSize}, unless the range ends both files`
    const end = from + Math.ceil((how === 'dedupe' ? wanted : length) / blockSize) * blockSize
    if (source === target && from < to + end - from && to < end)
      return `the ranges overlap in ${source.name}: bytes from ${from} and from ${to} on, ${end - from} in whole blocks`
    return undefined
  }

  protected claims({ plan }: RemappingArgs): readonly Claim[] {
    const { source, from, target, to, how } = plan
    const length = how === 'dedupe' ? this.wanted(plan) : this.lengthOf(plan)
    const one = this.pages(from, length)
    const other = this.pages(to, length)
    const both = { start: Math.min(one.start, other.start), end: Math.max(one.end, other.end) }
    if (source === target) return [claimOf(source, both, 'all')]
    return [claimOf(source, one, 'all'), claimOf(target, other, how === 'dedupe' ? 'all' : 'none')]
  }

  protected change(args: RemappingArgs): Outcome {
    const { plan } = args
    const { source, target, to, how } = plan
    const length = this.lengthOf(plan)
    if (how === 'dedupe') {
      const same = this.compare(args, this.wanted(plan))
      if (same.kind !== 'done' || args.differs) return same
    }
    if (length === 0) return done
    const range = this.pages(to, length)
    const pages = range.end - range.start
    if (args.shared === undefined) {
      args.shared = 0
      this.parts.commits.hold(`clone of ${source.name}`)
    }
    if (args.shared < pages) {
      const made = this.share(args, pages, length)
      if (made.kind !== 'done') return made
      if (args.shared < pages) return again
      target.grow(to + length)
      args.remapped = length
    }
    return how === 'clone' ? target.drop(args.claims.at(-1)!, range) : done
  }

  protected override isUnderWay({ shared }: RemappingArgs): boolean {
    return shared !== undefined
  }

  protected override giveBack({ shared }: RemappingArgs): void {
    if (shared !== undefined) this.parts.commits.letGo()
  }

  /** The extents of one slice, and the size up to there. */
  private share(args: RemappingArgs, pages: number, length: Bytes): Outcome {
    const { source, from, target, to } = args.plan
    const { overlay, names, disk, sliceRecords } = this.parts
    const { node } = target
    const before = args.shared!
    const first = this.pages(from, length).start + before
    const start = this.pages(to, length).start + before
    const said = overlay.ask(() => {
      const some = node.extents.shareFrom(source.node.extents, first, start, pages - before, sliceRecords)
      const inode = names.inode(node.ino)
      const reached = Math.min(length, (before + some) * disk.blockSize)
      const size = Math.max(inode.size, to + reached)
      if (size !== inode.size) names.setInode(node.ino, { ...inode, size })
      return some
    })
    if (said.value !== undefined) args.shared = before + said.value
    return said.outcome
  }

  /** Bytes that are asked for. */
  private wanted({ source, from, length }: RemapPlan): Bytes {
    return length === 'to the end' ? Math.max(0, source.size - from) : length
  }

  /** Bytes that are shared: of a dedupe only whole blocks, but for the ends of both files. */
  private lengthOf(plan: RemapPlan): Bytes {
    const { how, source, from, target, to } = plan
    const length = this.wanted(plan)
    const endsFiles = from + length === source.size && to + length === target.size
    return how === 'clone' || endsFiles ? length : length - (length % this.parts.disk.blockSize)
  }

  /** Reads both ranges, some pages at a time, until they differ or end. */
  private compare(args: RemappingArgs, length: Bytes): Outcome {
    const { source, from, target, to } = args.plan
    const { blockSize } = this.parts.disk
    while (args.compared * blockSize < length) {
      const done = args.compared * blockSize
      args.reads ??= [
        this.reading(source, from + done, length - done),
        this.reading(target, to + done, length - done),
      ]
      for (const read of args.reads) {
        const outcome = this.transfers.reading.step(read)
        if (outcome.kind !== 'done') return outcome
      }
      const [one, other] = args.reads.map(read => read.request.buffers[0]!)
      const bytes = one!.subarray(0, length - done)
      args.differs = !isEqual(bytes, other!.subarray(0, bytes.length))
      if (args.differs) break
      args.compared += COMPARE_PAGES
      args.reads = undefined
      if (args.compared * blockSize < length) return again
    }
    return done
  }

  private reading({ node }: Claimable, position: Bytes, most: Bytes): ReadingArgs {
    const { blockSize } = this.parts.disk
    const length = Math.min(COMPARE_PAGES, Math.ceil(most / blockSize)) * blockSize
    const request = { operation: 'read' as const, position, length, buffers: [new Uint8Array(length)] }
    return readingArgs({ node, request })
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false
  return true
}
