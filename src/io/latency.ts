/**
 * io.latency of one disk: a group with a target is protected by giving its siblings fewer requests at once.
 *
 *     a bio ends -> its latency counts in each level that has a target
 *     a window is over -> the target was missed -> the parent's cookie falls -> siblings that see it halve their depth
 *                      \-> it was met by who caused it -> the cookie rises -> they get 1/16 of the queue back
 *     depth is 1 and the cookie still falls -> `users` of the delay rises (delay.ts)
 *
 * A cookie is what a parent tells its children: they keep the last one they saw, and go up or down by the difference.
 * A target speaks to the siblings of its group only; depth is checked at each level from the bio's group up to the root,
 * without it.
 *
 * Invariants
 *   LA1  At each level below the root, no more than `depth` bios are in flight, but for those issued as root: for a
 *       sponsor, or flush, resize and zero.
 *   LA2  1 <= depth; a group that is nobody's victim (cookie at COOKIE) has no limit.
 *   LA3  COOKIE - 2 * nrRequests - 1 <= cookie <= COOKIE.
 *   LA4  A group whose target is at least as strict as the one missed isn't scaled down.
 *
 * Compare  Linux 6.12 block/blk-iolatency.c, whose names stand beside the steps. There a submitter sleeps until it has
 *          its slot and sees the cookie once a bio; here bios queue, and the cookie is seen whenever the group's first
 *          bio asks, or a long queue would never hear that it may go faster.
 */
import { type GroupId, type GroupTree, MS, type Ns, ROOT, SECOND } from '../base/index.ts'
import type { Bio } from './bio.ts'
import { addDelay, type Delay, delayDue, newDelay } from './delay.ts'
import { TAKEN } from './fair-queue.ts'
import { addSamples, averageOver, isMet, newWindow, recordSample, type Window } from './latency-window.ts'
import type { Policy, Queue } from './policy.ts'

/** DEFAULT_SCALE_COOKIE. */
export const COOKIE = 1_000_000
/** BLKIOLATENCY_MIN_WIN_SIZE and BLKIOLATENCY_MAX_WIN_SIZE. */
const WINDOW_MIN: Ns = 100 * MS
const WINDOW_MAX: Ns = SECOND
/** iolatency_set_min_lat_nsec: val << 4. */
const WINDOW_TARGETS = 16
/** BLKIOLATENCY_MIN_ADJUST_TIME. */
const ADJUST_EVERY: Ns = 500 * MS
/** BLKIOLATENCY_MIN_GOOD_SAMPLES. */
const GOOD_SAMPLES_MIN = 5
/** check_scale_change: a group with at most this share of its siblings' samples is left alone. */
const OWN_ENEMY_PERCENT = 5
/** blkiolatency_timer_fn: HZ, which the timer wheel rounds up to the next of its steps, and five seconds. */
const TIMER_EVERY: Ns = 1024 * MS
const VICTIM_IDLE: Ns = 5 * SECOND
const LONG_AGO: Ns = -3600 * SECOND

/** What a parent knows about its children (struct child_latency_info). */
interface Children {
  cookie: number
  /** The strictest target that was missed, and by whom; 0: none. */
  missed: Ns
  victim: GroupId
  changedAt: Ns
  samples: number
}

/** One group on this disk (struct iolatency_grp). */
interface Level {
  target: Ns
  depth: number
  inflight: number
  /** The parent's cookie when it was last seen. */
  cookie: number
  window: Ns
  windowStart: Ns
  /** This window, and all since the last decision. */
  readonly now: Window
  readonly since: Window
  samples: number
  average: Ns
  readonly children: Children
  readonly delay: Delay
}

export interface LatencyReport {
  readonly target: Ns
  /** Infinity: no limit. */
  readonly depth: number
  readonly inflight: number
  readonly window: Ns
  readonly missed: number
  readonly total: number
  readonly average: Ns
  readonly users: number
  readonly owed: Ns
}

export class Latency implements Policy {
  /** When `tick` is due; Infinity while nobody has a target, and from a tick to the next bio. */
  next: Ns = Infinity
  private readonly tree: GroupTree
  private readonly queue: Pick<Queue, 'nrRequests' | 'rotational'>
  private readonly levels = new Map<GroupId, Level>()
  /** How many groups have a target; without one nobody is limited. */
  private targets = 0

  constructor(tree: GroupTree, queue: Pick<Queue, 'nrRequests' | 'rotational'>) {
    this.tree = tree
    this.queue = queue
  }

  target(group: GroupId): Ns {
    return this.levels.get(group)?.target ?? 0
  }

  /** What groups have set. */
  settings(): Iterable<readonly [GroupId, Ns]> {
    return [...this.levels].flatMap(([group, { target }]) => (target > 0 ? [[group, target] as const] : []))
  }

  /** iolatency_set_limit. 0 is no target. */
  setTarget(group: GroupId, target: Ns, now: Ns): void {
    const level = this.level(group, now)
    if (level.target === target) return
    this.targets += Number(target > 0) - Number(level.target > 0)
    if (target === 0) level.delay.users = 0
    level.target = target
    level.window = Math.min(Math.max(target * WINDOW_TARGETS, WINDOW_MIN), WINDOW_MAX)
    if (group === ROOT) return
    const children = this.level(this.tree.parent(group), now).children
    children.cookie = COOKIE
    children.changedAt = LONG_AGO
    children.victim = 0
    children.missed = 0
  }

  refusal({ operation }: Bio, group: GroupId, now: Ns): GroupId | typeof TAKEN {
    return operation === 'read' || operation === 'write' ? this.fullLevel(group, now) : TAKEN
  }

  /** The lowest level that has no slot for a bio of `group`, or 0. Each level looks at its parent's cookie first. */
  fullLevel(group: GroupId, now: Ns): GroupId {
    if (this.targets === 0) return 0
    if (this.next === Infinity) this.next = now + TIMER_EVERY
    let lowest = 0
    for (let id = group; id !== ROOT; id = this.tree.parent(id)) {
      const level = this.level(id, now)
      const { children } = this.level(this.tree.parent(id), now)
      this.seeCookie(level, children)
      if (lowest === 0 && level.inflight >= level.depth) lowest = id
    }
    return lowest
  }

  /** It takes a slot at each level of its own group, whoever's leave it goes by. */
  started(bio: Bio, now: Ns): void {
    for (let id = bio.group; id !== ROOT; id = this.tree.parent(id)) this.level(id, now).inflight++
  }

  /** blkcg_iolatency_done_bio. */
  ended(bio: Bio, now: Ns): void {
    for (let id = bio.group; id !== ROOT; id = this.tree.parent(id)) {
      const level = this.level(id, now)
      level.inflight--
      if (level.target === 0) continue
      this.record(level, bio, now)
      if (now - level.windowStart < level.window || now <= level.windowStart) continue
      level.windowStart = now
      this.judge(id, level, now)
    }
  }

  /** blkiolatency_timer_fn: who was scaled down for a victim that went idle recovers. */
  tick(now: Ns): void {
    if (now < this.next) return
    this.next = Infinity
    for (const { children } of this.levels.values()) {
      if (children.cookie >= COOKIE || children.changedAt >= now) continue
      if (children.victim === 0) this.changeCookie(children, 'up')
      else if (now - children.changedAt >= VICTIM_IDLE) children.victim = 0
    }
  }

  /** What a task of `group` sleeps on its way out: the most that any level owes. */
  delayOf(group: GroupId, now: Ns): Ns {
    let most: Ns = 0
    for (let id = group; id !== ROOT; id = this.tree.parent(id)) {
      const level = this.levels.get(id)
      if (level === undefined) continue
      const due = delayDue(level.delay, now)
      if (this.isHeld(id)) most = Math.max(most, due)
    }
    return most
  }

  /** blk_cgroup_congested: whether any level is below the smallest depth. */
  congested(group: GroupId): boolean {
    for (let id = group; id !== ROOT; id = this.tree.parent(id))
      if (this.isHeld(id) && this.levels.get(id)!.delay.users > 0) return true
    return false
  }

  /**
   * Whether a level is held back for a sibling now. One that was, and whose siblings' targets have gone, has its depth
   * and its delay still, until its next bio sees the cookie; without targets no bio looks.
   */
  private isHeld(group: GroupId): boolean {
    return this.targets > 0 && this.levels.has(group) && this.cookieOf(this.tree.parent(group)) < COOKIE
  }

  report(group: GroupId, now: Ns): LatencyReport {
    const level = this.level(group, now)
    return {
      target: level.target,
      depth: level.depth,
      inflight: level.inflight,
      window: level.window,
      missed: level.now.missed,
      total: level.now.total,
      average: level.average,
      users: level.delay.users,
      owed: level.delay.owed,
    }
  }

  /** What the children of `group` are told now. */
  cookieOf(group: GroupId): number {
    return this.levels.get(group)?.children.cookie ?? COOKIE
  }

  /** check_scale_change. */
  private seeCookie(level: Level, children: Children): void {
    if (children.cookie === level.cookie) return
    const way = children.cookie < level.cookie ? 'down' : 'up'
    level.cookie = children.cookie
    if (way === 'down' && level.target > 0) {
      if (children.missed === 0 || level.target <= children.missed) return
      const few = Math.max(1, Math.floor((children.samples * OWN_ENEMY_PERCENT) / 100))
      if (level.samples <= few) return
    }
    if (way === 'down' && level.depth === 1) {
      level.delay.users++
      return
    }
    if (children.cookie === COOKIE) {
      level.delay.users = 0
      level.depth = Infinity
      return
    }
    this.changeDepth(level, way)
  }

  /** scale_change. */
  private changeDepth(level: Level, way: 'up' | 'down'): void {
    const whole = this.queue.nrRequests
    const depth = Math.min(level.depth, whole)
    if (way === 'down') {
      level.depth = Math.max(Math.floor(depth / 2), 1)
      return
    }
    if (depth === 1 && level.delay.users > 0) {
      level.delay.users--
      return
    }
    if (depth < whole) level.depth = Math.min(depth + this.step(way), whole)
  }

  /** scale_cookie_change. */
  private changeCookie(children: Children, way: 'up' | 'down'): void {
    const whole = this.queue.nrRequests
    const below = COOKIE - children.cookie
    if (way === 'up') {
      if (children.cookie + this.step(way) > COOKIE) children.cookie = COOKIE
      else children.cookie += below > whole ? 1 : this.step(way)
      return
    }
    if (below <= whole) children.cookie -= this.step(way)
    else if (below < 2 * whole) children.cookie--
  }

  /** scale_amount. */
  private step(way: 'up' | 'down'): number {
    return Math.max(Math.floor(this.queue.nrRequests / (way === 'up' ? 16 : 4)), 1)
  }

  /** iolatency_record_time. */
  private record(level: Level, bio: Bio, now: Ns): void {
    const latency = now - bio.queuedAt
    if (latency <= 0) return
    if (bio.issuer !== bio.group && level.depth !== Infinity) {
      if (latency < level.target) addDelay(level.delay, level.target - latency, now)
      return
    }
    recordSample(level.now, latency, level.target)
  }

  /** iolatency_check_latencies: a window is over. */
  private judge(id: GroupId, level: Level, now: Ns): void {
    const { children } = this.level(this.tree.parent(id), now)
    const met = isMet(level.now, level.target, this.queue.rotational)
    level.average = averageOver(level.average, level.now, level.window)
    const window = { ...level.now }
    Object.assign(level.now, newWindow())
    if (met && children.cookie === COOKIE) return

    addSamples(level.since, window)
    children.samples += level.since.total - level.samples
    level.samples = level.since.total
    if (now - children.changedAt < ADJUST_EVERY) return

    if (met && isMet(level.since, level.target, this.queue.rotational)) {
      if (level.since.total < GOOD_SAMPLES_MIN) return
      if (children.victim === id) {
        children.changedAt = now
        this.changeCookie(children, 'up')
      }
    } else if (children.missed === 0 || children.missed >= level.target) {
      children.changedAt = now
      if (children.victim === 0 || children.missed > level.target) {
        children.missed = level.target
        children.victim = id
      }
      this.changeCookie(children, 'down')
    }
    Object.assign(level.since, newWindow())
  }

  private level(group: GroupId, now: Ns): Level {
    const known = this.levels.get(group)
    if (known !== undefined) return known
    const level: Level = {
      target: 0,
      depth: Infinity,
      inflight: 0,
      cookie: group === ROOT ? COOKIE : this.cookieOf(this.tree.parent(group)),
      window: WINDOW_MIN,
      windowStart: now,
      now: newWindow(),
      since: newWindow(),
      samples: 0,
      average: 0,
      children: { cookie: COOKIE, missed: 0, victim: 0, changedAt: LONG_AGO, samples: 0 },
      delay: newDelay(),
    }
    this.levels.set(group, level)
    return level
  }
}
