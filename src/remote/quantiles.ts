/**
 * A running quantile of durations, in a fixed piece of memory: buckets that grow by a sixteenth, older samples fading.
 *
 * The answer is the upper end of the bucket that holds the quantile, so it is right within a sixteenth. After FADE samples
 * everything counts half: the last thousand or so decide, as a host's latency changes over minutes and not over days.
 */
const GROWTH = Math.log(17 / 16)
const BUCKETS = 256
/** Bucket 0 ends here, in milliseconds; the last ends after 4 hours. */
const LEAST = 0.05
const FADE = 1024
/** Below so many nothing is said. */
const ENOUGH = 5

export class Quantiles {
  private readonly counts = new Float64Array(BUCKETS)
  private total = 0
  private since = 0

  add(ms: number): void {
    const at = ms <= LEAST ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(ms / LEAST) / GROWTH))
    this.counts[at]! += 1
    this.total++
    if (++this.since === FADE) this.fade()
  }

  /** Milliseconds; undefined while too few are known: of a tail one must be in it. */
  at(share: number): number | undefined {
    if (this.total < Math.max(ENOUGH, 1 / (1 - share))) return undefined
    let left = share * this.total
    for (let at = 0; at < BUCKETS; at++) {
      left -= this.counts[at]!
      if (left <= 0) return LEAST * Math.exp(at * GROWTH)
    }
    return LEAST * Math.exp((BUCKETS - 1) * GROWTH)
  }

  private fade(): void {
    this.since = 0
    this.total = 0
    for (let at = 0; at < BUCKETS; at++) {
      this.counts[at]! /= 2
      this.total += this.counts[at]!
    }
  }
}
