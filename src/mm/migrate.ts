/**
 * A page moves into another frame, and nobody but the caller sees it: the file and all entries name the new one in the same
 * attempt (Linux 6.18 mm/migrate.c, where a migration entry stands for the page meanwhile).
 *
 * Invariants
 *   MIG1 A page that somebody has by its frame's number, or a bio carries, stays where it is: pinned, locked, under writeback.
 *   MIG2 Entries go on as they were: old or young, writable or not; no counter of a space or a group changes.
 */
import type { Pfn } from '../base/index.ts'
import { CACHE, LOCKED, WRITEBACK } from '../memory/index.ts'
import { inFrame } from '../mmu/index.ts'
import type { Mm } from './mm.ts'

/** Whether a frame holds a page that can move. Shared memory knows its pages by their frames, and a device's lie where they lie. */
export function isMovable({ memory, rmap }: Mm, frame: Pfn): boolean {
  const { frames } = memory
  if (frames.pins[frame] !== 0 || frames.has(frame, LOCKED | WRITEBACK)) return false
  return frames.kind[frame] === CACHE || rmap.isAnonymous(frame)
}

/** Moves a page that can move into a free frame. */
export function migrate({ memory, cache, rmap }: Mm, from: Pfn, to: Pfn): void {
  const mappings = rmap.mappingsOf(from)
  if (memory.frames.kind[from] === CACHE) cache.move(from, to)
  else memory.move(from, to)
  for (const { space, vpn } of mappings) space.table.set(vpn, inFrame(space.table.get(vpn), to))
}
