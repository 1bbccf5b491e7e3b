/** A file of a volume that is open, with its pages in the cache. */
import type { Bytes, PageIndex, PageRange } from '../base/index.ts'
import type { CachedFile, Invalidation, PageCache } from '../cache/index.ts'
import { DIRTY, LOCKED, WRITEBACK } from '../memory/index.ts'
import { done, fail, type Outcome, wait } from '../sched/index.ts'
import { type Claim, type Claimable, needs } from './claiming.ts'
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
  }

  claimed(): void {
    // An entry of a clean page can't be stored through, and dirty pages are written or dropped.
  }

  settle(claim: Claim): Outcome {
    const { cache, cached } = this
    const flying = this.find(LOCKED | WRITEBACK)[0]
    if (flying !== undefined)
      return wait(cache.hurry(flying, cache.frames.group[flying]!), 'page lock', flying)
    const indexes: PageIndex[] = []
    for (const frame of this.find(DIRTY)) {
      const index = cache.frames.index[frame]!
      if (needs(claim, index)) indexes.push(index)
    }
    if (indexes.length === 0) return done
    if (claim.written) return fail(cached.lastError)
    claim.written = true
    cache.writeOut(
      cached,
      indexes.sort((a, b) => a - b),
    )
    return this.settle(claim)
  }

  drop(range: PageRange): void {
    const { cache, cached } = this
    const { frames, mappers } = cache
    mappers.unmapRange(cached.id, range.start, range.end, 'shared pages')
    for (const list of [cached.clean, cached.dirty])
      for (const frame of frames.siblings.walk(list)) {
        const index: PageIndex = frames.index[frame]!
        if (index >= range.start && index < range.end) cache.remove(cached, frame)
      }
    unreserve(this.parts, this.node, range)
  }

  grow(size: Bytes): void {
    this.cache.extend(this.cached, size)
  }

  /** Pages that are dirty, or on their way to the device, in order. */
  get stored(): PageIndex[] {
    const { cached, cache } = this
    const found = cached.dirtyPages.take(0, NUMBERS_MAX, cached.dirtyPages.size)
    if (cached.underWriteback === 0) return found
    for (const list of [cached.clean, cached.dirty])
      for (const frame of cache.frames.siblings.walk(list))
        if (cache.frames.has(frame, WRITEBACK)) found.push(cache.frames.index[frame]!)
    return [...new Set(found)].sort((a, b) => a - b)
  }

  /** The frames of the claimed range that have one of the flags. */
  private find(flags: number): number[] {
    const { frames } = this.cache
    const found: number[] = []
    for (const list of [this.cached.clean, this.cached.dirty])
      for (const frame of frames.siblings.walk(list))
        if (frames.has(frame, flags) && this.cached.invalidates(frames.index[frame]!)) found.push(frame)
    return found
  }
}
