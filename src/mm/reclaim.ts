/**
 * Reclaim: takes frames back from those who used them longest ago (Linux 6.12 mm/vmscan.c). It runs inside the attempt
 * that wants a frame, since taking a clean page needs no waiting; what needs writing first becomes a ticket.
 *
 *     active list -- tail, not referenced --> inactive list -- tail --> referenced twice: active again
 *                                                                  \--> pinned: back to the head
 *                                                                   \-> dirty: written, in flight, taken when it has landed
 *                                                                    \> clean: unmapped, evicted, free
 *
 * Groups under a limit that is hit give of their own; when the machine is full all give, each in proportion to what it
 * has above its protection. memory.min is never touched, memory.low only when nothing else is left.
 *
 * Invariants
 *   RC1 A pinned frame is passed over: a stash is never reclaimed.
 *   RC2 Nobody below its effective min gives anything; below its effective low only on the second pass.
 *   RC3 shrink says done only if it freed a frame, or found pages in use and made them older; wait only if something is on
 *       its way; fail only if there is neither.
 *   RC4 One call looks at each page once. When one has found nothing but pages on their way, none looks at those again
 *       before they have landed.
 *   RC5 Where it has found nothing it looks again only after something has changed, so those who wait for memory don't
 *       each look at what the first has looked at.
 */
import { END, errno, type GroupId, type PageIndex, type Pfn, ROOT } from '../base/index.ts'
import type { CachedFile } from '../cache/index.ts'
import {
  ANON,
  DIRTY,
  LAZYFREE,
  LOCKED,
  REFERENCED,
  type Relief,
  UNEVICTABLE,
  WRITEBACK,
} from '../memory/index.ts'
import { done, fail, wait } from '../sched/index.ts'
import type { Mm } from './mm.ts'

/** SWAP_CLUSTER_MAX: how many pages one reclaim wants. */
const CLUSTER = 32
/** DEF_PRIORITY: a pass looks at 1/2^priority of each list; the last one at all of it. */
const PRIORITY_START = 12
/** So many of those who wait for memory wait for one bio: it frees a few pages, and to wake all for them is in vain. */
const WAITERS_A_BIO = 4
/** So many bios are looked at for one that few wait for. */
const BIOS_LOOKED_AT = 64

/** What one call of shrink looks for, and what it has found. */
interface Pass {
  readonly root: GroupId
  spare: 'min and low' | 'min'
  priority: number
  freed: number
  /** Pages that were in use, and are older now: the next call may take them. */
  aged: number
  /** Pages that it met on their way to or from a device. */
  readonly underIo: Pfn[]
  /** It met pages that only time lets go. */
  later: boolean
  /** How many pages of each list haven't been looked at yet (RC4). */
  readonly left: Map<number, number>
  /** A page that went round its list is met again, and written once. */
  readonly dirty: Map<CachedFile, Set<PageIndex>>
}

/**
 * Frees some frames for a group that is at its limit (`over`), or for the machine (`over` 0), on behalf of `wanted`. Done
 * if it freed one, or if the next call will find pages older.
 */
export function shrink(mm: Mm, over: GroupId, wanted: GroupId): Relief {
  const root = over === 0 ? ROOT : over
  mm.swapping?.sweep()
  if (mm.barren.get(root) === stamp(mm)) return waitOrFail(mm, root, wanted)
  const pass: Pass = {
    root,
    spare: 'min and low',
    priority: 0,
    freed: 0,
    aged: 0,
    underIo: [],
    later: false,
    left: new Map(),
    dirty: new Map(),
  }
  for (pass.spare of ['min and low', 'min'] as const)
    for (pass.priority = PRIORITY_START; pass.priority >= 0 && pass.freed === 0; pass.priority--)
      for (let turn = 0; turn < mm.groups.last && pass.freed < CLUSTER; turn++) {
        const group = nextGroup(mm)
        if (mm.groups.isWithin(group, root)) shrinkGroup(mm, group, pass)
      }
  for (const [file, indexes] of pass.dirty) writeOut(mm, file, indexes)
  mm.memory.reclaimed += pass.freed
  if (pass.freed > 0 || pass.aged > 0) return done
  // It comes to waiting: until they have landed nobody need look at them again.
  for (const frame of pass.underIo) mm.memory.takeOff(frame)
  if (!pass.later) mm.barren.set(root, stamp(mm))
  return waitOrFail(mm, root, wanted)
}

/** While it is the same, reclaim would find what it found (RC5). */
function stamp({ memory, swapping }: Mm): number {
  return 2 * (memory.changes + memory.ledger.changes) + (swapping?.hasRoom === true ? 1 : 0)
}

function waitOrFail(mm: Mm, root: GroupId, wanted: GroupId): Relief {
  const busy = inFlight(mm, root)
  return busy === 0 ? fail(errno.ENOMEM) : wait(mm.cache.boost(busy, wanted), 'memory')
}

/** Brings a group down towards its memory.high, as far as that needs no waiting. */
export function reclaimAboveHigh(mm: Mm, group: GroupId): void {
  for (let tries = 0; tries < 16 && mm.memory.ledger.aboveHigh(group) === group; tries++)
    if (shrink(mm, group, group).kind !== 'done') return
}

/** Groups take turns from one reclaim to the next, so that none pays for all. */
function nextGroup(mm: Mm): GroupId {
  mm.reclaimFrom = (mm.reclaimFrom % mm.groups.last) + 1
  return mm.reclaimFrom
}

/** Writes dirty pages that reclaim has met: from now on they are in flight, and taken when they have landed. */
function writeOut(mm: Mm, file: CachedFile, indexes: ReadonlySet<PageIndex>): void {
  mm.cache.writeOut(
    file,
    [...indexes].sort((a, b) => a - b),
  )
  for (const index of indexes) mm.memory.takeOff(mm.cache.find(file.id, index))
}

/** A page of `root`'s that is on its way, whose bio few wait for: the oldest of those; 0: none is on its way. */
function inFlight(mm: Mm, root: GroupId): Pfn {
  const { lru } = mm.memory.frames
  let best: Pfn = 0
  let fewest = Infinity
  let looks = BIOS_LOOKED_AT
  for (let group = root; group <= mm.groups.last; group++) {
    if (!mm.groups.isWithin(group, root)) continue
    let frame = lru.tail(mm.memory.lruList(group, 'in flight'))
    for (; frame !== END && looks > 0; frame = lru.prev[frame]!, looks--) {
      const waiters = mm.cache.waitersOf(frame)
      if (waiters < WAITERS_A_BIO) return frame
      if (waiters < fewest) [best, fewest] = [frame, waiters]
    }
  }
  return best
}

function shrinkGroup(mm: Mm, group: GroupId, pass: Pass): void {
  const { root, spare } = pass
  const { ledger } = mm.memory
  const usage = ledger.usage(group)
  const { min, low } = ledger.protection(group, root)
  const protectedPages = spare === 'min' ? min : Math.max(min, low)
  if (group !== root && usage <= protectedPages && protectedPages > 0) return
  if (spare === 'min' && low > 0 && usage <= low) ledger.events(group).low++
  const share = group === root ? 1 : Math.max(0, 1 - protectedPages / (usage + 1))
  const wanted = Math.max(1, Math.round(CLUSTER * share))
  shrinkList(mm, group, 'file', wanted, pass)
  if (mm.swapping?.hasRoom === true && pass.freed < wanted) shrinkList(mm, group, 'anon', wanted, pass)
}

/** Takes pages off the tail of the group's inactive list, after refilling it from the active one. */
function shrinkList(mm: Mm, group: GroupId, side: 'file' | 'anon', wanted: number, pass: Pass): void {
  const { memory } = mm
  const { lru } = memory.frames
  const inactive = memory.lruList(group, side === 'file' ? 'inactive file' : 'inactive anon')
  const active = memory.lruList(group, side === 'file' ? 'active file' : 'active anon')
  const goal = pass.freed + wanted
  const left = pass.left.get(inactive) ?? lru.size(inactive) + lru.size(active)
  let looks = Math.min(left, Math.max(wanted, (lru.size(inactive) + lru.size(active)) >> pass.priority))
  pass.left.set(inactive, left - looks)
  while (pass.freed < goal && looks-- > 0) {
    const isLow =
      lru.size(inactive) <= lru.size(active) * inactiveShare(lru.size(inactive) + lru.size(active))
    if ((isLow || pass.priority === 0) && lru.size(active) > 0) demote(mm, lru.tail(active))
    const frame = lru.tail(inactive)
    if (frame === END) break
    memory.ledger.stat(group).scan++
    if (consider(mm, frame, pass)) memory.ledger.stat(group).steal++
  }
}

/** inactive_is_low: the active list may be sqrt(10 * GiB) times as long; below 1 GiB the two are to be equal. */
function inactiveShare(pages: number): number {
  return pages < 262144 ? 1 : 1 / Math.sqrt((10 * pages) / 262144)
}

/** shrink_active_list: an active page that wasn't used lately becomes inactive. */
function demote(mm: Mm, frame: Pfn): void {
  mm.rmap.testAndClearYoung(frame)
  mm.memory.deactivate(frame)
}

/** shrink_folio_list, for one page. Says whether its frame is free now. */
function consider(mm: Mm, frame: Pfn, pass: Pass): boolean {
  const { memory, rmap, cache } = mm
  const { frames } = memory
  if (frames.has(frame, LOCKED | WRITEBACK)) {
    pass.underIo.push(frame)
    memory.rotate(frame)
    return false
  }
  if (frames.pins[frame] !== 0) {
    memory.rotate(frame)
    return false
  }
  if (rmap.isLocked(frame)) {
    memory.leaveLru(frame)
    frames.raise(frame, UNEVICTABLE)
    return false
  }
  if (isInUse(mm, frame)) {
    pass.aged++
    return false
  }
  if (frames.kind[frame] !== ANON && frames.has(frame, DIRTY)) {
    const file = cache.fileOf(frame)
    if (cache.mayWrite(file, frame)) {
      const indexes = pass.dirty.get(file) ?? new Set()
      indexes.add(frames.index[frame]!)
      pass.dirty.set(file, indexes)
    } else pass.later = true
    memory.rotate(frame)
    return false
  }
  if (!drop(mm, frame)) return false
  pass.freed++
  return true
}

/** Takes a page that needs no writing, or begins to swap it out. Whether its frame is free now. */
export function drop(mm: Mm, frame: Pfn): boolean {
  const { memory, rmap, cache, swapping } = mm
  const { frames } = memory
  if (frames.kind[frame] !== ANON) {
    rmap.unmapPage(frames.owner[frame]!, frames.index[frame]!, frame)
    cache.evict(frame)
    return true
  }
  if (frames.has(frame, LAZYFREE)) {
    rmap.unmapPage(frames.owner[frame]!, frames.index[frame]!, frame)
    return true
  }
  if (rmap.isAnonymous(frame) && swapping?.swapOut(frame) === 'on its way') memory.takeOff(frame)
  else memory.rotate(frame)
  return false
}

/** folio_check_references: used through an entry and used before keeps it; used once gives it another round. */
function isInUse(mm: Mm, frame: Pfn): boolean {
  const { memory, rmap } = mm
  const { frames } = memory
  const referenced = rmap.testAndClearYoung(frame)
  const before = frames.has(frame, REFERENCED)
  frames.clear(frame, REFERENCED)
  if (referenced === 0) return false
  if (before || referenced > 1) memory.activate(frame)
  else {
    frames.raise(frame, REFERENCED)
    memory.rotate(frame)
  }
  return true
}
