/**
 * The swap area: slots on a device for anonymous pages, and the pages that are on their way there or back.
 *
 * A slot is a page of a cached file of its own (the swap cache), so that reading one, waiting for somebody else's read,
 * errors and writeback are those of any file. An anonymous page goes out by becoming a dirty page of that file; it comes
 * back by a fault on its slot, after which the faulting entry gets a page of its own.
 *
 *     anonymous frame --swapOut--> dirty page of the swap file --writeback--> clean --reclaim--> on the device only
 *     entry with a slot --fault--> page of the swap file up to date --take--> anonymous frame again
 *
 * Invariants
 *   SW1 users[slot] = the entries, over all spaces, that name the slot; a slot with none is free.
 *   SW2 A free slot has no page in the swap file.
 */
import { assert } from '../base/index.ts'
import type { CachedFile } from '../cache/index.ts'

export class Swap {
  readonly file: CachedFile
  private readonly users: Uint16Array
  private readonly free: number[] = []

  /** `slots`: how many pages the area has room for. Slot 0 isn't used, so that an entry with a slot is never 0. */
  constructor(file: CachedFile, slots: number) {
    this.file = file
    this.users = new Uint16Array(slots)
    for (let slot = slots - 1; slot >= 1; slot--) this.free.push(slot)
  }

  get freeSlots(): number {
    return this.free.length
  }

  /** A slot that `entries` entries will name; 0: the area is full. */
  allocate(entries: number): number {
    const slot = this.free.pop() ?? 0
    if (slot !== 0) this.users[slot] = entries
    return slot
  }

  isShared(slot: number): boolean {
    return this.users[slot]! > 1
  }

  /** One more entry names the slot (fork). */
  share(slot: number): void {
    this.users[slot]!++
  }

  /** One entry less names it. A slot that nobody names is given back by `release`, once its page is nowhere on its way. */
  drop(slot: number): 'still used' | 'unused' {
    assert(this.users[slot]! > 0, `SW1: slot ${slot} is dropped as often as used`)
    this.users[slot]!--
    return this.users[slot]! > 0 ? 'still used' : 'unused'
  }

  release(slot: number): void {
    assert(this.users[slot] === 0, `SW1: slot ${slot} is free when nobody names it`)
    this.free.push(slot)
  }
}
