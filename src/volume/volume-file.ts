/** A file of a volume that is open, with its pages in the cache. */
import type { Bytes, PageIndex, PageRange } from '../base/index.ts'
import { type CachedFile, dropSome, type Invalidation, newDropping, type PageCache } from '../cache/index.ts'
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

  claimed(): void {
    // An entry of a clean page can't be stored through, and dirty pages are written or dropped.
  }

  settle(claim: Claim): Outcome {
    const { cache, cached } = this
    if (claim.written === 'not yet') {
      const flying = cached.bioIn(claim.start, claim.end)
      if (flying !== undefined) return this.waitFor(flying)
      claim.written = claim.start
    }
    if (claim.written !== 'all of it') {
      const most = Math.max(cache.slicePages, cache.pagesPerBio)
      const indexes = this.needed(claim, claim.written, most)
      cache.writeOut(cached, indexes)
      claim.written = indexes.length < most ? 'all of it' : indexes.at(-1)! + 1
      if (claim.written !== 'all of it') return again
    }
    const flying = cached.bioIn(claim.start, claim.end)
    if (flying !== undefined) return this.waitFor(flying)
    return this.needed(claim, claim.start, 1).length > 0 ? fail(cached.lastError) : done
  }

  drop(claim: Claim, range: PageRange): Outcome {
    claim.dropping ??= newDropping()
    dropSome(this.cache, this.cached, range, 'shared pages', claim.dropping)
    if (claim.dropping.dropped !== Infinity) return again
    unreserve(this.parts, this.node, range)
    return done
  }

  grow(size: Bytes): void {
    this.cache.extend(this.cached, size)
  }

  resize(size: Bytes): void {
    const { cache, cached } = this
    const end = Math.ceil(size / cache.frames.pageSize)
    if (size < cached.size) cache.mappers.unmapRange(cached.id, end, NUMBERS_MAX, 'with private copies')
    cached.size = Math.min(cached.size, size)
    cache.extend(cached, size)
  }

  /** Pages that are dirty, or on their way to the device, in order. */
  get stored(): PageIndex[] {
    const { cached } = this
    const found = cached.dirtyPages.take(0, NUMBERS_MAX, cached.dirtyPages.size)
    for (const { purpose, index, frames } of cached.bios)
      if (purpose === 'writeback') for (let at = 0; at < frames.length; at++) found.push(index + at)
    return [...new Set(found)].sort((a, b) => a - b)
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
    return wait(cache.hurryBio(bio, cache.frames.group[bio.frames[0]!]!), 'page lock')
  }
}
