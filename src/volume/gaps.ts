/**
 * Where no record lies, though thousands that are gone may: from one key to another. Who looks for the next record behind them
 * needn't pass over each of those.
 *
 *     [ a .. f ) [ m .. q )      in order; at most GAPS_MAX, the first is forgotten for another
 *
 * Invariants
 *   GP1 No record that shows lies in a gap.
 *   GP2 Gaps don't touch.
 */
import { after } from './sorted-map.ts'

const GAPS_MAX = 16

interface Gap {
  readonly start: string
  readonly end: string
}

export class Gaps {
  private gaps: Gap[] = []

  /** Nothing lies in [start, end). */
  add(start: string, end: string): void {
    const touching = this.gaps.filter(gap => gap.start <= end && gap.end >= start)
    for (const gap of touching) {
      if (gap.start < start) start = gap.start
      if (gap.end > end) end = gap.end
    }
    this.gaps = this.gaps.filter(gap => !touching.includes(gap))
    const place = this.gaps.findIndex(gap => gap.start > start)
    this.gaps.splice(place === -1 ? this.gaps.length : place, 0, { start, end })
    this.forgetSome()
  }

  /** Something lies at `key`, or may. */
  cut(key: string): void {
    // hot: most changes meet none
    for (let at = 0; at < this.gaps.length; at++) {
      const { start, end } = this.gaps[at]!
      if (key < start || key >= end) continue
      const parts = [
        { start, end: key },
        { start: after(key), end },
      ]
      this.gaps.splice(at, 1, ...parts.filter(part => part.start < part.end))
      this.forgetSome()
      return
    }
  }

  /** What lay at `key` is gone: gaps before and behind it are one. */
  join(key: string): void {
    for (let at = 0; at < this.gaps.length; at++) {
      const { start, end } = this.gaps[at]!
      if (end !== key) continue
      const next = this.gaps[at + 1]
      const joined = next !== undefined && next.start === after(key)
      this.gaps.splice(at, joined ? 2 : 1, { start, end: joined ? next.end : after(key) })
      return
    }
  }

  /** Where the gap that `key` lies in ends; `key` if it lies in none. */
  behind(key: string): string {
    for (let at = 0; at < this.gaps.length; at++) {
      const gap = this.gaps[at]!
      if (key >= gap.start && key < gap.end) return gap.end
    }
    return key
  }

  clear(): void {
    this.gaps.length = 0
  }

  private forgetSome(): void {
    while (this.gaps.length > GAPS_MAX) this.gaps.shift()
  }
}
