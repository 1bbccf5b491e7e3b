/**
 * What a task pays when it is done with the memory it asked for, with no lock held: the delay of io.latency, and the
 * penalty for memory above memory.high (Linux: resume_user_mode_work, on the way back to user space). The one is a stall
 * for I/O, the other one for memory.
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
export function resumeUserMode(mm: Mm, task: Task): Wait | undefined {
  releaseAll(task)
  const delay = mm.io.delayOf(task.group)
  const penalty = highPenalty(mm, task.group)
  if (delay === 0 && penalty === 0) return undefined
  return penalty > delay
    ? wait(mm.scheduler.after(penalty, 'a penalty for memory above memory.high'), 'memory')
    : wait(mm.scheduler.after(delay, 'a delay on the way out'), 'throttle')
}

/** mem_cgroup_handle_over_high: the square of how far above, for each batch of 64 pages that was charged since. */
function highPenalty(mm: Mm, group: GroupId): Ns {
  const { ledger } = mm.memory
  const over = ledger.aboveHigh(group)
  const batches = ledger.takeBatches(group, over === 0 ? 'forgiven' : 'kept')
  if (over === 0) return 0
  ledger.events(over).high++
  reclaimAboveHigh(mm, over)
  const { high } = ledger.limits(over)
  const overage = (ledger.usage(over) - high) / Math.max(1, high)
  if (overage <= 0) return 0
  // calculate_high_delay: (overage * 2^20)^2 * HZ >> 20 >> 14 jiffies a batch, which is 2^6 * overage^2 seconds.
  const penalty = batches * 64 * overage * overage * SECOND
  return penalty <= HIGH_DELAY_MIN ? 0 : Math.min(HIGH_DELAY_MAX, penalty)
}
