/**
 * Changes what a file holds from outside its pages: its size, or a range that becomes zero.
 *
 *     claim the range -> wait for its pages in flight -> the backing changes -> the cache follows, in one attempt
 *
 * The range is claimed by `invalidation`: from then on no page of it is brought, dirtied or written, nor space set aside
 * for one (a reservation writes the page, and would bring back what the backing has just dropped). The backing goes
 * first; if it fails, nothing has changed. When it has succeeded the entries go, then the pages, in slices, and with the
 * last of them the size changes. Meanwhile nobody is given a page of the range: who misses one waits for the claim. So
 * whoever sees the file as it will be sees nothing of what it was, wherever he looks; a section may still find an entry
 * that hasn't gone, as if it had run before (Linux: i_size first, then two passes over the entries).
 *
 * Nobody holds a lock for the claim: whoever needs a page of the range waits for the claim's ticket, without its locks.
 *
 * Invariants
 *   X1  After success no page and no entry past the new size, or inside the punched range, shows what was there before.
 *       Private copies go with truncation and stay with a punch (`unmapRange`).
 *   X2  After failure size, pages and entries are as they were.
 *   X3  The claim's ticket completes however the task ends, and not before the backing is done.
 *   X4  A punch leaves the file, and so its backing after a sync, as long as it was.
 */
import { type Bytes, type Errno, errno, type GroupId, type PageIndex } from '../base/index.ts'
import type { Bio } from '../io/index.ts'
import { DIRTY } from '../memory/index.ts'
import { again, done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import type { CachedFile } from './cached-file.ts'
import { type Dropping, dropSome, newDropping } from './dropping.ts'
import type { PageCache } from './page-cache.ts'

interface Punch {
  readonly position: Bytes
  readonly length: Bytes
}

export interface TruncateArgs {
  readonly file: CachedFile
  /** The new size, or the range that becomes zero. */
  readonly change: { readonly size: Bytes } | Punch
  claim: Ticket | undefined
  backing: Ticket | undefined
  readonly dropping: Dropping
}

export function truncateArgs(file: CachedFile, change: TruncateArgs['change']): TruncateArgs {
  return { file, change, claim: undefined, backing: undefined, dropping: newDropping() }
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
    if (args.claim === undefined) {
      if (file.readOnly) return fail(errno.EROFS)
      if (file.invalidation !== undefined) return wait(file.invalidation.ticket, 'invalidate')
      this.claim(args)
    }
    if (args.backing === undefined) {
      const inFlight = this.inFlight(file)
      if (inFlight !== undefined) return wait(this.cache.boostBio(inFlight, task.group), 'page lock')
      const reservation = file.backing.reservationIn(file, file.invalidation!.start, file.invalidation!.end)
      if (reservation !== undefined) return wait(reservation, 'reserve')
      args.backing = this.ask(file, change, task.group)
      if (args.backing === undefined) return this.finish(args, errno.OK)
      return wait(args.backing, 'device')
    }
    if (!args.backing.complete) return wait(args.backing, 'device')
    return this.finish(args, args.backing.errno)
  }

  /** Killed. What the backing has been asked can't be called back: a task of its own sees it through. */
  abandon({ args, name, group }: Task<TruncateArgs>): void {
    if (args.claim === undefined) return
    if (args.backing === undefined) this.release(args)
    else this.cache.scheduler.spawn(this, args, { name, group })
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

  /** Asks the backing for the change; undefined: none of it concerns the backing. */
  private ask(file: CachedFile, change: TruncateArgs['change'], group: GroupId): Ticket | undefined {
    if ('size' in change) return file.backing.resize(file, change.size, group).ticket
    const { start, end } = this.dug(file, change)
    return end <= start ? undefined : file.backing.zero(file, start, end - start, group).ticket
  }

  /** A bio that carries pages of the claimed range. */
  private inFlight(file: CachedFile): Bio | undefined {
    return file.bioIn(file.invalidation!.start, file.invalidation!.end)
  }

  private finish(args: TruncateArgs, failed: Errno): Outcome {
    if (failed === errno.OK) {
      this.drop(args)
      if (args.dropping.dropped !== Infinity) return again
      this.apply(args)
    }
    this.release(args)
    return failed === errno.OK ? done : fail(failed)
  }

  private apply({ file, change }: TruncateArgs): void {
    if ('size' in change) this.cache.resize(file, change.size)
    else this.zeroPart(file, change.position, change.position + change.length)
  }

  /**
   * The bytes that a punch takes from the backing, and whose pages it drops. A page at its edge and the last page of the
   * file, if they are dirty, are zeroed in their place and go out as any dirty page does: the one keeps the space that
   * was set aside for it, the other may be what makes the backing as long as the file (X4).
   */
  private dug(file: CachedFile, { position, length }: Punch): { readonly start: Bytes; readonly end: Bytes } {
    const { pageSize } = this.cache.frames
    const first = Math.floor(position / pageSize)
    const last = Math.min(Math.floor((position + length) / pageSize), file.pages - 1)
    const start = position % pageSize !== 0 && this.isDirty(file, first) ? (first + 1) * pageSize : position
    const end = this.isDirty(file, last) ? last * pageSize : position + length
    return { start, end: Math.min(position + length, end) }
  }

  private isDirty(file: CachedFile, index: PageIndex): boolean {
    const frame = this.cache.find(file.id, index)
    return frame !== 0 && this.cache.frames.has(frame, DIRTY)
  }

  /** Drops what one slice allows. */
  private drop({ file, change, dropping }: TruncateArgs): void {
    const which = 'size' in change ? 'with private copies' : 'shared pages'
    dropSome(this.cache, file, this.leaving(file, change), which, dropping)
  }

  /** The pages that go. */
  private leaving(file: CachedFile, change: TruncateArgs['change']): { start: PageIndex; end: PageIndex } {
    const { pageSize } = this.cache.frames
    if ('size' in change)
      return { start: Math.ceil(change.size / pageSize), end: change.size < file.size ? Infinity : 0 }
    const { start, end } = this.dug(file, change)
    return { start: Math.ceil(start / pageSize), end: Math.floor(end / pageSize) }
  }

  /** The parts of a punched range whose pages stay. */
  private zeroPart(file: CachedFile, from: Bytes, to: Bytes): void {
    const { pageSize } = this.cache.frames
    const last = Math.min(Math.floor((to - 1) / pageSize), file.pages - 1)
    for (const index of new Set([Math.floor(from / pageSize), last])) {
      const frame = this.cache.find(file.id, index)
      if (frame === 0) continue
      const start = index * pageSize
      this.cache.frames.bytes(frame).fill(0, Math.max(0, from - start), Math.min(pageSize, to - start))
    }
  }

  private release({ file, claim }: TruncateArgs): void {
    file.invalidation = undefined
    file.dropping = false
    this.cache.scheduler.complete(claim!)
  }
}
