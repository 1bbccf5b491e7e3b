/**
 * /proc/<pid>/status and stat: what can be said of a space from its counters alone, without any lock.
 */
import type { Bytes, SpaceId } from '../base/index.ts'
import { type Mm, type Space, worksOn } from '../mm/index.ts'

/** What can be said of a space without a lock. */
export interface Status {
  /** Its number. */
  readonly pid: SpaceId
  /** Its name. */
  readonly name: string
  /** R if a task of the space is ready or running, D if one waits, S if none is there, Z while it exits. */
  readonly state: 'R' | 'D' | 'S' | 'Z'
  /** Bytes that are mapped. */
  readonly vmSize: Bytes
  /** Bytes of them that are in memory. */
  readonly vmRss: Bytes
  /** Bytes of them that are in swap. */
  readonly vmSwap: Bytes
  /** Faults that found their page in memory. */
  readonly minorFaults: number
  /** Faults that had a page read. */
  readonly majorFaults: number
  /** Attempts beyond the first, of all faults. */
  readonly retries: number
  /** Waits for I/O with a lock of the space held: 0 under the discipline `restart`. */
  readonly ioUnderLock: number
}

export function status(mm: Mm, space: Space): Status {
  const { pageSize } = mm.memory.frames
  return {
    pid: space.id,
    name: space.name,
    state: stateOf(mm, space),
    vmSize: space.mapped * pageSize,
    vmRss: space.resident * pageSize,
    vmSwap: space.swapped * pageSize,
    minorFaults: space.stat.faults - space.stat.major,
    majorFaults: space.stat.major,
    retries: space.stat.retries,
    ioUnderLock: space.stat.ioUnderLock,
  }
}

function stateOf(mm: Mm, space: Space): Status['state'] {
  if (space.state === 'exiting') return 'Z'
  let state: Status['state'] = 'S'
  for (const task of mm.scheduler.tasks.values()) {
    if (!worksOn(task, space)) continue
    if (task.state === 'ready') return 'R'
    state = 'D'
  }
  return state
}
