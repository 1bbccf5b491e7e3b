/**
 * Lets go of what the cache holds of a file that others have written to: from then on its pages are read anew, and it is as
 * long as the backing is by now. What was stored here and isn't written yet stays, and the file is never shorter than that.
 *
 *     claim the file -> wait for its pages in flight -> clean pages go, entries too -> release
 *
 * Invariants
 *   REF1 After it no page is shown that was read before it began.
 *   REF2 No store is lost.
 */
import type { Bytes } from '../base/index.ts'
import { DIRTY, LOCKED, WRITEBACK } from '../memory/index.ts'
import { done, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import type { CachedFile } from './cached-file.ts'
import type { PageCache } from './page-cache.ts'

export interface RefreshArgs {
  readonly file: CachedFile
  /** How long the backing was found to be. */
  readonly size: Bytes
  claim: Ticket | undefined
}

export function refreshArgs(file: CachedFile, size: Bytes): RefreshArgs {
  return { file, size, claim: undefined }
}

export class Refresh implements Verb<RefreshArgs> {
  readonly name = 'refresh'
  private readonly cache: PageCache

  constructor(cache: PageCache) {
    this.cache = cache
  }

  attempt(task: Task<RefreshArgs>): Outcome {
    const { args } = task
    const { file } = args
    if (args.claim === undefined) {
      if (file.invalidation !== undefined) return wait(file.invalidation.ticket, 'invalidate')
      args.claim = this.cache.scheduler.ticket(`refresh of ${file.name}`)
      file.invalidation = { start: 0, end: Infinity, ticket: args.claim }
    }
    const inFlight = this.inFlight(file)
    if (inFlight !== undefined) return wait(this.cache.boost(inFlight, task.group), 'page lock', inFlight)
    const reservation = file.backing.reservationIn(file, 0, Infinity)
    if (reservation !== undefined) return wait(reservation, 'reserve')
    this.letGo(args)
    this.release(args)
    return done
  }

  abandon({ args }: Task<RefreshArgs>): void {
    if (args.claim !== undefined) this.release(args)
  }

  /** A page that is being read or written; 0 is never in flight. */
  private inFlight(file: CachedFile): number | undefined {
    const { siblings } = this.cache.frames
    for (const list of [file.clean, file.dirty])
      for (const frame of siblings.walk(list))
        if (this.cache.frames.has(frame, LOCKED | WRITEBACK)) return frame
    return undefined
  }

  private letGo({ file, size }: RefreshArgs): void {
    const { siblings, index, pageSize } = this.cache.frames
    let end = size
    for (const frame of siblings.walk(file.dirty))
      end = Math.max(end, Math.min(file.size, (index[frame]! + 1) * pageSize))
    this.cache.mappers.unmapRange(file.id, 0, Infinity, 'shared pages')
    for (const frame of siblings.walk(file.clean))
      if (!this.cache.frames.has(frame, DIRTY)) this.cache.remove(file, frame)
    this.cache.resize(file, end)
  }

  private release({ file, claim }: RefreshArgs): void {
    file.invalidation = undefined
    this.cache.scheduler.complete(claim!)
  }
}
