/**
 * FALLOC_FL_UNSHARE_RANGE: gives a file blocks of its own where it shares them, with the same bytes.
 *
 *     cached     for each page that lies in a shared block: bring it, make it dirty -> write them out
 *     DAX        for each page that lies in a block: ask for a store, and store nothing
 *
 * It is a store of what is there already, by the attempts that stores are made of: it needs no claim, and what others
 * store meanwhile isn't lost. Afterwards a store to a DAX file there needs no block any more; a page of the cache is
 * written to a new block each time (docs/decisions/0401), so all that it gains is that it shares none.
 *
 * Invariants
 *   UN1 The bytes of the file don't change, nor what any other file reads.
 *   UN2 It ends well only when no page of the range that it came by lies in a block of two.
 */
import { type Bytes, errno, type PageIndex } from '../base/index.ts'
import type { PageCache } from '../cache/index.ts'
import { newReadState, newVmFault, type PageRequest } from '../memmap/index.ts'
import { DIRTY, WRITEBACK } from '../memory/index.ts'
import { again, done, fail, type Outcome, type Task, type Verb, wait } from '../sched/index.ts'
import { DaxFile } from './dax-file.ts'
import { blocksOf, LOST } from './extents.ts'
import type { Answer } from './overlay.ts'
import type { Parts } from './parts.ts'
import type { VolumeFile } from './volume-file.ts'

/** Pages that are made dirty before they are written out. */
const DIRTY_PAGES_MAX = 256

export interface UnsharePlan {
  readonly file: VolumeFile | DaxFile
  readonly position: Bytes
  readonly length: Bytes
}

export interface UnsharingArgs {
  readonly plan: UnsharePlan
  /** Up to here every page of the range is its own, or dirty. */
  index: PageIndex
  request: PageRequest | undefined
  /** Pages that are dirty for it and haven't been written yet. */
  dirty: PageIndex[]
  /** They have been asked to be. */
  writing: boolean
  /** They have been written, and from this page on it is still to be seen whether any shares its block; undefined: none is. */
  looking: PageIndex | undefined
}

interface Next {
  readonly page: PageIndex
  readonly isShared: boolean
}

export function unsharingArgs(plan: UnsharePlan): UnsharingArgs {
  return { plan, index: 0, request: undefined, dirty: [], writing: false, looking: undefined }
}

export class Unsharing implements Verb<UnsharingArgs> {
  readonly name = 'unshare'
  private readonly parts: Parts
  private readonly cache: PageCache

  constructor(parts: Parts, cache: PageCache) {
    this.parts = parts
    this.cache = cache
  }

  attempt(task: Task<UnsharingArgs>): Outcome {
    const { args } = task
    const { file, position, length } = args.plan
    if (this.parts.readOnly) return fail(errno.EROFS)
    if (position < 0 || length <= 0) return fail(errno.EINVAL)
    args.index = Math.max(args.index, Math.floor(position / this.parts.disk.blockSize))
    if (args.looking !== undefined) return this.look(args, args.looking)
    for (let left = this.parts.sliceRecords; ; left--) {
      if (left <= 0) return again
      const end = this.endOf(args.plan)
      const next = this.next(args.plan, args.index, end)
      if (next.value === undefined) return next.outcome
      const { page, isShared } = next.value
      const isLast = !isShared && page >= end
      if (isLast || args.dirty.length === DIRTY_PAGES_MAX) {
        const written = file instanceof DaxFile ? done : this.writeOut(task, file)
        if (written.kind !== 'done' || isLast) return written
      }
      args.index = page
      if (!isShared) return again
      const outcome = this.ask(task)
      if (outcome.kind !== 'done') return outcome
      if (file.opened === 'cached') args.dirty.push(args.index)
      args.index++
    }
  }

  private endOf({ file, position, length }: UnsharePlan): PageIndex {
    return Math.ceil(Math.min(position + length, file.size) / this.parts.disk.blockSize)
  }

  /** The next page that a store would give a new block, or up to where there is none in this slice. */
  private next({ file }: UnsharePlan, from: PageIndex, end: PageIndex): Answer<Next> {
    const { overlay, space, sliceRecords } = this.parts
    return overlay.ask(() => {
      let left = sliceRecords
      for (const part of file.node.extents.inside(from, end)) {
        if (left-- <= 0) return { page: part.start, isShared: false }
        if (part.tag === LOST) continue
        if (file.opened === 'dax') return { page: part.start, isShared: true }
        const blocks = blocksOf(part)
        for (let at = blocks.start; at < blocks.end; left--) {
          const page = part.start + at - blocks.start
          if (left <= 0 && page > from) return { page, isShared: false }
          const alike = space.references({ start: at, end: blocks.end })
          if (alike.count > 1) return { page, isShared: true }
          at = alike.end
        }
      }
      return { page: end, isShared: false }
    })
  }

  /** A store to page `index` that changes nothing. */
  private ask({ args, group }: Task<UnsharingArgs>): Outcome {
    const { index } = args
    const { file } = args.plan
    const mappable = file instanceof DaxFile ? file : file.cached
    if (args.request?.index !== index)
      args.request = {
        index,
        fault: newVmFault(0, 'store', group, this.parts.scheduler.now()),
        read: newReadState('sequential'),
        fileEnd: 0,
        wanted: 0,
      }
    const found = mappable.fault(args.request)
    // The file has become shorter: what is past its end shares nothing.
    if (found.kind === 'fail' && found.errno === errno.ENXIO) return done
    if (found.kind !== 'done') return found
    const ready = mappable.pageMkwrite(args.request)
    if (ready.kind !== 'done') return ready
    mappable.setDirty(args.request.fault.frame, args.request.fault.group)
    return done
  }

  /** Writes what was made dirty, and waits for it. */
  private writeOut({ args, group }: Task<UnsharingArgs>, { cached }: VolumeFile): Outcome {
    const { cache } = this
    const { frames } = cache
    const frameOf = (index: PageIndex) => cache.find(cached.id, index)
    for (const index of args.dirty) {
      const frame = frameOf(index)
      if (frame !== 0 && frames.has(frame, DIRTY) && cached.invalidates(index))
        return wait(cached.invalidation!.ticket, 'invalidate')
    }
    if (!args.writing) {
      args.writing = true
      const ready = args.dirty.filter(index => frameOf(index) !== 0 && cache.canWrite(cached, frameOf(index)))
      cache.writeOut(cached, ready)
    }
    for (const index of args.dirty) {
      const frame = frameOf(index)
      if (frame !== 0 && frames.has(frame, WRITEBACK))
        return wait(cache.boost(frame, group), 'writeback', frame)
    }
    const from = args.dirty[0]
    args.dirty = []
    args.writing = false
    if (from === undefined) return done
    args.looking = from
    return again
  }

  /** Whether what was written shares nothing any more, from page `from` on, one slice. */
  private look(args: UnsharingArgs, from: PageIndex): Outcome {
    const { file } = args.plan
    const next = this.next(args.plan, from, args.index)
    if (next.value === undefined) return next.outcome
    const { page, isShared } = next.value
    if (isShared) return fail(file instanceof DaxFile ? errno.EIO : file.cached.lastError)
    args.looking = page < args.index ? page : undefined
    return again
  }
}
