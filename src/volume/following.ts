/**
 * A volume that is read goes on to what another machine has committed meanwhile: what was changed is read anew, what wasn't stays.
 *
 *     news -> every open file claimed -> what is on its way is here -> in one attempt: the store goes on, pages of changed extents go
 *          -> sizes, when their records are here -> the claims end
 *
 * A section of a program sees one commit: it runs whole before that attempt or after it, and begins again if it missed a page. A
 * fault waits for the claim.
 *
 * Invariants
 *   FLW1 No page that is shown after it is of an extent that the new commit doesn't have.
 *   FLW2 A file that was removed is empty to who has it open.
 */
import { dropSome, newDropping, type PageCache } from '../cache/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import { Absent } from './failure.ts'
import type { Place } from './names.ts'
import type { NetworkedStore } from './networked-store.ts'
import { decodeNumbers, inodeKey, inoIn, NUMBERS_MAX, nameIn, numberIn } from './records.ts'
import type { Volume } from './volume.ts'
import type { VolumeFile } from './volume-file.ts'

/** The numbers of a run; a checksum follows them. */
const RUN_BYTES = 24

/** Pages of a file, by the record of the run that they are in; 'unknown': the record isn't here. */
type Start = number | 'unknown' | undefined

export interface FollowingArgs {
  readonly claims: Map<VolumeFile, Ticket>
  /** Files whose size isn't known yet; undefined: the store hasn't gone on. */
  unsized: VolumeFile[] | undefined
  /** What of it is told when the claims end; undefined: the store hasn't gone on. */
  changed: Changed | undefined
}

/** What may be otherwise since a reader went on; 'everything': it isn't known what. */
export type Changed =
  | 'everything'
  | {
      /** Whose attributes, bytes or names. */
      readonly inodes: ReadonlySet<number>
      /** What names mean, or whether they are there. */
      readonly places: readonly Place[]
    }

/** Of an inode: its record, its extents, its extended attributes and its link target. */
const OF_AN_INODE = 'ieay'

function changedBy(keys: ReadonlySet<string>): Changed {
  const inodes = new Set<number>()
  const places: Place[] = []
  for (const key of keys)
    if (OF_AN_INODE.includes(key[0]!)) inodes.add(inoIn(key))
    else if (key[0] === 'd') {
      inodes.add(inoIn(key))
      places.push({ directory: inoIn(key), name: nameIn(key) })
    }
  return { inodes, places }
}

export function followingArgs(): FollowingArgs {
  return { claims: new Map(), unsized: undefined, changed: undefined }
}

export class Following implements Verb<FollowingArgs> {
  readonly name = 'follow commits'
  private readonly volume: Volume
  private readonly cache: PageCache
  private readonly store: NetworkedStore

  constructor(volume: Volume, cache: PageCache, store: NetworkedStore) {
    this.volume = volume
    this.cache = cache
    this.store = store
  }

  attempt({ args }: Task<FollowingArgs>): Outcome {
    if (args.unsized === undefined) {
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

  /** Returns the files that were changed. */
  private goOn(args: FollowingArgs): VolumeFile[] {
    const { claims } = args
    const { store } = this
    const news = store.pendingNews
    const keys = new Set(news.flatMap(each => (each.kind === 'commit' ? each.keys : [])))
    const isReset = news.some(({ kind }) => kind === 'reset')
    args.changed = isReset ? 'everything' : changedBy(keys)
    const runs = [...keys].filter(key => key[0] === 'e').map(key => ({ key, before: this.startOf(key) }))
    store.advance()
    const files = new Map([...claims.keys()].map(file => [file.node.ino, file]))
    if (isReset) {
      for (const file of files.values()) this.drop(file, 0, NUMBERS_MAX)
      return [...files.values()]
    }
    const changed = new Set<VolumeFile>()
    for (const { key, before } of runs) {
      const file = files.get(inoIn(key))
      if (file === undefined) continue
      changed.add(file)
      for (const start of [before, this.startOf(key)])
        if (start === 'unknown') this.drop(file, 0, NUMBERS_MAX)
        else if (start !== undefined) this.drop(file, start, numberIn(key) + 1)
    }
    for (const [ino, file] of files) if (keys.has(inodeKey(ino))) changed.add(file)
    return [...changed]
  }

  /** The first page of the run whose record has that key. */
  private startOf(key: string): Start {
    try {
      const value = this.store.get(key)
      return value === undefined ? undefined : decodeNumbers(value.subarray(0, RUN_BYTES), 3, key)[0]!
    } catch (error) {
      if (error instanceof Absent) return 'unknown'
      throw error
    }
  }

  private drop({ cached }: VolumeFile, start: number, end: number): void {
    const dropping = newDropping()
    while (dropping.dropped !== Infinity)
      dropSome(this.cache, cached, { start, end }, 'shared pages', dropping)
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
