/**
 * The samples of a window of io.latency, and whether they met a target.
 *
 * On a disk that doesn't rotate, a window is bad when a tenth of its I/O took as long as the target or longer; on one
 * that does, when the mean did.
 *
 * Compare  Linux 6.12 block/blk-iolatency.c: latency_sum_ok, latency_stat_record_time, iolat_update_total_lat_avg.
 */
import { MS, type Ns } from '../base/index.ts'

/** FIXED_1 of include/linux/sched/loadavg.h, and iolatency_exp_factors: a minute's memory, by the length of the window. */
const FIXED_1 = 2048
const DECAY_FACTORS = [2045, 2039, 2031, 2023, 2014] as const
/** BLKIOLATENCY_EXP_BUCKET_SIZE: the longest window over the number of factors less one. */
const DECAY_BUCKET: Ns = 250 * MS
/** latency_sum_ok: the tenth that may be late. */
const LATE_SHARE = 10

export interface Window {
  total: number
  missed: number
  sum: Ns
}

export function newWindow(): Window {
  return { total: 0, missed: 0, sum: 0 }
}

export function recordSample(window: Window, latency: Ns, target: Ns): void {
  window.total++
  window.sum += latency
  if (latency >= target) window.missed++
}

/**
 * Adds a window to those before it. The sum stays behind, as it does in the kernel: blk_rq_stat_sum adds the `batch` of
 * what is added, which is set for samples and not for sums. So the mean of several windows is 0, always met, and on a
 * rotating disk only the last window counts.
 */
export function addSamples(to: Window, from: Window): void {
  to.total += from.total
  to.missed += from.missed
}

export function isMet(window: Window, target: Ns, rotational: boolean): boolean {
  if (rotational) return mean(window) <= target
  return window.missed < Math.max(Math.floor(window.total / LATE_SHARE), 1)
}

/** calc_load: the average over about a minute, rounded the kernel's way. */
export function averageOver(average: Ns, window: Window, length: Ns): Ns {
  const bucket = Math.min(DECAY_FACTORS.length - 1, Math.floor(length / DECAY_BUCKET))
  const factor = DECAY_FACTORS[bucket]!
  const active = mean(window)
  const roundUp = active >= average ? FIXED_1 - 1 : 0
  return Math.floor((average * factor + active * (FIXED_1 - factor) + roundUp) / FIXED_1)
}

function mean({ total, sum }: Window): Ns {
  return total === 0 ? 0 : Math.floor(sum / total)
}
