/**
 * Giving up what a file holds: a new size, or a range that is zero from now on. Whole pages become holes; a page that is
 * cut in part is written anew, with zeros where it was cut, before one edit makes all of it so.
 *
 *     for each cut page:  read -> zero the part -> claim a block -> write
 *     then the holes, in slices; with the last one edit: the cut pages in their new blocks, the size
 *     then what was promised for pages that are gone, in slices
 *
 * The range is claimed meanwhile: nobody is given a page of it that isn't in the cache, and pages that are there are read as they
 * were. So between two slices stat alone shows that some of it has gone. Commits are held from the first slice to the last.
 *
 * Invariants
 *   RS1 After a failure the file is as it was. Only where the metadata is found damaged half way the first part of a range is a hole.
 *   RS2 Bytes that were cut off don't show when the file grows again.
 *   RS3 A crash leaves the file as it was or as it is to be.
 */
import { type Bytes, errno, type PageRange } from '../base/index.ts'
import { again, done, type Fail, fail, type Outcome, type Ticket, wait } from '../sched/index.ts'
import { blocksOf, LOST, UNWRITTEN, WRITTEN } from './extents.ts'
import { Damage } from './failure.ts'
import { canBeLong, roomFor, unreserve } from './parts.ts'
import { NUMBERS_MAX } from './records.ts'
import type { Run } from './runs.ts'
import type { Blocks } from './space.ts'
import { Transfer, type TransferArgs } from './transfer.ts'

/** A page of which bytes [from, to) become zero. */
interface Cut {
  readonly part: Run
  readonly from: Bytes
  readonly to: Bytes
  readonly bytes: Uint8Array
  reading: Ticket | undefined
  claim: Blocks | undefined
  writing: Ticket | undefined
}

interface Plan {
  /** Pages that become holes. */
  readonly holes: PageRange
  /** Pages that the cache drops, dirty or not. */
  readonly dropped: PageRange
  readonly cuts: readonly Cut[]
  /** Before this page all of `holes` is one; Infinity: the file is as it is to be. */
  dug: number
  /** Whether it holds commits. */
  holds: boolean
}

export interface ReshapingArgs extends TransferArgs {
  plan: Plan | undefined
}

export class Reshaping extends Transfer<ReshapingArgs> {
  readonly name = 'change of a volume'

  step(args: ReshapingArgs): Outcome {
    const { overlay, commits } = this.parts
    if (args.plan === undefined) {
      if (commits.broken !== errno.OK) return fail(errno.EROFS)
      const { operation, length } = args.request
      if (operation === 'resize' && !canBeLong(length)) return fail(errno.EFBIG)
      const planned = overlay.ask(() => this.plan(args))
      if (planned.value === undefined) return planned.outcome
      args.plan = planned.value
    }
    const { plan } = args
    for (const cut of plan.cuts) {
      const outcome = this.rewrite(args, cut)
      if (outcome.kind === 'fail') return this.cancel(args, outcome)
      if (outcome.kind !== 'done') return outcome
    }
    if (plan.dug !== Infinity) {
      const dug = this.dig(args, plan)
      if (dug.kind === 'fail') return this.cancel(args, dug)
      if (dug.kind !== 'done') return dug
    }
    return unreserve(this.parts, args.node, plan.dropped) === 'all' ? done : again
  }

  /** One slice, and with the last all that is to hold with it. */
  private dig(args: ReshapingArgs, plan: Plan): Outcome {
    const { overlay, commits, sliceRecords } = this.parts
    const said = overlay.ask(() => {
      const next = args.node.extents.removeSome(plan.dug, plan.holes.end, sliceRecords)
      if (next === Infinity) this.apply(args)
      return next
    })
    if (said.outcome.kind === 'wait') return said.outcome
    plan.dug = said.value ?? plan.dug
    const isOver = said.value === undefined || said.value === Infinity
    if (isOver && plan.holds) commits.letGo()
    else if (!isOver && !plan.holds) commits.hold(`${args.request.operation} of ${args.node.name}`)
    plan.holds = !isOver
    return isOver ? said.outcome : again
  }

  private plan({ request, node }: ReshapingArgs): Plan {
    const { blockSize } = this.parts.disk
    const { size } = this.parts.names.inode(node.ino)
    const { operation, position, length } = request
    const from = operation === 'resize' ? length : position
    const to = operation === 'resize' ? NUMBERS_MAX * blockSize : position + length
    const start = Math.ceil(from / blockSize)
    const dropped = { start, end: Math.max(start, Math.floor(to / blockSize)) }
    // Behind the end of the file everything is zero already, so what reaches the end takes its last page as a whole.
    const holes = to < size ? dropped : { start, end: Math.max(start, Math.ceil(to / blockSize)) }
    const cuts: Cut[] = []
    for (const index of new Set([Math.floor(from / blockSize), Math.floor((to - 1) / blockSize)])) {
      if (from >= size || (index >= holes.start && index < holes.end)) continue
      const [part] = node.extents.inside(index, index + 1)
      if (part === undefined || part.tag === UNWRITTEN || part.tag === LOST) continue
      const page = index * blockSize
      cuts.push({
        part,
        from: Math.max(0, from - page),
        to: Math.min(blockSize, to - page),
        bytes: new Uint8Array(blockSize),
        reading: undefined,
        claim: undefined,
        writing: undefined,
      })
    }
    return { holes, dropped, cuts, dug: holes.start, holds: false }
  }

  /** The page of a cut in a block of its own. */
  private rewrite({ node }: ReshapingArgs, cut: Cut): Outcome {
    const { disk, overlay, space, checksum } = this.parts
    const { part, bytes } = cut
    cut.reading ??= disk.read(part.value, [bytes])
    if (!cut.reading.complete) return wait(cut.reading, 'device')
    if (cut.reading.errno !== errno.OK) return fail(cut.reading.errno)
    if (cut.writing === undefined) {
      const room = roomFor(this.parts, 1)
      if (room.kind !== 'done') return room
      const allocated = overlay.ask(() => {
        if (part.tag === WRITTEN && node.extents.sums(blocksOf(part))[0] !== checksum.of(bytes))
          throw new Damage(`${node.name}, page ${part.start}: block ${part.value} doesn't match its checksum`)
        return space.allocate(1, 1)
      })
      if (allocated.value === undefined) return allocated.outcome
      cut.claim = allocated.value
      bytes.fill(0, cut.from, cut.to)
      cut.writing = disk.write(cut.claim.start, [bytes])
    }
    if (!cut.writing.complete) return wait(cut.writing, 'device')
    return cut.writing.errno === errno.OK ? done : fail(cut.writing.errno)
  }

  private apply({ request, node, plan }: ReshapingArgs): void {
    const { space, names, checksum } = this.parts
    const { extents, ino } = node
    for (const { part, claim, bytes } of plan!.cuts) {
      space.settle(claim!)
      extents.place(part.start, claim!, WRITTEN)
      extents.setSums(claim!.start, [checksum.of(bytes)])
    }
    if (request.operation === 'resize') names.setInode(ino, { ...names.inode(ino), size: request.length })
  }

  /** Ends as `failed` says, when what was allocated is given back. */
  private cancel({ plan }: ReshapingArgs, failed: Fail): Outcome {
    const cancelled = this.parts.overlay.edit(() => {
      for (const { claim } of plan!.cuts) if (claim !== undefined) this.parts.space.cancel(claim)
    })
    return cancelled.kind === 'wait' ? cancelled : failed
  }
}
