/**
 * Makes what was stored before the call durable: fsync, msync, and the end of a file's life.
 *
 *     write what is dirty, in order of index, in slices -> wait for each bio -> what was dirtied again while it was on its
 *     way: once more -> flush the device -> report errors, once
 *
 * It passes over each page once. What is dirtied behind it isn't written, and what it has written is waited for once, so
 * a busy writer can't hold a sync up for ever (the kernel tags pages towrite for the same end). A page that is dirtied in
 * front of it is written with the rest.
 *
 * Invariants
 *   SY1  When it ends with 0, every page that was dirty when it began has been written since, and flushed unless it was to
 *        be written only.
 *   SY2  An error of writeback, or of a flush, is told to each open file once: errorCount of the file against `seen` of the open file.
 *   SY3  What it does grows with the pages and bios of the range, not with their product.
 *   SY4  It begins no slice while as many bios of the file are on their way as keep a device busy.
 */
import { type Errno, errno, type PageIndex } from '../base/index.ts'
import type { Bio } from '../io/index.ts'
import { DIRTY, WRITEBACK } from '../memory/index.ts'
import { again, done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import type { CachedFile } from './cached-file.ts'
import type { PageCache } from './page-cache.ts'

/** Where an open file has read the file's errors up to. */
export interface ErrorCursor {
  seen: number
}

/** What has become of the bytes: the device has been flushed, or it has been given them. */
export type Settled = 'durable' | 'written'

export interface SyncArgs {
  readonly until: Settled
  readonly file: CachedFile
  readonly start: PageIndex
  readonly end: PageIndex
  readonly cursor: ErrorCursor
  /** Dirty pages before this one have been begun to be written, or are `left`. */
  next: PageIndex
  /** Dirty pages that could not be written when it passed them: on their way already, or being taken away. */
  readonly left: PageIndex[]
  /** How many of `left` have been written since. */
  caught: number
  /** What it waits for, in order; the first `ended` of them are over. */
  readonly begun: Bio[]
  ended: number
  flush: Ticket | undefined
}

export function syncArgs(
  file: CachedFile,
  start: PageIndex,
  end: PageIndex,
  cursor: ErrorCursor,
  until: Settled = 'durable',
): SyncArgs {
  return {
    until,
    file,
    start,
    end,
    cursor,
    next: -1,
    left: [],
    caught: 0,
    begun: [],
    ended: 0,
    flush: undefined,
  }
}

export class Sync implements Verb<SyncArgs> {
  readonly name = 'sync'
  private readonly cache: PageCache

  constructor(cache: PageCache) {
    this.cache = cache
  }

  attempt(task: Task<SyncArgs>): Outcome {
    const { args } = task
    if (args.next === -1) this.begin(args)
    if (args.next < args.end) {
      const crowded = this.cache.crowded(args.file)
      if (crowded !== undefined) return wait(this.cache.boostBio(crowded, task.group), 'writeback')
      this.writeSome(args)
      if (args.next < args.end) return again
    }
    const written = this.begunIn(args, task) ?? this.writeLeft(args, task)
    if (written !== undefined) return written
    if (args.until === 'written') return this.report(args, errno.OK)
    if (args.flush === undefined) {
      args.flush = args.file.backing.flush(args.file, task.group).ticket
      return wait(args.flush, 'device')
    }
    return this.report(args, args.flush.errno)
  }

  /** What is on its way when it begins is waited for. */
  private begin(args: SyncArgs): void {
    const { file, start, end, begun } = args
    args.next = start
    for (const bio of file.bios.values())
      if (bio.purpose === 'writeback' && bio.index < end && bio.index + bio.frames.length > start)
        begun.push(bio)
  }

  /** Writes one slice of what is dirty. */
  private writeSome(args: SyncArgs): void {
    const { file, end, left, begun } = args
    // A bio isn't cut where a slice ends.
    const most = Math.max(this.cache.slicePages, this.cache.pagesPerBio)
    const indexes = file.dirtyPages.take(args.next, end, most)
    args.next = indexes.length < most ? end : indexes.at(-1)! + 1
    let now = 0
    for (let at = 0; at < indexes.length; at++) {
      const index = indexes[at]!
      if (this.cache.canWrite(file, this.cache.find(file.id, index))) indexes[now++] = index
      else left.push(index)
    }
    indexes.length = now
    begun.push(...this.cache.writeOut(file, indexes))
  }

  private begunIn(args: SyncArgs, task: Task): Outcome | undefined {
    const { begun } = args
    while (begun[args.ended]?.ticket.complete === true) args.ended++
    args.ended = forgotten(begun, args.ended)
    const next = begun[args.ended]
    return next === undefined ? undefined : wait(this.cache.boostBio(next, task.group), 'writeback')
  }

  /** Writes one slice of what was left, once none of it is on its way. */
  private writeLeft(args: SyncArgs, task: Task): Outcome | undefined {
    const { file, left, begun } = args
    if (args.caught === left.length) return undefined
    const some = left.slice(args.caught, args.caught + this.cache.slicePages)
    const now: PageIndex[] = []
    for (const index of some) {
      const frame = this.cache.find(file.id, index)
      if (frame === 0) continue
      if (this.cache.frames.has(frame, WRITEBACK))
        return wait(this.cache.boost(frame, task.group), 'writeback')
      if (!this.cache.frames.has(frame, DIRTY)) continue
      if (file.invalidates(index)) return wait(file.invalidation!.ticket, 'invalidate')
      now.push(index)
    }
    args.caught = forgotten(left, args.caught + some.length)
    begun.push(...this.cache.writeOut(file, now))
    return this.begunIn(args, task) ?? (args.caught < left.length ? again : undefined)
  }

  private report({ file, cursor }: SyncArgs, flushed: Errno): Outcome {
    if (cursor.seen !== file.errorCount) {
      cursor.seen = file.errorCount
      return fail(file.lastError)
    }
    return flushed === errno.OK ? done : fail(flushed)
  }
}

/** A list as short as this is cut at once. */
const SHORT = 64

/** Takes what is over off the front of a list, when that is half of it: each time would cost the whole list. Returns how much is left of it. */
function forgotten(list: unknown[], over: number): number {
  if (list.length > SHORT && 2 * over < list.length) return over
  list.splice(0, over)
  return 0
}
