/**
 * Anonymous pages to the swap area and back (Linux 6.12 mm/swapfile.c, mm/swap_state.c), by way of the
 * swap file's page cache.
 *
 * Invariants   SW1, SW2 (fs/swap.ts)
 *   SW3 A slot whose page is still on its way isn't used again until that is over.
 */
import { hang, type Pfn } from '../base/index.ts'
import type { PageCache } from '../cache/index.ts'
import type { Swap } from '../fs/index.ts'
import { newReadState } from '../memmap/index.ts'
import { ANON, CACHE, LOCKED, WRITEBACK } from '../memory/index.ts'
import { swapEntry } from '../mmu/index.ts'
import type { Rmap } from './rmap.ts'

export class Swapping {
  readonly swap: Swap
  private readonly cache: PageCache
  private readonly rmap: Rmap
  /** How slots are read: nothing is read ahead. */
  readonly read = newReadState('random')
  /** Slots that nobody names, whose page is still on its way (SW3). */
  private readonly leaving = new Set<number>()

  constructor(swap: Swap, cache: PageCache, rmap: Rmap) {
    this.swap = swap
    this.cache = cache
    this.rmap = rmap
    hang(rmap, 'onSwapEntryGone', slot => this.drop(slot))
  }

  /** Whether another page can go out. */
  get hasRoom(): boolean {
    return this.swap.freeSlots > 0
  }

  /** Begins to write an anonymous page out. Says whether there was a slot for it. */
  swapOut(frame: Pfn): 'on its way' | 'no slot' {
    const { memory } = this.cache
    const { frames } = memory
    const slot = this.swap.allocate(frames.mapped[frame]!)
    if (slot === 0) return 'no slot'
    const { file } = this.swap
    memory.ledger.stat(frames.group[frame]!).swapOut++
    memory.pin(frame)
    const mappings = this.rmap.mappingsOf(frame)
    memory.recast(frame, CACHE)
    this.cache.insert(file, slot, frame)
    for (const { space, vpn } of mappings) this.rmap.setEntry(space, vpn, swapEntry(slot))
    this.cache.setDirty(file, frame, this.cache.frames.group[frame]!)
    this.cache.writeOut(file, [slot])
    memory.unpin(frame)
    return 'on its way'
  }

  /** One more entry names the slot (fork). */
  share(slot: number): void {
    this.swap.share(slot)
  }

  /** Takes a page that has come back out of the swap file: an anonymous one again, whose owner is whoever takes it. */
  take(frame: Pfn): void {
    this.cache.detach(this.swap.file, frame)
    this.cache.memory.recast(frame, ANON)
  }

  /** An entry that named the slot is gone. */
  private drop(slot: number): void {
    if (this.swap.drop(slot) === 'still used') return
    this.leaving.add(slot)
    this.sweep()
  }

  /** Gives back the slots of SW3 whose pages have arrived. Reclaim asks for it between its passes, never within one. */
  sweep(): void {
    const { file } = this.swap
    for (const slot of this.leaving) {
      const frame = this.cache.find(file.id, slot)
      if (frame !== 0 && this.cache.frames.has(frame, LOCKED | WRITEBACK)) continue
      if (frame !== 0) this.cache.remove(file, frame)
      this.leaving.delete(slot)
      this.swap.release(slot)
    }
  }
}
