/**
 * Who maps a page (rmap), and what a file may ask of those who do. Files know mappers only through this.
 *
 *   a page of a file      the VMAs on the file's list that cover its index, in every space
 *   an anonymous page     the entries at its page number, in every space of its family; and those of VMAs that were moved
 *
 * An entry counts only if it names the very frame: lists and families say where to look, no more.
 *
 * Invariants
 *   RM1 After unmapPage no entry of any space maps the frame; after writeProtect none is writable.
 *   RM2 frames.mapped and the spaces' counters follow every entry that is set or taken (`setEntry`).
 *   RM3 mappingsOf finds each entry of a frame, by its file or its family, unless the frame is a device's.
 */
import { assert, type FileId, OrderedList, type PageIndex, type Pfn, type Vpn } from '../base/index.ts'
import type { Mappers } from '../memmap/index.ts'
import { ANON, DEVICE, type Frames, type Memory } from '../memory/index.ts'
import { type Entry, frameOf, LOAD, old, PRESENT, readOnly, SWAP, WRITABLE } from '../mmu/index.ts'
import type { Family, Space } from './space.ts'
import { indexOf, type Vma, ZERO_PAGE } from './vma.ts'

/** One entry that maps a frame. */
export interface Mapping {
  readonly space: Space
  readonly vpn: Vpn
}

export class Rmap implements Mappers {
  private readonly frames: Frames
  private readonly memory: Memory
  private readonly families = new Map<number, Family>()
  private readonly fileVmas = new Map<FileId, OrderedList<Vma>>()
  /** What to do when the last entry that names a swap slot goes. Set once, by swapping. */
  readonly onSwapEntryGone: (slot: number) => void = () => {}

  constructor(memory: Memory) {
    this.memory = memory
    this.frames = memory.frames
  }

  addFamily(family: Family): void {
    this.families.set(family.id, family)
  }

  dropFamily(family: Family): void {
    this.families.delete(family.id)
  }

  addVma(vma: Vma): void {
    if (isMoved(vma)) vma.space.moved.insert(vma)
    if (vma.open === undefined) return
    let list = this.fileVmas.get(vma.open.file.id)
    if (list === undefined) {
      list = new OrderedList(
        each => each.pageOffset,
        each => each.pageOffset + each.end - each.start,
      )
      this.fileVmas.set(vma.open.file.id, list)
    }
    list.insert(vma)
  }

  removeVma(vma: Vma): void {
    if (isMoved(vma)) vma.space.moved.remove(vma)
    if (vma.open === undefined) return
    const list = this.fileVmas.get(vma.open.file.id)
    assert(list?.remove(vma) === true, `A3: the VMA at page ${vma.start} is on its file's list`)
    if (list.size === 0) this.fileVmas.delete(vma.open.file.id)
  }

  /** Sets one entry of a space, and keeps the counters. */
  setEntry(space: Space, vpn: Vpn, entry: Entry): void {
    const before = space.table.get(vpn)
    space.table.set(vpn, entry)
    if ((entry & PRESENT) !== 0 && frameOf(entry) !== ZERO_PAGE) {
      this.frames.mapped[frameOf(entry)]!++
      space.resident++
    } else if ((entry & SWAP) !== 0) space.swapped++
    if ((before & PRESENT) !== 0 && frameOf(before) !== ZERO_PAGE) {
      space.resident--
      this.unmapped(frameOf(before))
    } else if ((before & SWAP) !== 0) {
      space.swapped--
      if ((entry & SWAP) === 0) this.onSwapEntryGone(frameOf(before))
    }
  }

  /** Whether a frame is a private page of some space's, and not one of shared memory. */
  isAnonymous(frame: Pfn): boolean {
    return this.frames.kind[frame] === ANON && this.families.has(this.frames.owner[frame]!)
  }

  /** The entries that map a frame, as they are now. */
  mappingsOf(frame: Pfn): Mapping[] {
    const found: Mapping[] = []
    this.walk(frame, (space, vpn) => found.push({ space, vpn }))
    return found
  }

  unmapPage(_file: FileId, _index: PageIndex, frame: Pfn): void {
    this.walk(frame, (space, vpn) => this.setEntry(space, vpn, 0))
  }

  // hot: one look at the file's VMAs for all of a bio
  writeProtect(file: FileId, index: PageIndex, frames: readonly Pfn[]): void {
    this.fileVmas.get(file)?.visit(index, index + frames.length, ({ space, start, end, pageOffset }) => {
      const first = start + index - pageOffset
      const last = Math.min(end, first + frames.length)
      for (let vpn = Math.max(start, first); vpn < last; vpn++) {
        const entry = space.table.get(vpn)
        if ((entry & WRITABLE) !== 0 && frameOf(entry) === frames[vpn - first])
          space.table.set(vpn, readOnly(entry))
      }
    })
  }

  unmapRange(
    file: FileId,
    start: PageIndex,
    end: PageIndex,
    which: 'shared pages' | 'with private copies',
  ): void {
    for (const vma of this.vmasOf(file, start, end)) {
      const from = Math.max(vma.start, vma.start + start - vma.pageOffset)
      const to = Math.min(vma.end, vma.start + end - vma.pageOffset)
      for (const vpn of vma.space.table.used(from, to))
        if (which === 'with private copies' || this.isPageOf(file, vma, vpn)) this.setEntry(vma.space, vpn, 0)
    }
  }

  nextMapped(file: FileId, from: PageIndex): PageIndex {
    const list = this.fileVmas.get(file)
    if (list === undefined) return Infinity
    if (list.overlapping(from, from + 1).length > 0) return from
    for (const vma of list.from(from)) return vma.pageOffset
    return Infinity
  }

  /**
   * How many entries of the frame were used since it was last asked; makes all of them old (folio_referenced). A use
   * through a VMA that is read in order or at random says nothing of the next one (vma_has_recency, Linux 6.12
   * linux/mm_inline.h), so those don't count and stay as they are.
   */
  testAndClearYoung(frame: Pfn): number {
    let referenced = 0
    this.walk(frame, (space, vpn, vma) => {
      const entry = space.table.get(vpn)
      if ((entry & LOAD) === 0 || (vma !== undefined && vma.advice !== 'normal')) return
      referenced++
      space.table.set(vpn, old(entry))
    })
    return referenced
  }

  /** Whether a VMA that maps the frame locks it in memory. */
  isLocked(frame: Pfn): boolean {
    let locked = false
    this.walk(frame, (space, vpn) => {
      locked ||= space.find(vpn)?.locked === true
    })
    return locked
  }

  // hot: reclaim walks each page that it looks at, up to four times
  /** Calls `act` with each entry that maps the frame (rmap_walk). It may change that entry, and no VMA. */
  private walk(frame: Pfn, act: (space: Space, vpn: Vpn, vma?: Vma) => void): void {
    if (this.frames.mapped[frame] === 0) return
    const owner = this.frames.owner[frame]!
    const index = this.frames.index[frame]!
    const family = this.frames.kind[frame] === ANON ? this.families.get(owner) : undefined
    if (family !== undefined) {
      for (const space of family.spaces) {
        if (this.maps(space, index, frame)) act(space, index)
        if (space.moved.size > 0) this.walkMoved(space, index, frame, act)
      }
      return
    }
    this.fileVmas.get(owner)?.visit(index, index + 1, vma => {
      const vpn = vma.start + index - vma.pageOffset
      if (this.maps(vma.space, vpn, frame)) act(vma.space, vpn, vma)
    })
  }

  /** mremap has taken VMAs elsewhere: their pages kept their numbers (A4). */
  private walkMoved(space: Space, index: Vpn, frame: Pfn, act: (space: Space, vpn: Vpn) => void): void {
    space.moved.visit(index, index + 1, vma => {
      const vpn = vma.start + index - vma.anonOffset
      if (this.maps(space, vpn, frame)) act(space, vpn)
    })
  }

  private vmasOf(file: FileId, start: PageIndex, end: PageIndex): Vma[] {
    const list = this.fileVmas.get(file)
    return list === undefined ? [] : list.overlapping(start, end)
  }

  private maps(space: Space, vpn: Vpn, frame: Pfn): boolean {
    const entry = space.table.get(vpn)
    return (entry & PRESENT) !== 0 && frameOf(entry) === frame
  }

  /** Whether the entry maps the file itself: its page in the cache, or its block or hole on a device. */
  private isPageOf(file: FileId, vma: Vma, vpn: Vpn): boolean {
    const entry = vma.space.table.get(vpn)
    if ((entry & PRESENT) === 0) return false
    const frame = frameOf(entry)
    if (frame === ZERO_PAGE || this.frames.kind[frame] === DEVICE) return true
    return this.frames.owner[frame] === file && this.frames.index[frame] === indexOf(vma, vpn)
  }

  /** One entry less maps the frame. An anonymous page that nothing maps is nobody's. */
  private unmapped(frame: Pfn): void {
    this.frames.mapped[frame]!--
    if (this.frames.mapped[frame] !== 0) return
    if (this.isAnonymous(frame)) this.memory.release(frame)
    else this.memory.freeIfUnused(frame)
  }
}

function isMoved(vma: Vma): boolean {
  return vma.share === 'private' && vma.anonOffset !== vma.start
}
