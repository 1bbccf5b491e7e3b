/**
 * Induced delay: what a group owes for the slots of others. It is paid by its tasks on their way out of the engine,
 * when they hold no lock, and not where the I/O is.
 *
 * Plain numbers of one group on one disk. `users` counts how far below the smallest queue depth it was pushed; `owed`
 * grows while it is favoured and decays by what its tasks have slept.
 *
 * Compare  Linux 6.12 block/blk-cgroup.c: blkcg_scale_delay, blkcg_add_delay, blkcg_maybe_throttle_blkg. The kernel's
 *          comments say one second where its code says 250 ms.
 */
import { MS, type Ns, SECOND } from '../base/index.ts'

/** The clamp in blkcg_maybe_throttle_blkg. */
export const DELAY_MAX: Ns = 250 * MS
/** blkcg_scale_delay: at most once a second. */
const DECAY_EVERY: Ns = SECOND

export interface Delay {
  users: number
  owed: Ns
  /** When it last decayed, and what was owed and who used it then. */
  decayedAt: Ns
  owedThen: Ns
  usersThen: number
}

export function newDelay(): Delay {
  return { users: 0, owed: 0, decayedAt: 0, owedThen: 0, usersThen: 0 }
}

export function addDelay(delay: Delay, amount: Ns, now: Ns): void {
  decay(delay, now)
  delay.owed += amount
}

/** What a task of the group sleeps now. */
export function delayDue(delay: Delay, now: Ns): Ns {
  if (delay.users === 0) return 0
  decay(delay, now)
  return Math.min(delay.owed, DELAY_MAX)
}

function decay(delay: Delay, now: Ns): void {
  if (now <= delay.decayedAt + DECAY_EVERY) return
  let paid = Math.min(delay.owedThen, now - delay.decayedAt)
  if (delay.users < delay.usersThen) paid = Math.max(paid, Math.floor(delay.owedThen / 2))
  delay.decayedAt = now
  delay.owed = Math.max(0, delay.owed - paid)
  delay.owedThen = delay.owed
  delay.usersThen = delay.users
}
