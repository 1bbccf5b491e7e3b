/**
 * The lock that a filesystem keeps beside mmap_lock, held across writeback: i_mmap_lock of a btrfs inode (6.1
 * fs/btrfs/file.c). btrfs_sync_file takes it for writing and waits for the writeback with it; btrfs_page_mkwrite takes it for
 * reading, and waits with it until its page is stable. So a store to any page of the file waits until the whole fsync is over,
 * and an fsync waits for stores that wait.
 *
 *     fsync   nobody inside or before it    has it, writes, waits for the writeback, lets go
 *             otherwise                     waits; who comes now waits behind it
 *     store   nobody has it or queues       is inside, until its fault ends or lets go of its locks
 *             otherwise                     waits, as the discipline says for a wait before a store
 *
 * A store that has it is found among who holds locks, so whoever lets go of the lock of its VMA lets go of this one too.
 *
 * Invariants
 *   IL1 While an fsync has the lock, no store is inside.
 *   IL2 Whoever waits for the lock is woken when it may be had, and looks again.
 */
import type { CachedFile, Sync, SyncArgs } from '../cache/index.ts'
import { RANK } from '../lock/index.ts'
import { replace } from '../rig/index.ts'
import {
  holds,
  type Lock,
  type Outcome,
  queue,
  type Scheduler,
  type Task,
  type Ticket,
  type Verb,
} from '../sched/index.ts'

export class InodeLock implements Lock, Verb<SyncArgs> {
  readonly name: string
  readonly rank = RANK.vma + 1
  private readonly scheduler: Scheduler
  private readonly sync: Sync
  /** Who has it for writing, and behind it who wants to. */
  private readonly writers: Task[] = []
  private readonly inside: Task[] = []
  private changed: Ticket

  /** From now on stores to `file` heed it. Whoever syncs the file by this verb has it meanwhile. */
  constructor(scheduler: Scheduler, sync: Sync, file: CachedFile) {
    this.name = `inode lock of ${file.name}`
    this.scheduler = scheduler
    this.sync = sync
    this.changed = scheduler.ticket(this.name)
    replace(file, 'pageMkwrite', pageMkwrite => request => this.store(() => pageMkwrite(request)))
  }

  /** An fsync. */
  attempt(args: Task<SyncArgs>): Outcome {
    const task = args
    if (!this.writers.includes(task)) this.writers.push(task)
    if (this.writers[0] !== task || this.inside.length > 0) return queue(this.changed, 'device', this)
    const outcome = this.sync.attempt(args)
    if (outcome.kind === 'done' || outcome.kind === 'fail') this.cancel(task)
    return outcome
  }

  abandon(task: Task<SyncArgs>): void {
    this.cancel(task)
  }

  /** A store is no longer inside. */
  release(task: Task): void {
    this.inside.splice(this.inside.indexOf(task), 1)
    task.held.splice(
      task.held.findIndex(({ lock }) => lock === this),
      1,
    )
    this.tell()
  }

  /** An fsync is over, or waits no longer. */
  cancel(task: Task): void {
    const place = this.writers.indexOf(task)
    if (place === -1) return
    this.writers.splice(place, 1)
    this.tell()
  }

  inTheWay(task: Task): readonly Task[] {
    const place = this.writers.indexOf(task)
    if (place === 0) return this.inside
    return [this.writers[place === -1 ? 0 : place - 1]!]
  }

  /** The task whose attempt this is stores to a page of the file. */
  private store(pageMkwrite: () => Outcome): Outcome {
    const task = this.scheduler.current!
    if (!holds(task, this)) {
      if (this.writers.length > 0) return queue(this.changed, 'reserve', this)
      this.inside.push(task)
      task.held.push({ lock: this, mode: 'read' })
    }
    const outcome = pageMkwrite()
    if (outcome.kind !== 'wait') this.release(task)
    return outcome
  }

  private tell(): void {
    const { changed } = this
    this.changed = this.scheduler.ticket(this.name)
    this.scheduler.complete(changed)
  }
}
