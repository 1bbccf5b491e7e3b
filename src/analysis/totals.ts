/**
 * The totals of a trace: by lock, by holder, by cause, and the worst waits, in bounded memory.
 *
 * Invariants
 *   OT1  Each table keeps at most ROWS_MAX rows. When it is full the half with the least time is dropped, so what stays is
 *       what a reader looks for; a dropped row that comes back starts from zero.
 */
import type { Hold, Wait } from './locks.ts'

export interface LockTotals {
  readonly mm: string
  waits: number
  waitMs: number
  longestWaitMs: number
  holds: number
  readHeldMs: number
  writeHeldMs: number
  longestHoldMs: number
}

export interface HolderTotals {
  readonly tid: number
  comm: string
  holds: number
  heldMs: number
  longestMs: number
}

export interface WorstWait {
  readonly comm: string
  readonly tid: number
  readonly mm: string
  readonly write: boolean
  readonly startSec: number
  readonly waitMs: number
}

const ROWS_MAX = 4096
const WORST = 10

export class Totals {
  private readonly byMm = new Map<string, LockTotals>()
  private readonly byTid = new Map<number, HolderTotals>()
  private worst: WorstWait[] = []
  private leastWorst = 0

  waited(wait: Wait, comm: string): void {
    const waitMs = (wait.end - wait.start) / 1e6
    const row = this.lock(wait.mm)
    if (wait.success) row.waits++
    row.waitMs += waitMs
    if (waitMs > row.longestWaitMs) row.longestWaitMs = waitMs
    if (waitMs <= this.leastWorst) return
    const { tid, mm, write } = wait
    this.worst.push({ comm, tid, mm, write, startSec: wait.start / 1e9, waitMs })
    this.worst.sort((a, b) => b.waitMs - a.waitMs)
    this.worst = this.worst.slice(0, WORST)
    if (this.worst.length === WORST) this.leastWorst = this.worst.at(-1)!.waitMs
  }

  held(hold: Hold, comm: string): void {
    const heldMs = (hold.end - hold.start) / 1e6
    const writeMs = hold.write ? heldMs : hold.downgraded === -1 ? 0 : (hold.downgraded - hold.start) / 1e6
    const row = this.lock(hold.mm)
    row.holds++
    row.writeHeldMs += writeMs
    row.readHeldMs += heldMs - writeMs
    if (heldMs > row.longestHoldMs) row.longestHoldMs = heldMs
    let holder = this.byTid.get(hold.tid)
    if (holder === undefined) {
      if (this.byTid.size >= ROWS_MAX) dropHalf(this.byTid, each => each.heldMs)
      holder = { tid: hold.tid, comm, holds: 0, heldMs: 0, longestMs: 0 }
      this.byTid.set(hold.tid, holder)
    }
    holder.comm = comm
    holder.holds++
    holder.heldMs += heldMs
    if (heldMs > holder.longestMs) holder.longestMs = heldMs
  }

  locks(): LockTotals[] {
    return [...this.byMm.values()].sort((a, b) => b.waitMs - a.waitMs)
  }

  holders(): HolderTotals[] {
    return [...this.byTid.values()].sort((a, b) => b.heldMs - a.heldMs)
  }

  worstWaits(): readonly WorstWait[] {
    return this.worst
  }

  private lock(mm: string): LockTotals {
    let row = this.byMm.get(mm)
    if (row === undefined) {
      if (this.byMm.size >= ROWS_MAX) dropHalf(this.byMm, each => each.waitMs + each.writeHeldMs)
      row = {
        mm,
        waits: 0,
        waitMs: 0,
        longestWaitMs: 0,
        holds: 0,
        readHeldMs: 0,
        writeHeldMs: 0,
        longestHoldMs: 0,
      }
      this.byMm.set(mm, row)
    }
    return row
  }
}

function dropHalf<K, V>(rows: Map<K, V>, weight: (row: V) => number): void {
  const least = [...rows].sort((a, b) => weight(a[1]) - weight(b[1])).slice(0, rows.size / 2)
  for (const [key] of least) rows.delete(key)
}
