/**
 * Makes what was stored before the call durable: fsync, msync, and the end of a file's life.
 *
 *     write what is dirty -> wait until each page has been written -> flush the device -> report errors, once
 *
 * The pages are those dirty or under writeback when the sync began; a page that is dirtied again meanwhile isn't waited
 * for twice, so a busy writer can't hold a sync up for ever (the kernel tags pages towrite for the same end).
 *
 * Invariants
 *   N1  When it ends with 0, every page that was dirty when it began has been written since, and flushed.
 *   N2  An error of writeback, or of a flush, is told to each open file once: errorCount of the file against `seen` of the open file.
 */
import { type Errno, errno, type PageIndex } from '../base/index.ts'
import { WRITEBACK } from '../memory/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import type { CachedFile } from './cached-file.ts'
import type { PageCache } from './page-cache.ts'

/** Where an open file has read the file's errors up to. */
export interface ErrorCursor {
  seen: number
}

export interface SyncArgs {
  readonly file: CachedFile
  readonly start: PageIndex
  readonly end: PageIndex
  readonly cursor: ErrorCursor
  /** Pages yet to be seen written; undefined: not begun. */
  pending: Map<PageIndex, 'to write' | 'on its way'> | undefined
  flush: Ticket | undefined
}

export function syncArgs(file: CachedFile, start: PageIndex, end: PageIndex, cursor: ErrorCursor): SyncArgs {
  return { file, start, end, cursor, pending: undefined, flush: undefined }
}

export class Sync implements Verb<SyncArgs> {
  readonly name = 'sync'
  private readonly cache: PageCache

  constructor(cache: PageCache) {
    this.cache = cache
  }

  attempt(task: Task<SyncArgs>): Outcome {
    const { args } = task
    args.pending ??= this.dirtyNow(args)
    const written = this.write(args, task)
    if (written.kind !== 'done') return written
    if (args.flush === undefined) {
      args.flush = args.file.backing.flush(args.file, task.group).ticket
      return wait(args.flush, 'device')
    }
    return this.report(args, args.flush.errno)
  }

  private dirtyNow({ file, start, end }: SyncArgs): Map<PageIndex, 'to write' | 'on its way'> {
    const { siblings, index } = this.cache.frames
    const found = new Map<PageIndex, 'to write' | 'on its way'>()
    for (const frame of siblings.walk(file.dirty))
      if (index[frame]! >= start && index[frame]! < end) found.set(index[frame]!, 'to write')
    if (file.underWriteback > 0)
      for (const frame of siblings.walk(file.clean))
        if (this.cache.frames.has(frame, WRITEBACK) && index[frame]! >= start && index[frame]! < end)
          found.set(index[frame]!, 'on its way')
    return found
  }

  private write({ file, pending }: SyncArgs, task: Task): Outcome {
    const now: PageIndex[] = []
    for (const [index, state] of pending!) {
      const frame = this.cache.find(file.id, index)
      if (frame === 0) pending!.delete(index)
      else if (state === 'to write' && this.cache.canWrite(file, frame)) {
        now.push(index)
        pending!.set(index, 'on its way')
      }
    }
    if (now.length > 0)
      this.cache.writeOut(
        file,
        now.sort((a, b) => a - b),
      )
    for (const [index, state] of pending!) {
      const frame = this.cache.find(file.id, index)
      if (this.cache.frames.has(frame, WRITEBACK))
        return wait(this.cache.hurry(frame, task.group), 'writeback', frame)
      if (state === 'to write' && file.invalidates(index))
        return wait(file.invalidation!.ticket, 'invalidate')
      pending!.delete(index)
    }
    return done
  }

  private report({ file, cursor }: SyncArgs, flushed: Errno): Outcome {
    if (cursor.seen !== file.errorCount) {
      cursor.seen = file.errorCount
      return fail(file.lastError)
    }
    return flushed === errno.OK ? done : fail(flushed)
  }
}
