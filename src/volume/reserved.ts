/** The pages of a file that have a block promised: one of the space's reservations each. */
import { IndexSet, type PageIndex } from '../base/index.ts'
import type { Extents } from './extents.ts'

/** Pages that are looked at together. */
const TAKEN_MAX = 1024

export class Reserved {
  private readonly pages = new IndexSet()
  private changes = 0
  /** How many of them lay in holes, when that was last counted. */
  private counted = { changes: 0, moment: -1, inHoles: 0 }

  get size(): number {
    return this.pages.size
  }

  has(index: PageIndex): boolean {
    return this.pages.has(index)
  }

  add(index: PageIndex): void {
    this.changes++
    this.pages.add(index)
  }

  delete(index: PageIndex): void {
    this.changes++
    this.pages.delete(index)
  }

  /** Those of [start, end) that come first. */
  some(start: PageIndex, end: PageIndex): PageIndex[] {
    return this.pages.take(start, end, TAKEN_MAX)
  }

  *[Symbol.iterator](): Generator<PageIndex> {
    for (let pages = this.some(0, Infinity); pages.length > 0; pages = this.some(pages.at(-1)! + 1, Infinity))
      yield* pages
  }

  /** How many will be blocks of the file that it hasn't yet. `moment`: of the journal that the extents are of. */
  inHoles(extents: Extents, moment: number): number {
    const { changes, counted } = this
    if (counted.changes === changes && counted.moment === moment) return counted.inHoles
    let inHoles = 0
    for (const index of this) if (extents.at(index) === undefined) inHoles++
    this.counted = { changes, moment, inHoles }
    return inHoles
  }
}
