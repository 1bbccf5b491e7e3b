/** A file of a volume that is open, with its pages in the cache. */
import type { Bytes, PageIndex, PageRange } from '../base/index.ts'
import {
  type CachedFile,
  dropSome,
  type Invalidation,
  newDropping,
  type PageCache,
  unmapSome,
} from '../cache/index.ts'
import type { Bio } from '../io/index.ts'
import { again, done, fail, type Outcome, wait } from '../sched/index.ts'
import type { Claim, Claimable } from './claiming.ts'
import { type Node, type Parts, unreserve } from './parts.ts'
import { NUMBERS_MAX } from './records.ts'

export class VolumeFile implements Claimable {
  readonly opened = 'cached'
  readonly node: Node
  readonly cached: CachedFile
  openings = 0
  private readonly parts: Parts
  private readonly cache: PageCache

  constructor(parts: Parts, cache: PageCache, node: Node, cached: CachedFile) {
    this.parts = parts
    this.cache = cache
    this.node = node
    this.cached = cached
  }

  get name(): string {
    return this.cached.name
  }

  get size(): Bytes {
    return this.cached.size
  }

  get invalidation(): Invalidation | undefined {
    return this.cached.invalidation
  }

  set invalidation(invalidation: Invalidation | undefined) {
    this.cached.invalidation = invalidation
    this.cached.dropping = false
  }

  /** Entries stay: one of a clean page can't be stored through, and dirty pages are written or dropped. */
  settle(claim: Claim): Outcome {
    const { cache, cached } = this
    if (claim.written === 'not yet') {
      const inFlight = cached.bioIn(claim.start, claim.end)
      if (inFlight !== undefined) return this.waitFor(inFlight)
      claim.written = claim.start
    }
    if (claim.written !== 'all of it') {
      const crowded = cache.crowded(cached)
      if (crowded !== undefined) return this.waitFor(crowded)
      const most = Math.max(cache.slicePages, cache.pagesPerBio)
      const indexes = this.needed(claim, claim.written, most)
      cache.writeOut(cached, indexes)
      claim.written = indexes.length < most ? 'all of it' : indexes.at(-1)! + 1
      if (claim.written !== 'all of it') return again
    }
    const inFlight = cached.bioIn(claim.start, claim.end)
    if (inFlight !== undefined) return this.waitFor(inFlight)
    return this.needed(claim, claim.start, 1).length > 0 ? fail(cached.lastError) : done
  }

  drop(claim: Claim, range: PageRange): Outcome {
    claim.dropping ??= newDropping()
    dropSome(this.cache, this.cached, range, 'shared pages', claim.dropping)
    if (claim.dropping.dropped !== Infinity) return again
    return unreserve(this.parts, this.node, range) === 'all' ? done : again
  }

  grow(size: Bytes): void {
    this.cache.extend(this.cached, size)
  }

  shifted(size: Bytes): void {
    const { cache, cached } = this
    cached.size = Math.min(cached.size, size)
    cache.extend(cached, size)
  }

  cut(claim: Claim): Outcome {
    const { cache, cached } = this
    const start = Math.max(cached.pages, claim.cut)
    const slice = { left: cache.slicePages }
    claim.cut = unmapSome(cache.mappers, cached.id, { start, end: NUMBERS_MAX }, 'with private copies', slice)
    return claim.cut === Infinity ? done : again
  }

  /** The first page from `from` on that is dirty, or on its way to the device; Infinity: none is. */
  storedFrom(from: PageIndex): PageIndex {
    const { cached } = this
    let [first = Infinity] = cached.dirtyPages.take(from, NUMBERS_MAX, 1)
    for (const { purpose, index, frames } of cached.bios.values())
      if (purpose === 'writeback' && index + frames.length > from)
        first = Math.min(first, Math.max(from, index))
    return first
  }

  /** Up to `most` dirty pages from `from` on that the claim needs. */
  private needed({ needs, start, end }: Claim, from: PageIndex, most: number): PageIndex[] {
    const { dirtyPages } = this.cached
    if (needs === 'all') return dirtyPages.take(from, end, most)
    const edges = needs === 'none' || end <= start ? [] : start === end - 1 ? [start] : [start, end - 1]
    return edges.filter(index => index >= from && dirtyPages.has(index)).slice(0, most)
  }

  private waitFor(bio: Bio): Outcome {
    const { cache } = this
    return wait(cache.boostBio(bio, cache.frames.group[bio.frames[0]!]!), 'page lock')
  }
}
