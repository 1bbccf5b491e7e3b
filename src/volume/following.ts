/**
 * A volume that is read goes on to what another machine has committed meanwhile: what was changed is read anew, what wasn't stays.
 *
 *     news -> every open file claimed -> what is on its way is here -> in one attempt: the store goes on, pages whose blocks are others go
 *          -> sizes, when their records are here -> the claims end
 *
 * A section of a program sees one commit: it runs whole before that attempt or after it, and begins again if it missed a page. A
 * fault waits for the claim.
 *
 * Invariants
 *   FLW1 No page that is shown after it is of a block that the new commit doesn't have there.
 *   FLW3 A check that is under way sees one commit: going on waits for it.
 *   FLW2 A file that was removed is empty to who has it open.
 */

import { dropSome, newDropping, type PageCache } from '../cache/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import { type Changed, changedBy } from './changed.ts'
import { ALL_PAGES, changedPages, type Pages } from './changed-pages.ts'
import type { NetworkedStore } from './networked-store.ts'
import { decodeNumbers, inodeKey, inoIn, numberIn } from './records.ts'
import type { Run } from './runs.ts'
import type { Volume } from './volume.ts'
import type { VolumeFile } from './volume-file.ts'

/** The numbers of a run; a checksum follows them. */
const RUN_BYTES = 24

export interface FollowingArgs {
  readonly claims: Map<VolumeFile, Ticket>
  /** Files whose size isn't known yet; undefined: the store hasn't gone on. */
  unsized: VolumeFile[] | undefined
  /** What of it is told when the claims end; undefined: the store hasn't gone on. */
  changed: Changed | undefined
}

export function followingArgs(): FollowingArgs {
  return { claims: new Map(), unsized: undefined, changed: undefined }
}

/** What tells of commits that others have made. */
export type Followed = Pick<NetworkedStore, 'pendingNews' | 'known' | 'advance'>

export class Following implements Verb<FollowingArgs> {
  readonly name = 'follow commits'
  private readonly volume: Volume
  private readonly cache: PageCache
  private readonly store: Followed

  constructor(volume: Volume, cache: PageCache, store: Followed) {
    this.volume = volume
    this.cache = cache
    this.store = store
  }

  attempt({ args }: Task<FollowingArgs>): Outcome {
    if (args.unsized === undefined) {
      // A check looks at one commit.
      const { held } = this.volume.parts.commits
      if (held !== undefined) return wait(held, 'metadata')
      const ready = this.claim(args)
      if (ready.kind !== 'done') return ready
      args.unsized = this.goOn(args)
    }
    for (let file = args.unsized.at(-1); file !== undefined; file = args.unsized.at(-1)) {
      const sized = this.size(file)
      if (sized.kind === 'wait') return sized
      if (sized.kind === 'fail') {
        this.release(args)
        return fail(sized.errno)
      }
      args.unsized.pop()
    }
    this.release(args)
    return done
  }

  abandon({ args }: Task<FollowingArgs>): void {
    this.release(args)
  }

  /** No page of an open file is on its way, and none sets out. */
  private claim({ claims }: FollowingArgs): Outcome {
    for (const file of this.volume.cachedFiles) {
      if (claims.has(file)) continue
      if (file.invalidation !== undefined) return wait(file.invalidation.ticket, 'invalidate')
      const ticket = this.cache.scheduler.ticket(`next commit of ${file.name}`)
      file.invalidation = { start: 0, end: Infinity, ticket }
      claims.set(file, ticket)
    }
    for (const { cached } of claims.keys()) {
      const inFlight = cached.bioIn(0, Infinity)
      if (inFlight !== undefined)
        return wait(this.cache.boostBio(inFlight, this.cache.frames.group[inFlight.frames[0]!]!), 'page lock')
    }
    return done
  }

  /** Returns the files whose size may be another. */
  private goOn(args: FollowingArgs): VolumeFile[] {
    const { claims } = args
    const { store } = this
    const news = store.pendingNews
    const keys = new Set(news.flatMap(each => (each.kind === 'commit' ? each.keys : [])))
    const isReset = news.some(({ kind }) => kind === 'reset')
    const runs = [...keys].filter(key => key[0] === 'e')
    const before = this.extents(runs)
    store.advance()
    const files = new Map([...claims.keys()].map(file => [file.node.ino, file]))
    if (isReset) {
      args.changed = 'everything'
      for (const file of files.values()) this.drop(file, ALL_PAGES)
      return [...files.values()]
    }
    const after = this.extents(runs)
    const pages = new Map<number, readonly Pages[]>()
    for (const [ino, was] of before) {
      const is = after.get(ino)!
      pages.set(ino, was === 'unknown' || is === 'unknown' ? ALL_PAGES : changedPages(was, is))
    }
    args.changed = changedBy(keys, pages)
    const unsized = new Set<VolumeFile>()
    for (const [ino, file] of files) {
      const others = pages.get(ino)
      if (others !== undefined) this.drop(file, others)
      if (keys.has(inodeKey(ino))) unsized.add(file)
    }
    return [...unsized]
  }

  /** The extents whose records have the keys, by file; 'unknown': not all of them are here. */
  private extents(keys: readonly string[]): Map<number, Run[] | 'unknown'> {
    const found = new Map<number, Run[] | 'unknown'>()
    for (const key of keys) {
      const ino = inoIn(key)
      const runs = found.get(ino) ?? []
      const record = this.store.known(key)
      found.set(ino, record === 'unknown' ? 'unknown' : runs)
      if (runs === 'unknown') found.set(ino, runs)
      else if (record !== undefined && record !== 'unknown') {
        const [start, value, tag] = decodeNumbers(record.subarray(0, RUN_BYTES), 3, key)
        runs.push({ start: start!, end: numberIn(key) + 1, value: value!, tag: tag! })
      }
    }
    return found
  }

  private drop({ cached }: VolumeFile, pages: readonly Pages[]): void {
    for (const span of pages) {
      const dropping = newDropping()
      while (dropping.dropped !== Infinity) dropSome(this.cache, cached, span, 'shared pages', dropping)
    }
  }

  private size({ cached, node }: VolumeFile): Outcome {
    const found = this.volume.parts.overlay.ask(() => {
      const isThere = this.volume.parts.overlay.get(inodeKey(node.ino)) !== undefined
      return isThere ? this.volume.parts.names.inode(node.ino).size : 0
    })
    if (found.value === undefined) return found.outcome
    if (found.value < cached.size) cached.size = found.value
    this.cache.extend(cached, found.value)
    return done
  }

  /** However it ended: a store that has gone on says something else from now on. */
  private release({ claims, changed }: FollowingArgs): void {
    for (const [file, ticket] of claims) {
      file.invalidation = undefined
      this.cache.scheduler.complete(ticket)
    }
    claims.clear()
    if (changed !== undefined) this.volume.onFollowed(changed)
  }
}
