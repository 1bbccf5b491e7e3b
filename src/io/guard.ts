/**
 * io.protect of one disk: groups with a target get the latency that they ask for; all others together get what is left,
 * as one stream that is paced by a rate.
 *
 *     a protected bio ends -> in a window of 20 ms, so many met their target
 *     more than a twentieth missed it -> the rate falls            everybody else:  bio bio bio -> [rate] -> the disk
 *     none did, and somebody waits    -> the rate rises
 *
 * What misses its target on the disk alone is nobody's fault, and to hold others back for it only leaves the disk idle: after a
 * window that went wrong the others stand still for one, now and then. What is missed in that is left out of the count of
 * every other window.
 *
 *     paces --a window went wrong--> drains --nothing of the others is on its way--> looks --a window--> paces
 *
 * A rate alone would let many go at once after a moment in which none did, and a protected bio would stand behind all of them: so
 * as many may be on their way as keep the rate up, by how long one takes.
 *
 * The rate is in cost (cost.ts) a nanosecond, so it is the share of a device that the others may keep busy. It begins
 * with four fifths of what they had when the first window went wrong, and comes down fast until a window goes well; from
 * then on it moves by little steps around the point where targets are just met. Steps up in a row become larger: they lead past
 * where it fell last, so that says nothing any more; on a host there are moments in which everything is late. When no protected bio has been seen for
 * 100 ms nobody is held back.
 *
 * Invariants
 *   GU1  A protected bio is never held back here, nor is anybody while no target is set or no protected bio about.
 *   GU2  What isn't protected costs, in any time t, at most rate * (t + BURST), and one bio.
 *   GU6  No more of what isn't protected is on its way than keeps the rate up, and one.
 *   GU3  While something waits and nothing of its kind is on its way, `next` is when the first of it may go.
 *   GU4  The rate isn't below a hundredth of the most that the disk was seen to do, however late the protected are without others.
 *   GU5  The others stand still for a window at most once in PROBE_EVERY, and for WINDOW_MAX at the longest.
 */
import { type GroupId, type GroupTree, MS, type Ns, ROOT, SECOND } from '../base/index.ts'
import type { Bio } from './bio.ts'
import { costOf } from './cost.ts'
import { TAKEN } from './fair-queue.ts'
import type { Policy } from './policy.ts'

/** A window lasts so long, and until it has SAMPLES: on a host where everything stands still now and then, it has both. */
const WINDOW: Ns = 20 * MS
const SAMPLES = 48
/** After so long it has what it has, unless those are too few to say anything. */
const WINDOW_MAX: Ns = 200 * MS
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
/** After so many steps up in a row it rises faster: it is well above where it fell last. */
const ROW = 24
const RISE_FAST = 1.05
const FLOOR = 0.01
/** How often the disk is looked at alone; less often when it is always the same. */
const PROBE_EVERY: Ns = SECOND
const PROBE_SELDOM: Ns = 8 * SECOND
/** Two looks that differ by less are the same. */
const SAME = 0.01
/** Of a target that is missed more often than this on the disk alone, others are to blame for the rest all the same. */
const ALONE_MAX = 0.2

const MEDIAN_STEP = 0.02

export interface GuardReport {
  readonly target: Ns
  /** Of a device, what others may keep busy; Infinity: no limit. */
  readonly rate: number
}

export class Guard implements Policy {
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
  /** Steps up since it fell last. */
  private row = 0
  /** What the others are held back for. */
  private state: 'paces' | 'drains' | 'looks' = 'paces'
  private standUntil: Ns = 0
  /** Bios of the others that the disk is at work on. */
  private readonly others = new Set<Bio>()
  /** How long one of them takes, for each nanosecond of its cost; 0: none has ended yet. */
  private slowness = 0
  /** The share that misses its target on the disk alone; undefined: it hasn't been looked at. */
  private alone: number | undefined
  private probeAt: Ns = -Infinity
  private probeEvery = PROBE_EVERY

  constructor(tree: GroupTree) {
    this.tree = tree
  }

  target(group: GroupId): Ns {
    return this.targets.get(group) ?? 0
  }

  /** What groups have set. */
  settings(): Iterable<readonly [GroupId, Ns]> {
    return this.targets
  }

  /** 0: none. */
  setTarget(group: GroupId, target: Ns): void {
    if (target === 0) this.targets.delete(group)
    else this.targets.set(group, target)
    this.alone = undefined
    this.probeAt = -Infinity
    this.probeEvery = PROBE_EVERY
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

  beginRound(): void {
    this.next = Infinity
  }

  refusal(_bio: Bio, group: GroupId, now: Ns): GroupId | typeof TAKEN {
    return this.holds(group, now) ? group : TAKEN
  }

  /** Whether a bio of `group` must wait. */
  holds(group: GroupId, now: Ns): boolean {
    if (this.rate === Infinity || this.isProtected(group)) return false
    if (this.inFlight === 0 && now - this.lastProtected > QUIET) {
      this.release()
      return false
    }
    if (this.state !== 'paces') {
      if (now < this.standUntil) {
        this.next = Math.min(this.next, this.standUntil)
        return true
      }
      this.pace(now)
    }
    this.earn(now)
    const isFull = this.others.size >= this.atOnce
    if (!isFull && this.budget >= 0) return false
    this.waited = true
    // Who waits for the end of another is asked again then.
    if (!isFull) this.next = Math.min(this.next, now + Math.ceil(-this.budget / this.rate))
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
    this.others.add(bio)
    this.spent += cost
    if (this.rate === Infinity) return
    this.earn(now)
    this.budget -= cost
  }

  ended(bio: Bio, now: Ns): void {
    const target = this.targetOf(bio.group)
    if (this.others.delete(bio)) {
      this.took((now - bio.issuedAt) / costOf(bio))
      this.lookIfAlone(now)
    }
    if (target === 0) return
    this.inFlight = Math.max(0, this.inFlight - 1)
    if (bio.operation === 'flush') return
    this.lastProtected = now
    // What came while the others were still at work doesn't show what the disk does alone.
    if (this.state === 'drains' || (this.state === 'looks' && bio.queuedAt < this.windowStart)) return
    this.total++
    if (now - bio.queuedAt > target) this.missed++
    const time = now - this.windowStart
    if (time >= WINDOW && this.total >= (time < WINDOW_MAX ? SAMPLES : SAMPLES_MIN)) this.judge(now)
  }

  /** The median, by steps: what took very long in a moment of standstill moves it as little as anything else. */
  private took(time: number): void {
    if (this.slowness === 0) this.slowness = time
    else this.slowness *= time > this.slowness ? 1 + MEDIAN_STEP : 1 - MEDIAN_STEP
  }

  /** So many of the others on their way keep the rate up (Little's law). */
  private get atOnce(): number {
    return Math.max(1, Math.ceil(this.rate * this.slowness))
  }

  private judge(now: Ns): void {
    const time = now - this.windowStart
    const missed = this.missed / this.total
    if (this.state === 'looks') {
      this.note(missed, now)
      this.pace(now)
      return
    }
    this.most = Math.max(this.most, this.all / time)
    const blamed = missed - Math.min(ALONE_MAX, this.alone ?? 0)
    if (blamed > 1 / LATE_SHARE) {
      this.fall(this.spent / time, now)
      if (now >= this.probeAt) this.standStill(now)
    } else if (this.rate !== Infinity) {
      this.settled = true
      if (blamed <= 0 && this.waited) this.rate *= this.row++ < ROW ? RISE : RISE_FAST
    }
    this.beginWindow(now)
  }

  private fall(had: number, now: Ns): void {
    if (this.rate === Infinity) {
      this.rate = had
      this.budget = 0
      this.earnedAt = now
    }
    this.row = 0
    this.rate = Math.max(this.most * FLOOR, this.rate * (this.settled ? FALL : FALL_FIRST))
  }

  private standStill(now: Ns): void {
    this.state = 'drains'
    this.standUntil = now + WINDOW_MAX
    this.probeAt = now + this.probeEvery
    this.lookIfAlone(now)
  }

  private lookIfAlone(now: Ns): void {
    if (this.state !== 'drains' || this.others.size > 0) return
    this.state = 'looks'
    this.beginWindow(now)
  }

  /** So much was missed on the disk alone. */
  private note(missed: number, now: Ns): void {
    const isSame = this.alone !== undefined && Math.abs(missed - this.alone) < SAME
    this.probeEvery = isSame ? Math.min(PROBE_SELDOM, 2 * this.probeEvery) : PROBE_EVERY
    this.probeAt = now + this.probeEvery
    this.alone = this.alone === undefined ? missed : (this.alone + missed) / 2
  }

  private pace(now: Ns): void {
    this.state = 'paces'
    this.budget = Math.min(0, this.budget)
    this.earnedAt = now
    this.beginWindow(now)
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
    this.row = 0
    this.state = 'paces'
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
