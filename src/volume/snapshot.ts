/**
 * A snapshot: everything below a directory, as it is at one moment, below a new one. Files share their blocks; time and records
 * grow with names and extents, not with bytes.
 *
 *     claim the files that are open -> wait for their pages in flight -> write what is dirty -> one edit -> release
 *
 * While the claims stand nobody stores to a page of these files; whoever wants to waits without its locks.
 *
 * Invariants
 *   SN1 All files are shared in one edit: what was stored to two of them before is in both or, with the error told, in none.
 *   SN2 However the task ends, its claims end with it.
 */
import { errno } from '../base/index.ts'
import type { CachedFile, PageCache } from '../cache/index.ts'
import { DIRTY, LOCKED, WRITEBACK } from '../memory/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import type { Extents } from './extents.ts'
import { Failure } from './failure.ts'
import type { Parts } from './parts.ts'
import { NUMBERS_MAX } from './records.ts'
import type { VolumeFile } from './volume-file.ts'

export interface SnapshotArgs {
  /** A directory. */
  readonly from: string
  /** A name that nothing has, not below `from`. */
  readonly to: string
  claim: Ticket | undefined
  /** The files that were open when it began. */
  claimed: readonly CachedFile[]
  written: boolean
  /** How many files are in it. */
  files: number
}

export function snapshotArgs(from: string, to: string): SnapshotArgs {
  return { from, to, claim: undefined, claimed: [], written: false, files: 0 }
}

/** What of the volume a snapshot looks at. */
export interface OpenFiles {
  readonly cached: ReadonlyMap<number, VolumeFile>
  readonly dax: ReadonlyMap<number, unknown>
  extents(ino: number): Extents
}

export class Snapshot implements Verb<SnapshotArgs> {
  readonly name = 'snapshot'
  private readonly parts: Parts
  private readonly cache: PageCache
  private readonly open: OpenFiles

  constructor(parts: Parts, cache: PageCache, open: OpenFiles) {
    this.parts = parts
    this.cache = cache
    this.open = open
  }

  attempt({ args }: Task<SnapshotArgs>): Outcome {
    if (args.claim === undefined) {
      if (this.parts.readOnly) return fail(errno.EROFS)
      if (this.open.dax.size > 0) return fail(errno.EBUSY)
      for (const {
        cached: { invalidation },
      } of this.open.cached.values())
        if (invalidation !== undefined) return wait(invalidation.ticket, 'invalidate')
      this.claim(args)
    }
    const outcome = this.take(args)
    if (outcome.kind !== 'wait') this.release(args)
    return outcome
  }

  abandon({ args }: Task<SnapshotArgs>): void {
    if (args.claim !== undefined) this.release(args)
  }

  private take(args: SnapshotArgs): Outcome {
    const settled = this.settlePages(args)
    if (settled.kind !== 'done') return settled
    const failed = this.parts.journal.edit(() => this.copy(args))
    return failed === errno.OK ? done : fail(failed)
  }

  private copy(args: SnapshotArgs): void {
    const { names } = this.parts
    const source = names.find(args.from)
    if (source.kind !== 'directory') throw new Failure(errno.ENOTDIR)
    if (`${args.to}/`.startsWith(args.from === '/' ? '/' : `${args.from}/`) && args.from !== '/')
      throw new Failure(errno.EINVAL)
    const top = names.create(args.to, 'directory')
    const directories = [{ from: source.ino, to: top }]
    for (let next = directories.pop(); next !== undefined; next = directories.pop())
      for (const { name, ino, kind } of [...names.entries(next.from)]) {
        if (ino === top) continue
        const copy = names.createIn(next.to, name, kind)
        if (kind === 'directory') directories.push({ from: ino, to: copy })
        else {
          this.open.extents(copy).shareFrom(this.open.extents(ino), 0, 0, NUMBERS_MAX)
          names.setInode(copy, { ...names.inode(copy), size: names.inode(ino).size })
          args.files++
        }
      }
  }

  private claim(args: SnapshotArgs): void {
    args.claim = this.parts.scheduler.ticket(`snapshot of ${args.from}`)
    args.claimed = [...this.open.cached.values()].map(({ cached }) => cached)
    for (const file of args.claimed) file.invalidation = { start: 0, end: Infinity, ticket: args.claim }
  }

  private release({ claim, claimed }: SnapshotArgs): void {
    for (const file of claimed) file.invalidation = undefined
    this.parts.scheduler.complete(claim!)
  }

  /** No page is in flight, and none is dirty. */
  private settlePages(args: SnapshotArgs): Outcome {
    const { frames } = this.cache
    for (const file of args.claimed)
      for (const list of [file.clean, file.dirty])
        for (const frame of frames.siblings.walk(list))
          if (frames.has(frame, LOCKED | WRITEBACK))
            return wait(this.cache.hurry(frame, frames.group[frame]!), 'page lock', frame)
    for (const file of args.claimed) {
      const dirty = [...frames.siblings.walk(file.dirty)].filter(frame => frames.has(frame, DIRTY))
      if (dirty.length === 0) continue
      if (args.written) return fail(file.lastError)
      const indexes = dirty.map(frame => frames.index[frame]!)
      this.cache.writeOut(
        file,
        indexes.sort((a, b) => a - b),
      )
    }
    if (args.written) return done
    args.written = true
    return this.settlePages(args)
  }
}
