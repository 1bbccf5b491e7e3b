/**
 * Physical memory: hands frames out, charges them, keeps them on LRU lists, and takes them back.
 *
 * When none can be had, it asks `pressure` (reclaim, in mm/, hung here by the machine). Reclaim of clean pages needs no
 * waiting and happens inside the attempt that wants the frame; otherwise the answer is a ticket or ENOMEM, and the
 * attempt hands it on.
 *
 * Owns       frames, free list, LRU lists of each group
 * Leaves to  cache/ and mm/: what a frame holds and who maps it
 *
 * Invariants   F1 to F3 (frames.ts), B1 and B2 (ledger.ts)
 *   AM1  Each frame is free, or charged and owned, or a device's; the counts add up to all but the zero page.
 *   AM2  A frame is on the LRU list of the group that is charged for it, and of its own kind; one that reclaim has met on its
 *       way to or from a device, on the group's list of pages in flight.
 */
import { assert, broken, END, errno, type GroupId, type Pfn } from '../base/index.ts'
import { type Done, type Fail, fail, type Wait } from '../sched/index.ts'
import {
  ACTIVE,
  ANON,
  type CACHE,
  DETACHED,
  DEVICE,
  FREE,
  type Frames,
  IN_FLIGHT,
  LAZYFREE,
  LOCKED,
  ON_LRU,
  REFERENCED,
  UNEVICTABLE,
  WRITEBACK,
} from './frames.ts'
import type { Ledger } from './ledger.ts'

/** How a shortage ended: something was freed, a ticket says when to try again, or there is nothing to free. */
export type Relief = Done | Wait | Fail

/** How often one allocation reclaims before it gives up (MAX_RECLAIM_RETRIES, Linux mm/internal.h). */
const RECLAIM_RETRIES_MAX = 16

export type LruKind = 'inactive anon' | 'active anon' | 'inactive file' | 'active file' | 'in flight'
/** The place of each kind among the lists of a group. */
const LRU_PLACES: Readonly<Record<LruKind, number>> = {
  'inactive anon': 0,
  'active anon': 1,
  'inactive file': 2,
  'active file': 3,
  'in flight': 4,
}
const LRU_LISTS = 5

export class Memory {
  readonly frames: Frames
  readonly ledger: Ledger
  /** `over`: the group whose limit is reached, or 0 when the machine itself has no free frame. */
  readonly pressure: (over: GroupId, wanted: GroupId) => Relief = () => fail(errno.ENOMEM)
  private readonly freeList: number
  /** The last frames, which are a device's. */
  private dedicated = 0
  /** Rises with whatever may let reclaim find more than it did: a page that comes to a list, a pin or a frame that goes. */
  changes = 0
  /** Frames that reclaim has freed, ever: who waits for one sees by it whether that leads anywhere. */
  reclaimed = 0
  private readonly lruLists: number[] = []

  constructor(frames: Frames, ledger: Ledger) {
    this.frames = frames
    this.ledger = ledger
    this.freeList = frames.lru.create()
    for (let frame = frames.count - 1; frame >= 1; frame--) frames.lru.pushHead(this.freeList, frame)
  }

  get free(): number {
    return this.frames.lru.size(this.freeList)
  }

  get total(): number {
    return this.frames.count - 1 - this.dedicated
  }

  /** Lets so many frames in a row be a device's from now on, and says which is the first. They must be free yet. */
  dedicate(count: number): Pfn {
    const { frames } = this
    const end = frames.count - this.dedicated
    assert(count < end, 'AM1: frames are left beside those of devices')
    for (let frame = end - count; frame < end; frame++) {
      assert(frames.kind[frame] === FREE, `AM1: frame ${frame} is free before it is a device's`)
      frames.lru.remove(this.freeList, frame)
      frames.kind[frame] = DEVICE
    }
    this.dedicated += count
    return end - count
  }

  /** A frame charged to `group`, or why there is none now. Its content is whatever was there. */
  allocate(group: GroupId, kind: typeof ANON | typeof CACHE): Pfn | Wait | Fail {
    for (let tries = 0; ; tries++) {
      const frame = this.tryAllocate(group, kind)
      if (frame !== 0) return frame
      const over = this.ledger.wouldExceed(group)
      if (over !== 0) this.ledger.events(over).max++
      const relief = tries < RECLAIM_RETRIES_MAX ? this.pressure(over, group) : fail(errno.ENOMEM)
      if (relief.kind === 'fail') this.ledger.outOfMemory(group)
      if (relief.kind !== 'done') return relief
    }
  }

  /** A frame if one is free and the limits allow it, without reclaim; else 0. */
  tryAllocate(group: GroupId, kind: typeof ANON | typeof CACHE): Pfn {
    const { lru } = this.frames
    const frame = lru.head(this.freeList)
    if (frame === END || this.ledger.wouldExceed(group) !== 0) return 0
    lru.remove(this.freeList, frame)
    this.changes++
    this.ledger.charge(group)
    this.frames.kind[frame] = kind
    this.frames.group[frame] = group
    this.stat(frame, 1)
    return frame
  }

  /** Changes what a frame is used for, and so the LRU lists it belongs to. Its charge stays. */
  recast(frame: Pfn, kind: typeof ANON | typeof CACHE): void {
    this.leaveLru(frame)
    this.stat(frame, -1)
    this.frames.kind[frame] = kind
    this.stat(frame, 1)
    if (kind === ANON) this.enterLru(frame)
  }

  /** Takes back a frame that nobody pins or maps and that no bio carries; any other is detached and freed later. */
  release(frame: Pfn): void {
    const { frames } = this
    if (frames.kind[frame] === FREE) broken(`F1: frame ${frame} is freed once`)
    this.leaveLru(frame)
    frames.clear(frame, IN_FLIGHT)
    if (frames.kind[frame] !== DETACHED) this.stat(frame, -1)
    frames.kind[frame] = DETACHED
    this.freeIfUnused(frame)
  }

  /** A free frame that the next page would get; 0: none is free. */
  get nextFree(): Pfn {
    const frame = this.frames.lru.head(this.freeList)
    return frame === END ? 0 : frame
  }

  /**
   * What a frame holds goes into a free one: its bytes, what is known of it, its charge and its place on the LRU list. Who
   * knows it by its number is told by the caller (mm/migrate.ts).
   */
  move(from: Pfn, to: Pfn): void {
    const { frames } = this
    assert(frames.kind[to] === FREE, `F1: frame ${to} is free when a page moves into it`)
    assert(
      frames.pins[from] === 0 && !frames.has(from, LOCKED | WRITEBACK),
      `F2, F3: frame ${from} is nobody's when its page moves`,
    )
    frames.lru.remove(this.freeList, to)
    if (frames.has(from, ON_LRU)) frames.lru.replace(this.listOf(from), from, to)
    frames.copy(from, to)
    frames.empty(from)
    frames.lru.pushHead(this.freeList, from)
    this.changes++
  }

  pin(frame: Pfn): void {
    assert(frame !== 0, 'F3: the zero page needs no pin')
    this.frames.pins[frame]!++
  }

  unpin(frame: Pfn): void {
    if (this.frames.pins[frame] === 0) broken(`F3: frame ${frame} is unpinned as often as pinned`)
    this.frames.pins[frame]!--
    this.changes++
    this.freeIfUnused(frame)
  }

  /** Frees a detached frame once its last user has left. Called by whoever lets go of one. */
  freeIfUnused(frame: Pfn): void {
    const { frames } = this
    if (frames.kind[frame] !== DETACHED) return
    if (frames.pins[frame] !== 0 || frames.mapped[frame] !== 0 || frames.has(frame, LOCKED | WRITEBACK))
      return
    this.changes++
    this.ledger.uncharge(frames.group[frame]!)
    frames.empty(frame)
    frames.lru.pushHead(this.freeList, frame)
  }

  lruList(group: GroupId, kind: LruKind): number {
    return this.listAt(group, LRU_PLACES[kind])
  }

  /** Puts a frame at the head of the list that its kind and its flags name. */
  enterLru(frame: Pfn): void {
    const { frames } = this
    if (frames.has(frame, ON_LRU | UNEVICTABLE)) return
    this.changes++
    frames.raise(frame, ON_LRU)
    frames.lru.pushHead(this.listOf(frame), frame)
  }

  leaveLru(frame: Pfn): void {
    const { frames } = this
    if (!frames.has(frame, ON_LRU)) return
    frames.lru.remove(this.listOf(frame), frame)
    frames.clear(frame, ON_LRU)
  }

  activate(frame: Pfn): void {
    if (this.frames.has(frame, ACTIVE)) return
    this.leaveLru(frame)
    this.frames.raise(frame, ACTIVE)
    this.enterLru(frame)
    this.ledger.stat(this.frames.group[frame]!).activate++
  }

  deactivate(frame: Pfn): void {
    this.leaveLru(frame)
    this.frames.clear(frame, ACTIVE)
    this.enterLru(frame)
  }

  /** An anonymous page may be dropped from now on, or no more; what may be dropped lies with the pages of files (folio_mark_lazyfree). */
  mayDrop(frame: Pfn, may: 'yes' | 'no'): void {
    this.leaveLru(frame)
    this.frames.clear(frame, ACTIVE | REFERENCED)
    if (may === 'yes') this.frames.raise(frame, LAZYFREE)
    else this.frames.clear(frame, LAZYFREE)
    this.enterLru(frame)
  }

  /** Moves a page that is on its way to or from a device among those in flight. */
  takeOff(frame: Pfn): void {
    this.leaveLru(frame)
    this.frames.raise(frame, IN_FLIGHT)
    this.enterLru(frame)
  }

  /** It has come: back to where it belongs. One that reclaim had written is the next to be taken (folio_rotate_reclaimable). */
  land(frame: Pfn): void {
    const { frames } = this
    if (!frames.has(frame, IN_FLIGHT)) return
    const written = frames.has(frame, WRITEBACK)
    this.leaveLru(frame)
    frames.clear(frame, IN_FLIGHT)
    this.enterLru(frame)
    if (!written || !frames.has(frame, ON_LRU)) return
    frames.lru.remove(this.listOf(frame), frame)
    frames.lru.pushTail(this.listOf(frame), frame)
  }

  /** Back to the head of its list, for another round. */
  rotate(frame: Pfn): void {
    const { changes } = this
    this.leaveLru(frame)
    this.enterLru(frame)
    this.changes = changes
  }

  // hot: reclaim asks for each page that it looks at; a name put together here was half of its time
  private listOf(frame: Pfn): number {
    const { frames } = this
    if (frames.has(frame, IN_FLIGHT)) return this.listAt(frames.group[frame]!, LRU_PLACES['in flight'])
    const side = frames.kind[frame] === ANON && !frames.has(frame, LAZYFREE) ? 0 : 2
    return this.listAt(frames.group[frame]!, frames.has(frame, ACTIVE) ? side + 1 : side)
  }

  private listAt(group: GroupId, place: number): number {
    const at = group * LRU_LISTS + place
    while (this.lruLists.length <= at) this.lruLists.push(this.frames.lru.create())
    return this.lruLists[at]!
  }

  private stat(frame: Pfn, change: number): void {
    const stat = this.ledger.stat(this.frames.group[frame]!)
    if (this.frames.kind[frame] === ANON) stat.anon += change
    else stat.file += change
  }
}
