/**
 * A store in memory that has nothing here: inside a task each record is absent until it has been asked for, and everything is
 * again after each commit. So each verb begins again at each of its reads.
 */
import { type Errno, errno, type Ns } from '../base/index.ts'
import { Alarm, type Chore, type Scheduler, type Ticket } from '../sched/index.ts'
import { Absent } from './failure.ts'
import { MemoryStore } from './memory-store.ts'
import { after } from './sorted-map.ts'
import type { Entry } from './store.ts'

export class LateStore extends MemoryStore {
  /** How often something was absent. */
  absences = 0
  private readonly clock: Scheduler
  /** Keys from which on the next record is known. */
  private readonly here = new Set<string>()
  private readonly coming = new Map<string, Ticket>()
  private readonly delivery: Alarm

  constructor(scheduler: Scheduler, image?: Iterable<readonly [string, Uint8Array]>) {
    super(scheduler, image)
    this.clock = scheduler
    const chore: Chore = { name: 'delivery of records', run: () => this.deliver() }
    this.delivery = new Alarm(scheduler, chore)
  }

  override get(key: string): Uint8Array | undefined {
    this.need(key)
    return super.get(key)
  }

  override *range(start: string, end: string): Generator<Entry> {
    this.need(start)
    for (const entry of super.range(start, end)) {
      yield entry
      this.need(after(entry.key))
    }
  }

  override release(error: Errno = errno.OK): void {
    this.here.clear()
    super.release(error)
  }

  private need(key: string): void {
    // Tests look at the metadata from outside too, and have no attempt that could wait.
    if (this.clock.current === undefined || this.here.has(key)) return
    this.absences++
    let ticket = this.coming.get(key)
    if (ticket === undefined) {
      ticket = this.clock.ticket(`record ${key}`)
      this.coming.set(key, ticket)
      this.delivery.by(this.clock.now())
    }
    throw new Absent(ticket)
  }

  private deliver(): Ns {
    for (const [key, ticket] of this.coming) {
      this.here.add(key)
      this.clock.complete(ticket)
    }
    this.coming.clear()
    return Infinity
  }
}
