/**
 * Changes what a file holds from outside its pages: its size, or a range that becomes zero.
 *
 *     claim the range -> wait for its pages and reservations in flight -> the backing changes -> the cache follows,
 *     in one attempt
 *
 * The range is claimed by `invalidation`: from then on no page of it is brought, dirtied or written. The backing goes
 * first; if it fails, nothing has changed. When it has succeeded, size, entries and pages change together, so no fault
 * sees one without the others (Linux orders i_size, unmapping and removal with two passes over the entries instead).
 *
 * Nobody holds a lock for the claim: whoever needs a page of the range waits for the claim's ticket, without its locks.
 *
 * Invariants
 *   X1  After success no page and no entry past the new size, or inside the punched range, shows what was there before.
 *       Private copies go with truncation and stay with a punch (`unmapRange`).
 *   X2  After failure size, pages and entries are as they were.
 *   X3  The claim's ticket completes however the task ends, but not while the backing is at work: what is stored after the
 *       claim must not meet an old truncation on the device.
 */
import { type Bytes, type Errno, errno, type PageIndex } from '../base/index.ts'
import { LOCKED, WRITEBACK } from '../memory/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import type { CachedFile } from './cached-file.ts'
import type { PageCache } from './page-cache.ts'

export interface TruncateArgs {
  readonly file: CachedFile
  /** The new size, or the range that becomes zero. */
  readonly change: { readonly size: Bytes } | { readonly position: Bytes; readonly length: Bytes }
  claim: Ticket | undefined
  backing: Ticket | undefined
}

export function truncateArgs(file: CachedFile, change: TruncateArgs['change']): TruncateArgs {
  return { file, change, claim: undefined, backing: undefined }
}

export class Truncate implements Verb<TruncateArgs> {
  readonly name = 'truncate'
  private readonly cache: PageCache

  constructor(cache: PageCache) {
    this.cache = cache
  }

  attempt(task: Task<TruncateArgs>): Outcome {
    const { args } = task
    const { file, change } = args
    if (file.readOnly) return fail(errno.EACCES)
    if (args.claim === undefined) {
      if (file.invalidation !== undefined) return wait(file.invalidation.ticket, 'invalidate')
      this.claim(args)
    }
    if (args.backing === undefined) {
      const flying = this.inFlight(file)
      if (flying !== undefined) return wait(this.cache.hurry(flying, task.group), 'page lock', flying)
      const { start, end } = file.invalidation!
      const reservation = file.backing.reservationIn(file, start, end)
      if (reservation !== undefined) return wait(reservation, 'reserve')
      const { backing } = file
      const bio =
        'size' in change
          ? backing.resize(file, change.size, task.group)
          : backing.zero(file, change.position, change.length, task.group)
      args.backing = bio.ticket
    }
    if (!args.backing.complete) return wait(args.backing, 'device')
    return this.finish(args, args.backing.errno)
  }

  /** Killed. Once the backing has been asked, the cache must follow what it answers: the rest goes on by itself. */
  abandon({ args, name, group }: Task<TruncateArgs>): void {
    if (args.backing !== undefined) this.cache.scheduler.spawn(this, args, { name, group })
    else if (args.claim !== undefined) this.release(args)
  }

  private claim(args: TruncateArgs): void {
    const { file, change } = args
    const { pageSize } = this.cache.frames
    args.claim = this.cache.scheduler.ticket(`truncation of ${file.name}`)
    const start = Math.floor(
      ('size' in change ? Math.min(change.size, file.size) : change.position) / pageSize,
    )
    const end = 'size' in change ? Infinity : Math.ceil((change.position + change.length) / pageSize)
    file.invalidation = { start, end, ticket: args.claim }
  }

  /** A page of the claimed range that is being read or written; 0 is never in flight. */
  private inFlight(file: CachedFile): number | undefined {
    const { siblings, flags, index } = this.cache.frames
    for (const list of [file.clean, file.dirty])
      for (const frame of siblings.walk(list))
        if ((flags[frame]! & (LOCKED | WRITEBACK)) !== 0 && file.invalidates(index[frame]!)) return frame
    return undefined
  }

  private finish(args: TruncateArgs, failed: Errno): Outcome {
    if (failed === errno.OK) this.apply(args)
    this.release(args)
    return failed === errno.OK ? done : fail(failed)
  }

  private apply({ file, change }: TruncateArgs): void {
    const { pageSize } = this.cache.frames
    if ('size' in change) {
      if (change.size < file.size) {
        this.drop(file, Math.ceil(change.size / pageSize), Infinity, 'with private copies')
        file.size = change.size
      }
      this.cache.extend(file, change.size)
      return
    }
    const first = Math.ceil(change.position / pageSize)
    const last = Math.floor((change.position + change.length) / pageSize)
    if (last > first) this.drop(file, first, last, 'shared pages')
    this.zeroPart(file, change.position, change.position + change.length)
  }

  private drop(
    file: CachedFile,
    start: PageIndex,
    end: PageIndex,
    which: 'shared pages' | 'with private copies',
  ): void {
    this.cache.mappers.unmapRange(file.id, start, end, which)
    const { siblings, index } = this.cache.frames
    for (const list of [file.clean, file.dirty])
      for (const frame of siblings.walk(list))
        if (index[frame]! >= start && index[frame]! < end) this.cache.remove(file, frame)
  }

  /** The parts of a punched range that share a page with what stays. */
  private zeroPart(file: CachedFile, from: Bytes, to: Bytes): void {
    const { pageSize } = this.cache.frames
    for (const index of new Set([Math.floor(from / pageSize), Math.floor((to - 1) / pageSize)])) {
      const frame = this.cache.find(file.id, index)
      if (frame === 0) continue
      const start = index * pageSize
      this.cache.frames.bytes(frame).fill(0, Math.max(0, from - start), Math.min(pageSize, to - start))
    }
  }

  private release({ file, claim }: TruncateArgs): void {
    file.invalidation = undefined
    this.cache.scheduler.complete(claim!)
  }
}
