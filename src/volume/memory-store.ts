/**
 * A store in memory that loses exactly what was not committed, for tests and the lab.
 *
 *     commit --> pending --run--> applied            while `holding`, only `release` lets one go
 *                   \---fail----> nothing changed
 *
 * Invariants   ST1 to ST3 (store.ts)
 *   MS1 `image` holds what a crash at this moment leaves: the commits that have ended, whole, and nothing else.
 */
import { assert, type Errno, errno, type Ns } from '../base/index.ts'
import { Alarm, type Chore, type Scheduler, type Ticket } from '../sched/index.ts'
import { SortedMap } from './sorted-map.ts'
import { type Change, type Entry, type Lease, type News, SOLE, type Store } from './store.ts'

interface Pending {
  readonly changes: readonly Change[]
  readonly ticket: Ticket
}

export class MemoryStore implements Store, Chore {
  readonly name = 'memory'
  readonly readOnly = false
  readonly lease: Lease = SOLE
  readonly onCommit: (news: News) => void = () => {}
  /** Whether commits wait to be released. */
  holding = false
  /** Commits that were applied. */
  commits = 0
  private readonly scheduler: Scheduler
  private readonly committed: SortedMap<Uint8Array>
  private readonly alarm: Alarm
  private pending: Pending | undefined

  /** `image`: what an earlier store left. */
  constructor(scheduler: Scheduler, image: Iterable<readonly [string, Uint8Array]> = []) {
    this.scheduler = scheduler
    this.committed = new SortedMap()
    for (const [key, value] of image) this.committed.set(key, value)
    this.alarm = new Alarm(scheduler, this)
  }

  /** Whether a commit is on its way. */
  get busy(): boolean {
    return this.pending !== undefined
  }

  get at(): number {
    return this.commits
  }

  get horizon(): number {
    return this.commits
  }

  advance(): void {
    // Nobody else commits.
  }

  get size(): number {
    return this.committed.size
  }

  get(key: string): Uint8Array | undefined {
    return this.committed.get(key)
  }

  range(start: string, end: string): Iterable<Entry> {
    return this.committed.range(start, end)
  }

  commit(changes: readonly Change[]): Ticket {
    assert(this.pending === undefined, 'ST3: one commit at a time')
    const ticket = this.scheduler.ticket('commit of the metadata')
    this.pending = { changes, ticket }
    if (!this.holding) this.alarm.by(this.scheduler.now())
    return ticket
  }

  run(): Ns {
    this.release()
    return Infinity
  }

  /** Ends the commit that is on its way, well or with an errno. */
  release(error: Errno = errno.OK): void {
    if (this.pending === undefined) return
    const { changes, ticket } = this.pending
    this.pending = undefined
    if (error === errno.OK) {
      this.apply(changes)
      this.commits++
      this.onCommit({ kind: 'commit', at: this.commits, keys: changes.map(({ key }) => key) })
    }
    this.scheduler.complete(ticket, error)
  }

  /** What is committed now, to be opened again. */
  image(): [string, Uint8Array][] {
    return [...this.committed].map(([key, value]) => [key, value.slice()])
  }

  private apply(changes: readonly Change[]): void {
    for (const { key, value } of changes)
      if (value === null) this.committed.delete(key)
      else this.committed.set(key, value)
  }
}
