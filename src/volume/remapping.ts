/**
 * Letting a range of one file lie where a range of another does: clone, and dedupe, which first makes sure that the two
 * hold the same. Time and records grow with the extents of the range, not with its bytes.
 *
 *     claim both ranges -> wait for their pages in flight -> write what is dirty
 *                       -> dedupe: read both and compare
 *                       -> one edit, and in the same attempt the target's pages leave the cache -> release
 *
 * The claims are those of truncation (cache/truncate.ts): while they stand nobody brings, dirties or writes a page of
 * either range, and whoever wants one waits without its locks. Writing a dirty page takes the right to store away from
 * all who map it, so the next store asks for a block of its own.
 *
 * Invariants
 *   RP1 Afterwards both ranges read as the source did when the task claimed them, and a store to one doesn't show in the
 *       other.
 *   RP2 Dedupe changes nothing that can be read; of two ranges that differ it changes nothing at all.
 *   RP3 However the task ends, the claims end with it.
 */
import { type Bytes, type Errno, errno, type PageIndex, type PageRange } from '../base/index.ts'
import type { CachedFile, PageCache } from '../cache/index.ts'
import { DIRTY, LOCKED, WRITEBACK } from '../memory/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import type { Transfers } from './file-device.ts'
import { type Parts, unreserve } from './parts.ts'
import type { ReadingArgs } from './reading.ts'
import type { VolumeFile } from './volume-file.ts'

/** Pages that dedupe compares at a time. */
const COMPARE_PAGES = 64

export interface RemapPlan {
  readonly how: 'clone' | 'dedupe'
  readonly source: VolumeFile
  readonly from: Bytes
  readonly target: VolumeFile
  readonly to: Bytes
  readonly length: Bytes
}

export interface RemappingArgs {
  readonly plan: RemapPlan
  claim: Ticket | undefined
  /** What was dirty has been asked to be written. */
  written: boolean
  /** Pages found to be the same so far, and the two reads that look at the next. */
  compared: number
  reads: readonly [ReadingArgs, ReadingArgs] | undefined
  /** Dedupe: the ranges differ, and nothing was changed. */
  differs: boolean
}

export function remappingArgs(plan: RemapPlan): RemappingArgs {
  return { plan, claim: undefined, written: false, compared: 0, reads: undefined, differs: false }
}

export class Remapping implements Verb<RemappingArgs> {
  readonly name = 'remap'
  private readonly parts: Parts
  private readonly cache: PageCache
  private readonly transfers: Transfers

  constructor(parts: Parts, cache: PageCache, transfers: Transfers) {
    this.parts = parts
    this.cache = cache
    this.transfers = transfers
  }

  attempt({ args }: Task<RemappingArgs>): Outcome {
    const { source, target } = args.plan
    if (args.claim === undefined) {
      const refused = this.refusal(args.plan)
      if (refused !== errno.OK) return fail(refused)
      for (const { cached } of [source, target])
        if (cached.invalidation !== undefined) return wait(cached.invalidation.ticket, 'invalidate')
      this.claim(args)
    }
    const outcome = this.remap(args)
    if (outcome.kind !== 'wait') this.release(args)
    return outcome
  }

  abandon({ args }: Task<RemappingArgs>): void {
    if (args.claim !== undefined) this.release(args)
  }

  private remap(args: RemappingArgs): Outcome {
    const { plan } = args
    const settled = this.settlePages(args)
    if (settled.kind !== 'done') return settled
    if (plan.how === 'dedupe') {
      const same = this.compare(args)
      if (same.kind !== 'done') return same
      if (args.differs) return done
    }
    const { source, target } = plan
    const { start, end } = this.pages(plan.to, plan.length)
    const failed = this.parts.journal.edit(() => {
      target.node.extents.shareFrom(
        source.node.extents,
        this.pages(plan.from, plan.length).start,
        start,
        end - start,
      )
      const { names } = this.parts
      const inode = names.inode(target.node.ino)
      const size = Math.max(inode.size, plan.to + plan.length)
      if (size !== inode.size) names.setInode(target.node.ino, { ...inode, size })
    })
    if (failed !== errno.OK) return fail(failed)
    this.cache.extend(target.cached, plan.to + plan.length)
    if (plan.how === 'clone') this.dropPages(target, { start, end })
    return done
  }

  /** EINVAL for what can't be shared: parts of blocks, and a range with itself. */
  private refusal({ source, from, target, to, length, how }: RemapPlan): Errno {
    const { blockSize } = this.parts.disk
    if (this.parts.readOnly) return errno.EROFS
    if (from % blockSize !== 0 || to % blockSize !== 0 || from + length > source.cached.size)
      return errno.EINVAL
    if (how === 'dedupe' && to + length > target.cached.size) return errno.EINVAL
    const endsFiles = from + length === source.cached.size && to + length >= target.cached.size
    if (length % blockSize !== 0 && !endsFiles) return errno.EINVAL
    if (source === target && from < to + length && to < from + length) return errno.EINVAL
    return errno.OK
  }

  private claim(args: RemappingArgs): void {
    const { source, from, target, to, length } = args.plan
    const ticket = this.parts.scheduler.ticket(
      `${args.plan.how} of ${source.cached.name} to ${target.cached.name}`,
    )
    args.claim = ticket
    const one = this.pages(from, length)
    const other = this.pages(to, length)
    source.cached.invalidation = { ...one, ticket }
    target.cached.invalidation =
      source === target
        ? { start: Math.min(one.start, other.start), end: Math.max(one.end, other.end), ticket }
        : { ...other, ticket }
  }

  private release({ plan, claim }: RemappingArgs): void {
    plan.source.cached.invalidation = undefined
    plan.target.cached.invalidation = undefined
    this.parts.scheduler.complete(claim!)
  }

  /** No page of the claimed ranges is in flight, and none whose bytes matter is dirty. */
  private settlePages(args: RemappingArgs): Outcome {
    const { source, target, how } = args.plan
    const files = [source.cached, target.cached]
    for (const file of files) {
      const flying = this.find(file, LOCKED | WRITEBACK)[0]
      if (flying !== undefined)
        return wait(this.cache.hurry(flying, this.cache.frames.group[flying]!), 'page lock', flying)
    }
    for (const file of how === 'dedupe' ? files : [source.cached]) {
      const dirty = this.find(file, DIRTY)
      if (dirty.length === 0) continue
      if (args.written) return fail(file.lastError)
      const { index } = this.cache.frames
      this.cache.writeOut(
        file,
        dirty.map(frame => index[frame]!).sort((a, b) => a - b),
      )
    }
    if (args.written) return done
    args.written = true
    return this.settlePages(args)
  }

  /** The file's frames in its claimed range that have one of the flags. */
  private find(file: CachedFile, flags: number): number[] {
    const { frames } = this.cache
    const found: number[] = []
    for (const list of [file.clean, file.dirty])
      for (const frame of frames.siblings.walk(list))
        if (frames.has(frame, flags) && file.invalidates(frames.index[frame]!)) found.push(frame)
    return found
  }

  /** Reads both ranges, some pages at a time, until they differ or end. */
  private compare(args: RemappingArgs): Outcome {
    const { source, from, target, to, length } = args.plan
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
      args.differs = one!.some((byte, at) => byte !== other![at])
      if (args.differs) break
      args.compared += COMPARE_PAGES
      args.reads = undefined
    }
    return done
  }

  private reading({ node }: VolumeFile, position: Bytes, most: Bytes): ReadingArgs {
    const { blockSize } = this.parts.disk
    const length = Math.min(COMPARE_PAGES, Math.ceil(most / blockSize)) * blockSize
    const request = { operation: 'read' as const, position, length, buffers: [new Uint8Array(length)] }
    return { node, request, pieces: undefined }
  }

  private dropPages({ node, cached }: VolumeFile, range: PageRange): void {
    const { frames, mappers } = this.cache
    mappers.unmapRange(cached.id, range.start, range.end, 'shared pages')
    for (const list of [cached.clean, cached.dirty])
      for (const frame of frames.siblings.walk(list)) {
        const index: PageIndex = frames.index[frame]!
        if (index >= range.start && index < range.end) this.cache.remove(cached, frame)
      }
    unreserve(this.parts, node, range)
  }

  private pages(position: Bytes, length: Bytes): PageRange {
    const { blockSize } = this.parts.disk
    return { start: position / blockSize, end: Math.ceil((position + length) / blockSize) }
  }
}
