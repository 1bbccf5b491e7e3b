/**
 * The recent past, as intervals: what was held, slept or in flight, kept for as long as a wait may still ask for it.
 *
 * Intervals are added at their end, so they are in order of end. `forget(before)` drops those that ended before the
 * oldest open wait began. When a wait stays open while a million intervals pass, the history thins itself: it
 * doubles the length an interval must have to be kept, and drops the shorter half. A short interval explains little of a long wait.
 *
 * Invariants
 *   HY1  At most INTERVALS_MAX intervals are kept.
 *   HY2  Intervals are in order of their end.
 */
export interface Interval {
  readonly start: number
  readonly end: number
}

const INTERVALS_MAX = 1 << 16
const FORGET_MIN = 1024

export class History<T extends Interval> {
  private intervals: T[] = []
  private shortest = 0
  private forgetAt = FORGET_MIN

  add(interval: T, oldestAsked: () => number): void {
    if (interval.end - interval.start < this.shortest) return
    this.intervals.push(interval)
    if (this.intervals.length < this.forgetAt) return
    const oldest = oldestAsked()
    this.intervals = this.intervals.filter(each => each.end >= oldest)
    if (this.intervals.length < INTERVALS_MAX / 2) this.shortest = 0
    while (this.intervals.length >= INTERVALS_MAX) {
      this.shortest = Math.max(1000, this.shortest * 2)
      this.intervals = this.intervals.filter(each => each.end - each.start >= this.shortest)
    }
    this.forgetAt = Math.min(INTERVALS_MAX, Math.max(FORGET_MIN, this.intervals.length * 2))
  }

  /** Those that overlap [start, end], latest first. */
  *overlapping(start: number, end: number): Generator<T> {
    for (let i = this.intervals.length - 1; i >= 0; i--) {
      const each = this.intervals[i]!
      if (each.end < start) return
      if (each.start < end) yield each
    }
  }
}

export const overlap = (a: Interval, start: number, end: number): number =>
  Math.min(a.end, end) - Math.max(a.start, start)
