/**
 * io.protect of one disk: groups with a target get the latency that they ask for; all others together get what is left,
 * as one stream that is paced by a rate.
 *
 *     a protected bio ends -> in a window of 20 ms, so many met their target
 *     more than a twentieth missed it -> the rate falls            everybody else:  bio bio bio -> [rate] -> the disk
 *     none did, and somebody waits    -> the rate rises
 *
 * The rate is in cost (cost.ts) a nanosecond, so it is the share of a device that the others may keep busy. It begins
 * with four fifths of what they had when the first window went wrong, and comes down fast until a window goes well; from
 * then on it moves by little steps around the point where targets are just met. When no protected bio has been seen for
 * 100 ms nobody is held back.
 *
 * Invariants
 *   GU1  A protected bio is never held back here, nor is anybody while no target is set or no protected bio about.
 *   GU2  What isn't protected costs, in any time t, at most rate * (t + BURST), and one bio.
 *   GU3  While something waits, `next` is when the first of it may go.
 *   GU4  The rate isn't below a hundredth of the most that the disk was seen to do.
 */
import { type GroupId, type GroupTree, MS, type Ns, ROOT } from '../base/index.ts'
import type { Bio } from './bio.ts'
import { costOf } from './cost.ts'

const WINDOW: Ns = 20 * MS
/** Fewer samples say nothing: the window goes on. */
const SAMPLES_MIN = 8
/** One of so many may be late. */
const LATE_SHARE = 20
/** How long after the last protected bio everybody is free again. */
const QUIET: Ns = 100 * MS
/** What a stream that was idle may do at once: timers of the host are no finer. */
const BURST: Ns = MS
const FALL_FIRST = 0.8
const FALL = 0.95
const RISE = 1.01
const FLOOR = 0.01

export interface GuardReport {
  readonly target: Ns
  /** Of a device, what others may keep busy; Infinity: no limit. */
  readonly rate: number
}

export class Guard {
  /** When something that waits may go; Infinity while nothing does. */
  next: Ns = Infinity
  private readonly tree: GroupTree
  private readonly targets = new Map<GroupId, Ns>()
  private rate = Infinity
  /** What may be spent; below zero it must be earned first. */
  private budget: Ns = 0
  private earnedAt: Ns = 0
  /** Until the first window that goes well after one that went wrong, steps are large. */
  private settled = false
  private windowStart: Ns = 0
  private total = 0
  private missed = 0
  /** What the others had in this window, and whether any of them was held back. */
  private spent: Ns = 0
  private waited = false
  /** The most that was done in a window, protected or not, as a rate. */
  private most = 0
  private all: Ns = 0
  private inFlight = 0
  private lastProtected: Ns = -Infinity

  constructor(tree: GroupTree) {
    this.tree = tree
  }

  target(group: GroupId): Ns {
    return this.targets.get(group) ?? 0
  }

  /** 0: none. */
  setTarget(group: GroupId, target: Ns): void {
    if (target === 0) this.targets.delete(group)
    else this.targets.set(group, target)
    if (this.targets.size === 0) this.release()
  }

  /** The strictest target; Infinity: none. */
  get strictest(): Ns {
    let least = Infinity
    for (const target of this.targets.values()) least = Math.min(least, target)
    return least
  }

  report(group: GroupId): GuardReport {
    return { target: this.target(group), rate: this.rate }
  }

  isProtected(group: GroupId): boolean {
    return this.targetOf(group) !== 0
  }

  /** Whether a bio of `group` must wait. */
  holds(group: GroupId, now: Ns): boolean {
    if (this.rate === Infinity || this.isProtected(group)) return false
    if (this.inFlight === 0 && now - this.lastProtected > QUIET) {
      this.release()
      return false
    }
    this.earn(now)
    if (this.budget >= 0) return false
    this.waited = true
    this.next = Math.min(this.next, now + Math.ceil(-this.budget / this.rate))
    return true
  }

  started(bio: Bio, now: Ns): void {
    if (this.targets.size === 0) return
    const cost = costOf(bio)
    this.all += cost
    if (this.isProtected(bio.group)) {
      this.inFlight++
      this.lastProtected = now
      if (this.total === 0 && now - this.windowStart > QUIET) this.beginWindow(now)
      return
    }
    this.spent += cost
    if (this.rate === Infinity) return
    this.earn(now)
    this.budget -= cost
  }

  ended(bio: Bio, now: Ns): void {
    const target = this.targetOf(bio.group)
    if (target === 0 || bio.operation === 'flush') {
      if (target !== 0) this.inFlight = Math.max(0, this.inFlight - 1)
      return
    }
    this.inFlight = Math.max(0, this.inFlight - 1)
    this.lastProtected = now
    this.total++
    if (now - bio.queuedAt > target) this.missed++
    if (now - this.windowStart >= WINDOW && this.total >= SAMPLES_MIN) this.judge(now)
  }

  private judge(now: Ns): void {
    const time = now - this.windowStart
    this.most = Math.max(this.most, this.all / time)
    if (this.missed * LATE_SHARE > this.total) this.fall(this.spent / time, now)
    else if (this.rate !== Infinity) {
      this.settled = true
      if (this.missed === 0 && this.waited) this.rate *= RISE
    }
    this.beginWindow(now)
  }

  private fall(had: number, now: Ns): void {
    if (this.rate === Infinity) {
      this.rate = had
      this.budget = 0
      this.earnedAt = now
    }
    this.rate = Math.max(this.most * FLOOR, this.rate * (this.settled ? FALL : FALL_FIRST))
  }

  private beginWindow(now: Ns): void {
    this.windowStart = now
    this.total = 0
    this.missed = 0
    this.spent = 0
    this.all = 0
    this.waited = false
  }

  private release(): void {
    this.rate = Infinity
    this.settled = false
    this.next = Infinity
  }

  private earn(now: Ns): void {
    this.budget = Math.min(this.rate * BURST, this.budget + (now - this.earnedAt) * this.rate)
    this.earnedAt = now
  }

  private targetOf(group: GroupId): Ns {
    for (let id = group; id !== ROOT; id = this.tree.parent(id)) {
      const target = this.targets.get(id)
      if (target !== undefined) return target
    }
    return 0
  }
}
