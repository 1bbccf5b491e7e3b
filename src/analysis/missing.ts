/**
 * What a trace doesn't have, and what each absence costs: the analysis goes on with the rest and says so.
 */
import { Kind } from '../trace/index.ts'

export interface Missing {
  readonly events: string
  readonly cost: string
}

const WANTED: readonly { readonly kinds: readonly Kind[]; readonly events: string; readonly cost: string }[] =
  [
    {
      kinds: [Kind.start],
      events: 'mmap_lock:mmap_lock_start_locking',
      cost: 'no wait can be measured, so no inversion can be found',
    },
    {
      kinds: [Kind.acquired],
      events: 'mmap_lock:mmap_lock_acquire_returned',
      cost: 'no wait is seen to end and no holder is known',
    },
    {
      kinds: [Kind.released],
      events: 'mmap_lock:mmap_lock_released',
      cost: 'holders are known only until the next one',
    },
    {
      kinds: [Kind.switchOut],
      events: 'sched:sched_switch',
      cost: 'it is not known what a holder did: no VMA link, no cause',
    },
    {
      kinds: [Kind.waking],
      events: 'sched:sched_waking',
      cost: 'who woke whom is not known: VMA links rest on stacks alone, sleeps end when the task next runs',
    },
    {
      kinds: [Kind.stack],
      events: 'kernel stacks at sched_switch',
      cost: 'where a task slept is not known: VMA links are guessed, causes have no name',
    },
    {
      kinds: [Kind.issued, Kind.completed],
      events: 'block:block_rq_issue, block:block_rq_complete',
      cost: 'no device can be named',
    },
  ]

/** What has neither been seen nor, in `recorded`, been asked for: an event that was recorded and didn't come was only quiet. */
export const missingOf = (
  counts: readonly (number | undefined)[],
  recorded: ReadonlySet<Kind> = new Set(),
): Missing[] =>
  WANTED.filter(row => row.kinds.some(kind => !counts[kind] && !recorded.has(kind))).map(
    ({ events, cost }) => ({
      events,
      cost,
    }),
  )
