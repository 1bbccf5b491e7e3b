/**
 * How many requests keep a disk busy: fewer, and it stands idle; more only queue inside it, where nobody can put them in
 * another order.
 *
 *     limit: 256 -> 192 -> 144 -> ... -> 4 -> 3: less was done -> 4, for a second -> 5: no more was done -> 4
 *
 * It is found by trying, a window at a time, as long as more wants to go than may: down by a quarter while as much is
 * done as before, and now and then up, in case the disk has become quicker.
 *
 * Invariants
 *   QD1 1 <= limit <= the number that the disk is said to take.
 *   QD2 A step down that cost throughput is taken back in the next window.
 */
import { MS, type Ns, SECOND } from '../base/index.ts'

const WINDOW: Ns = 40 * MS
/** Fewer ends say nothing: the window goes on. */
const ENDS_MIN = 32
const DOWN = 0.75
const UP = 1.34
/** As much as before: so much of it. */
const SAME = 0.96
/** More than before. */
const MORE = 1.04
const REST: Ns = SECOND

export class Depth {
  limit: number
  private readonly most: number
  /** The limit that is known to be enough, and what was done with it, in cost a nanosecond. */
  private good: number
  private rate = 0
  private trying: 'less' | 'more' | 'nothing' = 'nothing'
  /** What is tried next, and when. */
  private next: 'less' | 'more' = 'less'
  private restsUntil: Ns = 0
  private windowStart: Ns = 0
  private done: Ns = 0
  private ends = 0
  /** The most that was on its way at once in this window. */
  private peak = 0

  constructor(most: number) {
    this.most = most
    this.limit = most
    this.good = most
  }

  /** So many are on their way now. */
  started(issued: number): void {
    this.peak = Math.max(this.peak, issued)
  }

  ended(cost: Ns, now: Ns): void {
    this.done += cost
    this.ends++
    const time = now - this.windowStart
    if (time < WINDOW || this.ends < ENDS_MIN) return
    if (time < 4 * WINDOW) this.judge(this.done / time, now)
    this.windowStart = now
    this.done = 0
    this.ends = 0
    this.peak = 0
  }

  private judge(rate: number, now: Ns): void {
    const { trying } = this
    if (trying === 'nothing') {
      this.rate = this.rate === 0 ? rate : (3 * this.rate + rate) / 4
      this.good = Math.max(1, Math.min(this.limit, this.peak))
      if (now >= this.restsUntil) this.try(this.next)
      return
    }
    const well = trying === 'less' ? rate >= SAME * this.rate : rate > MORE * this.rate
    if (well) {
      this.good = this.limit
      this.rate = rate
      this.try(trying)
      return
    }
    this.limit = this.good
    this.trying = 'nothing'
    this.next = trying === 'less' ? 'more' : 'less'
    this.restsUntil = now + REST
  }

  private try(what: 'less' | 'more'): void {
    const limit =
      what === 'less'
        ? Math.max(1, Math.floor(this.good * DOWN))
        : Math.min(this.most, Math.ceil(this.good * UP))
    this.trying = limit === this.good ? 'nothing' : what
    if (limit === this.good) this.next = what === 'less' ? 'more' : 'less'
    this.limit = limit
  }
}
