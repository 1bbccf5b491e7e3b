/**
 * SEEK_DATA and SEEK_HOLE: where a file holds something. What is stored and not written yet is data; blocks that fallocate set aside are
 * a hole, since they read as zeros; what was lost is data, so that whoever copies the file hears of it. The end is a hole.
 *
 * It goes over the file in slices. What it passed is looked at no more: a hole that somebody makes behind it isn't found.
 */
import { type Bytes, errno, type PageIndex } from '../base/index.ts'
import { again, done, fail, type Outcome, type Task, type Verb } from '../sched/index.ts'
import type { DaxFile } from './dax-file.ts'
import { UNWRITTEN } from './extents.ts'
import type { Parts } from './parts.ts'
import type { VolumeFile } from './volume-file.ts'

export interface SeekingArgs {
  readonly file: VolumeFile | DaxFile
  readonly position: Bytes
  readonly what: 'data' | 'hole'
  /** Before this page there is none of it. */
  page: PageIndex
  /** Where it begins, once the task has ended well. */
  found: Bytes
}

export function seekingArgs(file: VolumeFile | DaxFile, position: Bytes, what: 'data' | 'hole'): SeekingArgs {
  return { file, position, what, page: 0, found: 0 }
}

interface Step {
  readonly page: PageIndex
  readonly isFound: boolean
}

/** ENXIO: at or behind the end, or no data comes any more. */
export class Seeking implements Verb<SeekingArgs> {
  readonly name = 'seek'
  private readonly parts: Parts

  constructor(parts: Parts) {
    this.parts = parts
  }

  attempt({ args }: Task<SeekingArgs>): Outcome {
    const { file, position, what } = args
    const { disk, overlay } = this.parts
    const { size } = file
    if (position >= size) return fail(errno.ENXIO)
    const end = Math.ceil(size / disk.blockSize)
    const from = Math.max(args.page, Math.floor(position / disk.blockSize))
    const said = overlay.ask(() =>
      what === 'data' ? this.data(file, from, end) : this.hole(file, from, end),
    )
    if (said.value === undefined) return said.outcome
    const { page, isFound } = said.value
    args.page = page
    if (!isFound && page < end) return again
    if (!isFound && what === 'data') return fail(errno.ENXIO)
    args.found = Math.min(size, Math.max(position, page * disk.blockSize))
    return done
  }

  private data(file: VolumeFile | DaxFile, from: PageIndex, end: PageIndex): Step {
    const stored = storedFrom(file, from)
    let left = this.parts.sliceRecords
    for (const part of file.node.extents.inside(from, Math.min(end, stored))) {
      if (part.tag !== UNWRITTEN) return { page: part.start, isFound: true }
      if (--left <= 0) return { page: part.end, isFound: false }
    }
    return stored < end ? { page: stored, isFound: true } : { page: end, isFound: false }
  }

  private hole(file: VolumeFile | DaxFile, from: PageIndex, end: PageIndex): Step {
    let page = from
    let left = this.parts.sliceRecords
    /** Whether there is one before `stop`; what is stored there is none. */
    const comesBefore = (stop: PageIndex) => {
      for (; page < stop && left > 0; page++, left--) if (storedFrom(file, page) !== page) return true
      return false
    }
    for (const part of file.node.extents.inside(from, end)) {
      if (part.tag === UNWRITTEN) continue
      if (comesBefore(part.start)) return { page, isFound: true }
      if (left-- <= 0) return { page, isFound: false }
      page = part.end
    }
    const isFound = comesBefore(end)
    return { page, isFound }
  }
}

/** The first page from there on that is stored and not written yet, or on its way to the device. */
function storedFrom(file: VolumeFile | DaxFile, from: PageIndex): PageIndex {
  return file.opened === 'cached' ? file.storedFrom(from) : Infinity
}
