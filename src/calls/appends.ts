/**
 * Appends, one after the other for each file: where one goes is known when those before it have ended.
 *
 * Invariants
 *   AP1 No two appends to a file overlap, through whichever openings they were made.
 */
import type { Mappable } from '../memmap/index.ts'

export class Appends {
  private readonly last = new WeakMap<Mappable, Promise<unknown>>()

  /** Does `append` when those of the file that were asked for before have ended, however they did. */
  async inTurn<T>(file: Mappable, append: () => Promise<T>): Promise<T> {
    const before = this.last.get(file)
    const turn = before === undefined ? append() : before.then(append, append)
    this.last.set(file, turn)
    return turn
  }
}
