/**
 * io.max of one disk: bytes and I/Os a second, for reads and for writes, at every level of the hierarchy.
 *
 * A level earns its rate in slices of 100 ms, the one that has begun counting whole. A bio goes when every level from
 * its group to the root has earned it; until then it waits here, by groups in turn, and its submitter doesn't.
 *
 *     slice:  start ----- earned: rate * (now - start, rounded up to a slice) + carried ----- end
 *             trimmed when a bio goes: whole slices that passed are taken off both sides, what wasn't used is lost
 *
 * A bio that goes by a sponsor's leave is paid for by the sponsor: nobody is put into debt by what others want of him.
 *
 * Invariants
 *   IT1  What a level pays for is, in any time t, at most its rate * (t + 2 slices), and one bio if bios are larger than
 *       that; however often its limits are set meanwhile.
 *   IT2  What waits at a level goes in turn: a bio that a level refused goes through it before any that came behind it.
 *   IT3  While a bio waits, `next` is the time at which the first of them may go.
 *
 * Compare  Linux 6.12 block/blk-throttle.c: tg_may_dispatch, throtl_trim_slice, tg_dispatch_in_debt. There a bio climbs
 *          from queue to queue and is charged a level at a time; here all levels are asked at once and charged together.
 *          There a bio that others wait for goes at once, as a debt of its own group; here it goes at their expense.
          There a limit that is set again drops fractions of what was earned; here nothing earned is lost.
 */
import type { Bytes, GroupId, GroupTree, Ns } from '../base/index.ts'
import { MS, SECOND } from '../base/index.ts'
import type { Bio } from './bio.ts'
import { FairQueue, TAKEN } from './fair-queue.ts'

/** DFL_THROTL_SLICE: HZ / 10. */
const SLICE: Ns = 100 * MS
/** throtl_bio_data_size: what a discard counts for. */
const DISCARD_BYTES: Bytes = 512

/** A second's worth; Infinity is `max`. */
export interface IoMax {
  readonly rbps: number
  readonly wbps: number
  readonly riops: number
  readonly wiops: number
}

export const NO_LIMIT: IoMax = { rbps: Infinity, wbps: Infinity, riops: Infinity, wiops: Infinity }

/** One limited quantity: what it may be a second, and what has gone since the slice began. */
interface Budget {
  rate: number
  used: number
  /** Earned before the slice, and kept; below zero it is a debt. */
  carried: number
}

interface Slice {
  start: Ns
  end: Ns
  readonly bytes: Budget
  readonly ios: Budget
  /** Bios that wait here, on this level's account or a lower one's. */
  waiting: number
}

interface Level {
  max: IoMax
  readonly read: Slice
  readonly write: Slice
}

type Direction = 'read' | 'write'

export class Throttle {
  /** When the first of the waiting may go; Infinity while none waits. */
  next: Ns = Infinity
  private readonly tree: GroupTree
  private readonly levels = new Map<GroupId, Level>()
  private readonly waiting: { readonly read: FairQueue; readonly write: FairQueue }

  constructor(tree: GroupTree) {
    this.tree = tree
    this.waiting = { read: new FairQueue(tree, 'throttled'), write: new FairQueue(tree, 'throttled') }
  }

  limit(group: GroupId): IoMax {
    return this.levels.get(group)?.max ?? NO_LIMIT
  }

  /** What groups have set. */
  settings(): Iterable<readonly [GroupId, IoMax]> {
    return [...this.levels].map(([group, { max }]) => [group, max] as const)
  }

  /** Sets a group's limits. What waits keeps what it has earned; `serve` must follow. */
  setLimit(group: GroupId, max: IoMax, now: Ns): void {
    const level = this.level(group)
    level.max = max
    for (const [slice, bytes, ios] of [
      [level.read, max.rbps, max.riops],
      [level.write, max.wbps, max.wiops],
    ] as const)
      if (slice.bytes.rate !== bytes || slice.ios.rate !== ios) changeRate(slice, { bytes, ios }, now)
  }

  /** Whether any level has a limit that this bio must pass. */
  limits(bio: Bio): boolean {
    for (let id = bio.group; id !== 0; id = this.tree.parent(id)) {
      const level = this.levels.get(id)
      if (level !== undefined && isLimited(level[direction(bio)])) return true
    }
    return false
  }

  /** Lets the bio wait on account of `group`: its own, or a sponsor's. `serve` must follow. */
  push(bio: Bio, group: GroupId, now: Ns): void {
    for (const slice of this.path(group, bio)) {
      if (slice.waiting === 0 && now > slice.end) beginSlice(slice, now)
      slice.waiting++
    }
    this.waiting[direction(bio)].push(bio, group)
  }

  /** Who waits here, in no order. */
  bios(): readonly Bio[] {
    return [...this.waiting.read.bios(), ...this.waiting.write.bios()]
  }

  /** Hands every bio that may go now to `pass`, which must change its state. */
  serve(now: Ns, pass: (bio: Bio, issuer: GroupId) => void): void {
    this.next = Infinity
    for (const queue of [this.waiting.read, this.waiting.write]) {
      if (queue.empty) continue
      queue.serve((bio, group) => {
        const refusal = this.refusal(bio, group, now)
        if (refusal !== 0) return refusal
        this.charge(bio, group, now)
        pass(bio, group)
        return TAKEN
      })
    }
  }

  /** The lowest level that can't let it go yet, or 0. Notes in `next` when all could. */
  private refusal(bio: Bio, group: GroupId, now: Ns): GroupId {
    let lowest = 0
    let longest: Ns = 0
    for (let id = group; id !== 0; id = this.tree.parent(id)) {
      const slice = this.levels.get(id)![direction(bio)]
      const wait = waitFor(slice, bytesOf(bio), now)
      if (wait > 0 && lowest === 0) lowest = id
      longest = Math.max(longest, wait)
    }
    if (lowest !== 0) this.next = Math.min(this.next, now + longest)
    return lowest
  }

  private charge(bio: Bio, issuer: GroupId, now: Ns): void {
    for (const slice of this.path(issuer, bio)) {
      slice.bytes.used += bytesOf(bio)
      slice.ios.used += 1
      trim(slice, now)
    }
    for (const waiting of [bio.group, ...bio.sponsors])
      for (const slice of this.path(waiting, bio)) slice.waiting--
  }

  private *path(group: GroupId, bio: Bio): Generator<Slice> {
    for (let id = group; id !== 0; id = this.tree.parent(id)) yield this.level(id)[direction(bio)]
  }

  private level(group: GroupId): Level {
    let level = this.levels.get(group)
    if (level === undefined) {
      level = { max: NO_LIMIT, read: newSlice(), write: newSlice() }
      this.levels.set(group, level)
    }
    return level
  }
}

function direction(bio: Bio): Direction {
  return bio.operation === 'read' ? 'read' : 'write'
}

function bytesOf({ operation, length }: Bio): Bytes {
  if (operation === 'zero') return DISCARD_BYTES
  return operation === 'read' || operation === 'write' ? length : 0
}

function newSlice(): Slice {
  const budget = (): Budget => ({ rate: Infinity, used: 0, carried: 0 })
  return { start: 0, end: 0, bytes: budget(), ios: budget(), waiting: 0 }
}

function isLimited(slice: Slice): boolean {
  return slice.bytes.rate !== Infinity || slice.ios.rate !== Infinity
}

function earned({ rate }: Budget, time: Ns): number {
  return Math.floor((rate * time) / SECOND)
}

/** How long until the level has earned one I/O of `bytes`; 0: it has. */
function waitFor(slice: Slice, bytes: Bytes, now: Ns): Ns {
  if (!isLimited(slice)) return 0
  slice.end = Math.max(slice.end, now + SLICE)
  const wait = Math.max(bytesWait(slice, bytes, now), iosWait(slice, now))
  slice.end = Math.max(slice.end, now + wait)
  return wait
}

/** tg_within_bps_limit. */
function bytesWait({ start, bytes: budget }: Slice, bytes: Bytes, now: Ns): Ns {
  if (budget.rate === Infinity) return 0
  const elapsed = now - start
  const rounded = Math.max(1, Math.ceil(elapsed / SLICE)) * SLICE
  const allowed = earned(budget, rounded) + budget.carried
  if (allowed > 0 && budget.used + bytes <= allowed) return 0
  const missing = budget.used + bytes - allowed
  return Math.max(1, Math.ceil((missing * SECOND) / budget.rate)) + rounded - elapsed
}

/** tg_within_iops_limit. */
function iosWait({ start, ios: budget }: Slice, now: Ns): Ns {
  if (budget.rate === Infinity) return 0
  const elapsed = now - start
  const rounded = (Math.floor(elapsed / SLICE) + 1) * SLICE
  const allowed = earned(budget, rounded) + budget.carried
  if (allowed > 0 && budget.used + 1 <= allowed) return 0
  return Math.max(rounded - elapsed, Math.ceil(SECOND / budget.rate) + 1)
}

/** throtl_trim_slice. */
function trim(slice: Slice, now: Ns): void {
  slice.end = now + SLICE
  const passed = Math.floor((now - slice.start) / SLICE) * SLICE
  if (passed === 0) return
  for (const budget of [slice.bytes, slice.ios]) restart(budget, Math.min(0, balance(budget, passed)))
  slice.start += passed
}

/** throtl_start_new_slice, except that a debt outlives it. */
function beginSlice(slice: Slice, now: Ns): void {
  for (const budget of [slice.bytes, slice.ios])
    restart(budget, Math.min(0, balance(budget, now - slice.start)))
  slice.start = now
  slice.end = now + SLICE
}

/** tg_update_carryover: a changed rate counts from now. */
function changeRate(slice: Slice, { bytes, ios }: { bytes: number; ios: number }, now: Ns): void {
  for (const [budget, rate] of [
    [slice.bytes, bytes],
    [slice.ios, ios],
  ] as const) {
    const left = balance(budget, now - slice.start)
    restart(budget, slice.waiting > 0 ? left : Math.min(0, left))
    budget.rate = rate
  }
  slice.start = now
  slice.end = now + SLICE
}

/** What would be left of the budget after `time` of the slice, to the fraction. */
function balance(budget: Budget, time: Ns): number {
  return budget.rate === Infinity ? 0 : budget.carried + (budget.rate * time) / SECOND - budget.used
}

function restart(budget: Budget, carried: number): void {
  budget.used = 0
  budget.carried = carried
}
