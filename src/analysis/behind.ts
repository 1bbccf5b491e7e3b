/**
 * Inversions by who made them: a holder that kept seven tasks waiting is one story, not seven.
 *
 * Together belong the inversions whose waiters wait right behind the same task, and that overlap in time.
 */

import type { Inversion } from './inversion.ts'
import type { Cause } from './link.ts'

export interface Behind {
  /** The task right behind each of the waiters: a holder, or a writer queued before them. */
  readonly comm: string
  readonly tid: number
  readonly startSec: number
  /** Null while one of them still waits. */
  readonly endSec: number | null
  /** Places in `inversions` followed by `openWaits`, the longest wait first. */
  readonly waits: readonly number[]
  readonly waitMs: number
  readonly longestMs: number
  /** Of the longest wait. */
  readonly cause: Cause
}

export function behindOf(inversions: readonly Inversion[]): Behind[] {
  const open: { tid: number; startSec: number; endSec: number; waits: number[] }[] = []
  inversions.forEach(({ chain, startSec, endSec }, at) => {
    const tid = chain[1]?.tid
    if (tid === undefined) return
    const end = endSec ?? Number.POSITIVE_INFINITY
    const group = open.find(each => each.tid === tid && each.startSec <= end && startSec <= each.endSec)
    if (group === undefined) open.push({ tid, startSec, endSec: end, waits: [at] })
    else {
      group.waits.push(at)
      group.startSec = Math.min(group.startSec, startSec)
      group.endSec = Math.max(group.endSec, end)
    }
  })
  return open
    .map(({ tid, startSec, endSec, waits }) => {
      waits.sort((a, b) => inversions[b]!.waitMs - inversions[a]!.waitMs)
      const worst = inversions[waits[0]!]!
      return {
        comm: worst.chain[1]!.comm,
        tid,
        startSec,
        endSec: Number.isFinite(endSec) ? endSec : null,
        waits,
        waitMs: waits.reduce((sum, each) => sum + inversions[each]!.waitMs, 0),
        longestMs: worst.waitMs,
        cause: worst.cause,
      }
    })
    .sort((a, b) => b.waitMs - a.waitMs)
}
