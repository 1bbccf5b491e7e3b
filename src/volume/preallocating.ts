/**
 * fallocate: gives the holes of a range blocks of their own, which read as zeros until they are written. A store there
 * needs no promise of a block any more.
 *
 * Invariants
 *   PA1 All holes of the range get blocks, or none does.
 */
import { type Bytes, errno, type PageRange } from '../base/index.ts'
import type { PageCache } from '../cache/index.ts'
import { done, fail, type Outcome, type Task, type Verb } from '../sched/index.ts'
import { UNWRITTEN } from './extents.ts'
import { type Parts, roomFor } from './parts.ts'
import type { VolumeFile } from './volume-file.ts'

export interface PreallocatingArgs {
  readonly file: VolumeFile
  readonly position: Bytes
  readonly length: Bytes
}

export class Preallocating implements Verb<PreallocatingArgs> {
  readonly name = 'fallocate'
  private readonly parts: Parts
  private readonly cache: PageCache

  constructor(parts: Parts, cache: PageCache) {
    this.parts = parts
    this.cache = cache
  }

  attempt({ args }: Task<PreallocatingArgs>): Outcome {
    const { journal, space, names, readOnly } = this.parts
    const { node, cached } = args.file
    if (readOnly) return fail(errno.EROFS)
    const holes = journal.ask(() => this.holes(args))
    if (holes.value === undefined) return fail(holes.errno)
    const blocks = holes.value.reduce((sum, { start, end }) => sum + end - start, 0)
    const room = roomFor(this.parts, blocks)
    if (room.kind !== 'done') return room
    const end = args.position + args.length
    const failed = journal.edit(() => {
      let most = blocks
      for (const hole of holes.value)
        for (let index = hole.start; index < hole.end; ) {
          const claimed = space.claim(hole.end - index, most)
          space.settle(claimed)
          node.extents.place(index, claimed, UNWRITTEN)
          most -= claimed.end - claimed.start
          index += claimed.end - claimed.start
        }
      const inode = names.inode(node.ino)
      if (end > inode.size) names.setInode(node.ino, { ...inode, size: end })
    })
    if (failed !== errno.OK) return fail(failed)
    this.cache.extend(cached, end)
    return done
  }

  abandon(): void {
    // It holds nothing between two attempts.
  }

  private holes({ file, position, length }: PreallocatingArgs): PageRange[] {
    const { blockSize } = this.parts.disk
    const end = Math.ceil((position + length) / blockSize)
    const holes: PageRange[] = []
    let at = Math.floor(position / blockSize)
    for (const part of file.node.extents.inside(at, end)) {
      if (part.start > at) holes.push({ start: at, end: part.start })
      at = part.end
    }
    if (at < end) holes.push({ start: at, end })
    return holes
  }
}
