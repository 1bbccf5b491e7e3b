/**
 * Pages of an open file that have a block promised: one of the space's reservations each.
 *
 * Invariants
 *   RSV1 `inHoles` of them lay nowhere when it was promised, and still don't: with them stat counts as many blocks as the file will
 *       have.
 */
import { IndexSet, type PageIndex, type PageRange } from '../base/index.ts'

export class Reserved {
  private readonly pages = new IndexSet()
  private readonly nowhere = new IndexSet()

  get size(): number {
    return this.pages.size
  }

  /** How many will be blocks of the file that it hasn't yet. */
  get inHoles(): number {
    return this.nowhere.size
  }

  has(index: PageIndex): boolean {
    return this.pages.has(index)
  }

  add(index: PageIndex, lies: 'nowhere' | 'in a block'): void {
    this.pages.add(index)
    if (lies === 'nowhere') this.nowhere.add(index)
  }

  delete(index: PageIndex): void {
    this.pages.delete(index)
    this.nowhere.delete(index)
  }

  /** The page has got a block, and the promise of another stays. */
  placed(index: PageIndex): void {
    this.nowhere.delete(index)
  }

  /** Up to `most` of those in the range, in order. */
  inside({ start, end }: PageRange, most: number): PageIndex[] {
    return this.pages.take(start, end, most)
  }

  /** The same of those that lie nowhere. */
  inHolesInside({ start, end }: PageRange, most: number): PageIndex[] {
    return this.nowhere.take(start, end, most)
  }
}
