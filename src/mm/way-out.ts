/**
 * What a task pays when it is done with the memory it asked for, with no lock held: the delay of io.latency, and the
 * penalty for memory above memory.high (Linux: resume_user_mode_work, on the way back to user space).
 *
 * Invariants
 *   WO1 A task pays without locks, once for each fault or call.
 */
import { type GroupId, MS, type Ns, SECOND } from '../base/index.ts'
import { releaseAll, type Task, type Wait, wait } from '../sched/index.ts'
import type { Mm } from './mm.ts'
import { reclaimAboveHigh } from './reclaim.ts'

/** MEMCG_MAX_HIGH_DELAY_JIFFIES, and the penalty below which nobody sleeps (Linux 6.12 mm/memcontrol.c). */
const HIGH_DELAY_MAX: Ns = 2 * SECOND
const HIGH_DELAY_MIN: Ns = 10 * MS

/** The pause that `task` owes, or undefined. Its locks are released. */
export function wayOut(mm: Mm, task: Task): Wait | undefined {
  releaseAll(task)
  const delay = Math.max(mm.io.delayOf(task.group), highPenalty(mm, task.group))
  return delay === 0 ? undefined : wait(mm.scheduler.after(delay, 'a delay on the way out'), 'throttle')
}

/** calculate_high_delay: the square of how far above, for each 64 pages that were charged. */
function highPenalty(mm: Mm, group: GroupId): Ns {
  const { ledger } = mm.memory
  const over = ledger.aboveHigh(group)
  if (over === 0) return 0
  ledger.events(over).high++
  reclaimAboveHigh(mm, over)
  const { high } = ledger.limits(over)
  const overage = (ledger.usage(over) - high) / Math.max(1, high)
  if (overage <= 0) return 0
  // (overage * 2^20)^2 * HZ >> 20 >> 14, for one page of a batch of 64: the powers of two cancel, and HZ against the length of a jiffy.
  const penalty = overage * overage * SECOND
  return penalty <= HIGH_DELAY_MIN ? 0 : Math.min(HIGH_DELAY_MAX, penalty)
}
