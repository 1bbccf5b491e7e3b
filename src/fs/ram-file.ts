/**
 * A file that exists in memory only: shared anonymous mappings, and files that need no device (tmpfs without swap).
 *
 * A page is made, zero, when it is first touched, and is dirty from then on: there is nowhere to write it, so reclaim
 * passes it over, and a store that finds no memory fails with ENOMEM at the store.
 *
 * Invariants
 *   RF1 A page once made stays until the file is truncated or forgotten.
 */
import { type Bytes, errno, type FileId, type PageIndex, type Pfn } from '../base/index.ts'
import type { Mappable, Mappers, PageRequest } from '../memmap/index.ts'
import { ANON, type Memory, UPTODATE } from '../memory/index.ts'
import { done, fail, type Outcome } from '../sched/index.ts'

export class RamFile implements Mappable {
  readonly id: FileId
  readonly name: string
  readonly readOnly = false
  size: Bytes
  private readonly memory: Memory
  private readonly pages = new Map<PageIndex, Pfn>()

  constructor(memory: Memory, id: FileId, name: string, size: Bytes) {
    this.memory = memory
    this.id = id
    this.name = name
    this.size = size
  }

  fault({ index, fault }: PageRequest): Outcome {
    if (index * this.memory.frames.pageSize >= this.size) return fail(errno.ENXIO)
    const found = this.pages.get(index)
    if (found !== undefined) {
      fault.frame = found
      return done
    }
    const frame = this.memory.allocate(fault.group, ANON)
    if (typeof frame !== 'number') return frame
    const { frames } = this.memory
    frames.zero(frame)
    frames.owner[frame] = this.id
    frames.index[frame] = index
    frames.raise(frame, UPTODATE)
    this.pages.set(index, frame)
    fault.frame = frame
    return done
  }

  pageMkwrite(): Outcome {
    return done
  }

  setDirty(): void {
    // It is the only copy: always dirty, never written.
  }

  residentPage(index: PageIndex): Pfn {
    return this.pages.get(index) ?? 0
  }

  /** The last mapping has gone: gives every page back. */
  forget(mappers: Mappers): void {
    mappers.unmapRange(this.id, 0, Infinity, 'shared pages')
    for (const frame of this.pages.values()) this.memory.release(frame)
    this.pages.clear()
  }
}
