/**
 * MADV_COLLAPSE: the pages of a range that are in memory move until they lie side by side there, in their order, so that a
 * section loads from them without a look-up (mmu/row-view.ts). In Linux the same makes huge pages, with one entry for all
 * (Linux 6.18 mm/khugepaged.c).
 *
 *     look at entries   how many pages there are, and which lie in a row already: those may stay
 *     look at frames    frames in a row that nothing keeps from being had, the most of them free, or its own where they belong;
 *                       if there are not as many in one row, the longest rows there are
 *     move              page after page: who lies in its frame gives way to a free one
 *
 * It brings nothing, and an absent page takes no place. What it can't move now, it leaves, and says EAGAIN. All that is known
 * between attempts is numbers of frames, and nothing relies on them: each move asks anew.
 *
 * Locks    none: each page moves within an attempt, and all of its entries with it.
 * Errors   EAGAIN: some pages stay; ENOMEM: no frame is free, or a hole in the range; EINVAL: shared memory without a file, or
 *          a device's own pages, which stay where they are.
 *
 * Invariants
 *   CLP1 An attempt looks at LOOKS entries or frames, or moves a slice of pages, at most.
 */
import { errno, type Pfn, type Vpn } from '../base/index.ts'
import { FREE } from '../memory/index.ts'
import { isMovable, type Mm, migrate, type Space, type Vma, ZERO_PAGE } from '../mm/index.ts'
import { type Entry, frameOf, PRESENT } from '../mmu/index.ts'
import { again, done, fail, type Outcome, type Task, type Verb } from '../sched/index.ts'
import { coveredFrom } from './vmas.ts'

/** Frames, or entries, that are looked at in one attempt: some 0.1 ms. */
const LOOKS = 16_384

/** So many frames in a row, from `base` on. */
interface Row {
  base: Pfn
  pages: number
}

/** The frames [at - length, at) can all be had; `free` of the last ones, as many as there are pages, are free. */
interface Search {
  at: Pfn
  length: number
  free: number
}

/** Where the first page goes, and how many needn't move, or move into a free frame; -1: nowhere are as many frames in a row. */
interface Choice {
  base: Pfn
  easy: number
}

export interface CollapseArgs {
  readonly space: Space
  readonly start: Vpn
  readonly end: Vpn
  /** The entry at hand, of those that are looked at, and of those that are moved. */
  seen: Vpn
  moved: Vpn
  /** How many pages were found. */
  pages: number
  /** Pages that lie in a row: the last such ones, and the most; `base` is where the first page of all would lie. */
  readonly current: Row
  readonly longest: Row
  readonly search: Search
  readonly choice: Choice
  /** Frames that can be had, row by row. */
  readonly available: Row[]
  /** Where the pages go, one after the other. */
  places: Row[] | undefined
  /** How many pages could not be moved. */
  left: number
}

export function collapseArgs(space: Space, start: Vpn, end: Vpn): CollapseArgs {
  return {
    space,
    start,
    end,
    seen: start,
    moved: start,
    pages: 0,
    current: { base: 0, pages: 0 },
    longest: { base: 0, pages: 0 },
    search: { at: 1, length: 0, free: 0 },
    choice: { base: 0, easy: -1 },
    available: [],
    places: undefined,
    left: 0,
  }
}

export class Collapse implements Verb<CollapseArgs> {
  readonly name = 'collapse'
  private readonly mm: Mm

  constructor(mm: Mm) {
    this.mm = mm
  }

  attempt(task: Task<CollapseArgs>): Outcome {
    const { args } = task
    const { frames } = this.mm.memory
    if (args.space.overlapping(args.start, args.end).some(vma => this.refuses(vma))) return fail(errno.EINVAL)
    // An MMU of the host shows pages in the order of their file wherever they lie.
    if (frames.store !== undefined) return this.end(args)
    if (args.seen < args.end) return this.lookAtEntries(args)
    if (args.longest.pages === args.pages) return this.end(args)
    if (args.search.at < frames.count) return this.lookAtFrames(args)
    args.places ??= placesFor(args)
    return this.move(task, args.places)
  }

  private refuses({ open }: Vma): boolean {
    return open !== undefined && !this.mm.cache.files.has(open.file.id)
  }

  private lookAtEntries(args: CollapseArgs): Outcome {
    const { space, end, current, longest } = args
    const last = Math.min(end, args.seen + LOOKS)
    for (; args.seen < last; args.seen++) {
      const entry = space.table.get(args.seen)
      if (!hasPage(entry)) continue
      const base = frameOf(entry) - args.pages++
      current.pages = base === current.base ? current.pages + 1 : 1
      current.base = base
      if (base > 0 && current.pages > longest.pages) Object.assign(longest, current)
    }
    return again
  }

  private lookAtFrames({ search, choice, longest, available, pages }: CollapseArgs): Outcome {
    const { kind, count } = this.mm.memory.frames
    const last = Math.min(count, search.at + LOOKS)
    for (; search.at < last; search.at++) {
      const isFree = kind[search.at] === FREE
      if (!isFree && !isMovable(this.mm, search.at)) {
        if (search.length > 0) available.push({ base: search.at - search.length, pages: search.length })
        search.length = 0
        search.free = 0
        continue
      }
      if (isFree) search.free++
      if (++search.length > pages && kind[search.at - pages] === FREE) search.free--
      if (search.length < pages) continue
      const base = search.at - pages + 1
      const easy = search.free + (base === longest.base ? longest.pages : 0)
      if (easy > choice.easy) Object.assign(choice, { base, easy })
    }
    if (search.at === count && search.length > 0)
      available.push({ base: count - search.length, pages: search.length })
    return again
  }

  private move(task: Task<CollapseArgs>, places: Row[]): Outcome {
    const { args } = task
    const { memory, cache } = this.mm
    for (let moves = 0, looks = 0; args.moved < args.end; args.moved++) {
      if (moves >= cache.slicePages || ++looks > LOOKS) return again
      const entry = args.space.table.get(args.moved)
      if (!hasPage(entry)) continue
      const [place] = places
      if (place === undefined) {
        args.left++
        continue
      }
      if (frameOf(entry) !== place.base) {
        if (memory.nextFree === 0) {
          const relief = memory.pressure(0, task.group)
          return relief.kind === 'done' ? again : relief
        }
        if (this.into(frameOf(entry), place.base)) moves++
        else args.left++
      }
      place.base++
      if (--place.pages === 0) places.shift()
    }
    return this.end(args)
  }

  /** Whether the page could be moved. */
  private into(frame: Pfn, wanted: Pfn): boolean {
    const { memory } = this.mm
    if (!isMovable(this.mm, frame)) return false
    if (memory.frames.kind[wanted] !== FREE) {
      if (!isMovable(this.mm, wanted)) return false
      migrate(this.mm, wanted, memory.nextFree)
    }
    migrate(this.mm, frame, wanted)
    return true
  }

  private end({ space, start, end, left }: CollapseArgs): Outcome {
    if (left > 0) return fail(errno.EAGAIN)
    return coveredFrom(space, start, end) < end ? fail(errno.ENOMEM) : done
  }
}

/** One row for all pages, or the longest ones. */
function placesFor({ choice, pages, available }: CollapseArgs): Row[] {
  if (choice.easy !== -1) return [{ base: choice.base, pages }]
  return available.toSorted((one, other) => other.pages - one.pages)
}

function hasPage(entry: Entry): boolean {
  return (entry & PRESENT) !== 0 && frameOf(entry) !== ZERO_PAGE
}
