/**
 * A volume that becomes smaller: what lies in the blocks that go moves to others, with all who share it, and then one commit takes the
 * blocks away. None of its files is open.
 *
 *     no block of the tail is claimed any more (Space.limit)
 *       -> look at all extents, in slices -> for each piece of the tail: read, claim elsewhere, write, one edit for all who refer to it
 *       -> commit -> look again, until nothing lies there -> commit, until nothing there waits for one
 *       -> header, free blocks, checksums -> commit
 *
 * Invariants
 *   SZ1 Whatever was in the volume is in it afterwards; a crash leaves the old size or the new one, with all files whole.
 *   SZ2 Who shared a block shares its new one: a volume that shrinks takes no block more than before.
 *   SZ3 If it can't be done, some of what it holds lies elsewhere, and nothing else has changed.
 */
import { errno } from '../base/index.ts'
import {
  again,
  done,
  type Fail,
  fail,
  type Outcome,
  type Task,
  type Ticket,
  type Verb,
  wait,
} from '../sched/index.ts'
import { blocksOf, Extents, LOST, UNWRITTEN } from './extents.ts'
import { roomFor } from './parts.ts'
import {
  CHUNK_BLOCKS,
  chunkKey,
  decodeNumbers,
  encodeHeader,
  HEADER_KEY,
  inoIn,
  numberIn,
} from './records.ts'
import type { Run } from './runs.ts'
import type { Blocks } from './space.ts'
import type { Volume } from './volume.ts'

/** Blocks that are moved at a time, at most. */
const PIECE_BLOCKS = 64
/** Extents: all keys from this one up to the other. */
const EXTENTS = 'e'
const EXTENTS_END = 'f'
const CHUNKS_END = 'd'

/** An extent, or the part of one, that lies in the tail. */
interface Reference extends Run {
  readonly ino: number
}

/** Blocks that the same extents refer to, on their way. */
interface Piece {
  readonly blocks: Blocks
  readonly references: readonly Reference[]
  readonly bytes: Uint8Array | undefined
  reading: Ticket | undefined
  claim: Blocks | undefined
  writing: Ticket | undefined
}

export interface ShrinkingArgs {
  readonly volume: Volume
  /** Of the device from then on, the first with them. */
  readonly blocks: number
  state: 'begins' | 'looks' | 'moves' | 'commits' | 'waits for commits' | 'gives up' | 'is smaller'
  /** Where it goes on looking. */
  from: string
  /** What was found, by block, the last first. */
  found: Reference[]
  /** Those of them that have blocks from `at` on. */
  active: Reference[]
  at: number
  /** Whether something was found since it looked from the start. */
  hasFound: boolean
  piece: Piece | undefined
  commit: Ticket | undefined
  failed: Fail | undefined
}

export function shrinkingArgs(volume: Volume, blocks: number): ShrinkingArgs {
  return {
    volume,
    blocks,
    state: 'begins',
    from: EXTENTS,
    found: [],
    active: [],
    at: 0,
    hasFound: false,
    piece: undefined,
    commit: undefined,
    failed: undefined,
  }
}

/** EINVAL: it hasn't more blocks than that. EBUSY: a file is open, or somebody reads an older commit. ENOSPC: what it holds doesn't fit. */
export class Shrinking implements Verb<ShrinkingArgs> {
  readonly name = 'shrinking of a volume'

  attempt({ args }: Task<ShrinkingArgs>): Outcome {
    const outcome = this.step(args)
    if (outcome.kind !== 'fail' || args.state === 'begins') return outcome
    args.failed ??= outcome
    args.state = 'gives up'
    return again
  }

  /** Killed. What the device was asked is seen through: nobody else may have those blocks before. */
  abandon({ args, name, group }: Task<ShrinkingArgs>): void {
    if (args.state === 'begins') return
    args.failed ??= fail(errno.EINTR)
    if (args.state !== 'is smaller') args.state = 'gives up'
    args.volume.parts.scheduler.spawn(this, args, { name, group })
  }

  private step(args: ShrinkingArgs): Outcome {
    switch (args.state) {
      case 'begins':
        return this.begin(args)
      case 'looks':
        return this.look(args)
      case 'moves':
        return this.move(args)
      case 'commits':
        return this.looksAgain(args)
      case 'waits for commits':
        return this.takeAway(args)
      case 'gives up':
        return this.giveUp(args)
      case 'is smaller':
        return ended(args)
    }
  }

  private begin(args: ShrinkingArgs): Outcome {
    const { volume, blocks } = args
    const { space, overlay } = volume.parts
    if (volume.isReadOnly) return fail(errno.EROFS)
    if (space.reuse !== 'of what is free') return fail(errno.ENOTSUP)
    if (blocks < 2 || blocks >= volume.header.blocks) return fail(errno.EINVAL)
    if (volume.isInUse || space.limit !== Infinity) return fail(errno.EBUSY)
    const needed = overlay.ask(() => space.used - space.deferred)
    if (needed.value === undefined) return needed.outcome
    if (needed.value > blocks - 1) return fail(errno.ENOSPC)
    space.limit = blocks
    args.state = 'looks'
    return again
  }

  /** One slice of all extents. */
  private look(args: ShrinkingArgs): Outcome {
    const { overlay, sliceRecords } = args.volume.parts
    const said = overlay.ask(() => {
      const found: Reference[] = []
      let left = sliceRecords
      for (const { key, value } of overlay.range(args.from, EXTENTS_END)) {
        const reference = this.inTail(key, value, args.blocks)
        if (reference !== undefined) found.push(reference)
        if (--left === 0) return { found, from: `${key}\0` }
      }
      return { found, from: EXTENTS_END }
    })
    if (said.value === undefined) return said.outcome
    args.found.push(...said.value.found)
    args.from = said.value.from
    if (args.from !== EXTENTS_END) return again
    args.found.sort((one, other) => other.value - one.value)
    args.hasFound = args.found.length > 0
    args.active = []
    args.at = 0
    args.state = args.hasFound ? 'moves' : 'waits for commits'
    return again
  }

  /** The part of an extent that lies from block `limit` on. */
  private inTail(key: string, bytes: Uint8Array, limit: number): Reference | undefined {
    const [start, value, tag] = decodeNumbers(bytes, 3, key)
    const end = numberIn(key) + 1
    const skip = Math.max(0, limit - value!)
    if (tag === LOST || skip >= end - start!) return undefined
    return { ino: inoIn(key), start: start! + skip, end, value: value! + skip, tag: tag! }
  }

  /** One piece after the other. */
  private move(args: ShrinkingArgs): Outcome {
    args.piece ??= this.next(args)
    const { piece } = args
    if (piece === undefined) {
      args.commit = args.volume.parts.commits.request()
      args.state = 'commits'
      return again
    }
    const written = this.copy(args, piece)
    if (written.kind !== 'done') return written
    const moved = args.volume.parts.overlay.edit(() => this.refer(args, piece))
    if (moved.kind !== 'done') return moved
    args.at = piece.blocks.start + (piece.claim!.end - piece.claim!.start)
    args.piece = undefined
    return again
  }

  /** Blocks from `at` on that the same references have. */
  private next(args: ShrinkingArgs): Piece | undefined {
    const { found } = args
    args.active = args.active.filter(each => blocksOf(each).end > args.at)
    if (args.active.length === 0) {
      const first = found.at(-1)
      if (first === undefined) return undefined
      args.at = Math.max(args.at, first.value)
    }
    while (found.length > 0 && found.at(-1)!.value <= args.at) {
      const reference = found.pop()!
      if (blocksOf(reference).end > args.at) args.active.push(reference)
    }
    if (args.active.length === 0) return this.next(args)
    const start = args.at
    let end = start + PIECE_BLOCKS
    for (const each of args.active) end = Math.min(end, blocksOf(each).end)
    if (found.length > 0) end = Math.min(end, found.at(-1)!.value)
    const { blockSize } = args.volume.parts.disk
    const bytes = args.active[0]!.tag === UNWRITTEN ? undefined : new Uint8Array((end - start) * blockSize)
    return {
      blocks: { start, end },
      references: args.active,
      bytes,
      reading: undefined,
      claim: undefined,
      writing: undefined,
    }
  }

  /** What it holds lies in blocks of the rest, which nobody has yet. */
  private copy({ volume }: ShrinkingArgs, piece: Piece): Outcome {
    const { disk, space, overlay } = volume.parts
    const { blocks, bytes } = piece
    if (bytes !== undefined) {
      piece.reading ??= disk.read(blocks.start, [bytes])
      if (!piece.reading.complete) return wait(piece.reading, 'device')
      if (piece.reading.errno !== errno.OK) return fail(piece.reading.errno)
    }
    if (piece.claim === undefined) {
      const room = roomFor(volume.parts, 1)
      if (room.kind !== 'done') return room
      const claimed = overlay.ask(() => space.allocate(blocks.end - blocks.start, space.available))
      if (claimed.value === undefined) return claimed.outcome
      piece.claim = claimed.value
    }
    if (bytes === undefined) return done
    const { start, end } = piece.claim
    piece.writing ??= disk.write(start, [bytes.subarray(0, (end - start) * disk.blockSize)])
    if (!piece.writing.complete) return wait(piece.writing, 'device')
    return piece.writing.errno === errno.OK ? done : fail(piece.writing.errno)
  }

  /** All who refer to the old blocks refer to the new ones; none, if there are others than were found: it will look again. */
  private refer({ volume }: ShrinkingArgs, { blocks, references, claim }: Piece): void {
    const { overlay, space } = volume.parts
    const length = claim!.end - claim!.start
    const old = { start: blocks.start, end: blocks.start + length }
    const places = references.map(({ ino, start, value }) => {
      const page = start + blocks.start - value
      return { extents: new Extents(overlay, space, ino), page }
    })
    const { count, end } = space.references(old)
    const isAsFound = count === places.length && end >= old.end
    if (!isAsFound || !places.every(({ extents, page }) => extents.liesIn(page, old))) {
      space.cancel(claim!)
      return
    }
    const [first] = places
    const sums = first!.extents.sums(old)
    if (sums.some(sum => sum !== 0)) first!.extents.setSums(claim!.start, sums)
    space.settle(claim!)
    for (const [at, { extents, page }] of places.entries()) {
      if (at > 0) space.share(claim!)
      extents.relocate(page, claim!)
      space.drop(old)
    }
  }

  /** What has moved is durable; whoever has come to share a block meanwhile is found now. */
  private looksAgain(args: ShrinkingArgs): Outcome {
    const { commit } = args
    if (!commit!.complete) return wait(commit!, 'device')
    if (commit!.errno !== errno.OK) return fail(commit!.errno)
    args.from = EXTENTS
    args.state = 'looks'
    return again
  }

  /** The tail goes, when nothing in it waits for a commit any more. */
  private takeAway(args: ShrinkingArgs): Outcome {
    const { volume, blocks } = args
    const { overlay, space, commits } = volume.parts
    if (args.commit !== undefined && !args.commit.complete) return wait(args.commit, 'device')
    if (args.commit !== undefined && args.commit.errno !== errno.OK) return fail(args.commit.errno)
    if (volume.isInUse) return fail(errno.EBUSY)
    const waiting = overlay.ask(() => space.isWaitingFrom(blocks))
    if (waiting.value === undefined) return waiting.outcome
    if (waiting.value) {
      if (!commits.mayGiveBack) return fail(errno.EBUSY)
      args.commit = commits.request()
      return again
    }
    const { header } = volume
    const taken = overlay.edit(() => {
      space.cut({ start: blocks, end: header.blocks })
      overlay.put(HEADER_KEY, encodeHeader({ ...header, blocks }))
      const chunks = chunkKey(Math.ceil(blocks / CHUNK_BLOCKS))
      for (const { key } of overlay.range(chunks, CHUNKS_END)) overlay.delete(key)
    })
    if (taken.kind !== 'done') return taken
    space.size = blocks - 1
    space.limit = Infinity
    volume.header = { ...header, blocks }
    args.commit = commits.request()
    args.state = 'is smaller'
    return again
  }

  /** What was claimed is given back when the device has let go of it. */
  private giveUp(args: ShrinkingArgs): Outcome {
    const { space, overlay } = args.volume.parts
    const { piece } = args
    for (const ticket of [piece?.reading, piece?.writing])
      if (ticket !== undefined && !ticket.complete) return wait(ticket, 'device')
    const { claim } = piece ?? {}
    if (claim !== undefined) {
      const cancelled = overlay.edit(() => space.cancel(claim))
      if (cancelled.kind === 'wait') return cancelled
    }
    space.limit = Infinity
    args.state = 'begins'
    return args.failed!
  }
}

function ended({ commit }: ShrinkingArgs): Outcome {
  if (!commit!.complete) return wait(commit!, 'device')
  return commit!.errno === errno.OK ? done : fail(commit!.errno)
}
