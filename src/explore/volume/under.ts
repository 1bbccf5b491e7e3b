/** What lies under a file of a volume with pages in the cache, with the face that a device of its own would have. */
import { errno } from '../../base/index.ts'
import type { Backing, CachedFile } from '../../cache/index.ts'
import { DIRTY, type Frames } from '../../memory/index.ts'
import type { VolumeFile } from '../../volume/index.ts'
import type { Monitor } from '../monitor.ts'
import type { LabVolume } from './volume.ts'

/** What properties and keys ask of the thing under a file. */
export interface Under {
  /** What a page holds there. */
  word(page: number): number
  hasBlock(page: number): boolean
  /** Blocks to be had. */
  readonly free: number
  /** Pages that changed while they were written. */
  readonly torn: number
  /** Writebacks and flushes that failed. */
  readonly failures: number
  /** Of these, those that met ENOSPC. */
  readonly refusals: number
  /** A resize or a zeroing failed: who knows what of it was done. */
  readonly inDoubt: boolean
}

export class UnderVolume implements Under {
  failures = 0
  refusals = 0
  readonly inDoubt = false
  private readonly on: LabVolume
  private readonly file: VolumeFile

  constructor(on: LabVolume, file: VolumeFile) {
    this.on = on
    this.file = file
  }

  get free(): number {
    return this.on.volume.usage.free
  }

  get torn(): number {
    return this.on.disk.torn
  }

  word(page: number): number {
    return this.on.word(this.file, page)
  }

  hasBlock(page: number): boolean {
    return this.file.node.extents.at(page) !== undefined
  }

  failed(error: number): void {
    this.failures++
    if (error === errno.ENOSPC) this.refusals++
  }
}

/** The file's backing tells the monitor of every clean page that it makes ready for a store. */
export function watchReserve(monitor: Monitor, frames: Frames, { backing }: CachedFile): void {
  const reserve = backing.reserve.bind(backing)
  const watched: Backing['reserve'] = (file, request, frame) => {
    const outcome = reserve(file, request, frame)
    if (outcome.kind === 'done' && !frames.has(frame, DIRTY)) monitor.noteReady()
    return outcome
  }
  Object.defineProperty(backing, 'reserve', { value: watched, writable: true, configurable: true })
}
