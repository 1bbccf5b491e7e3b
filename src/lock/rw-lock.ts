/**
 * The fair reader/writer lock, with the kernel's rules (Linux 6.12 kernel/locking/rwsem.c).
 *
 *     queue: [ W r r W r ]      first come first; a waiter stays in the queue until it has the lock
 *
 *   A reader comes     nobody writes, nobody queues         it reads
 *                      the lock is free though some queue   it steals the read lock, unless hand-off is set; queued
 *                                                           readers are let in with it if one of them is first
 *                      otherwise                            it queues: one waiting writer stops all new readers
 *   A writer comes     the lock is free                     it takes it (overtaking the queue), unless hand-off is set
 *                      otherwise                            it queues
 *   The lock is freed  a writer is first                    it is woken, and must still win the lock
 *                      a reader is first                    every reader in the queue, up to 256, has the lock at once
 *                                                           (phase-fair); writers keep their order
 *   A woken writer that finds the lock taken by another after HANDOFF in the queue sets hand-off: from then on nobody
 *   overtakes, and the lock goes to the head of the queue.
 *
 * Invariants
 *   W1  Either one writer, or any number of readers, or nobody.
 *   W2  If the lock is free and the queue isn't empty, the head of the queue has been woken.
 *   W3  The waiters are in the order they came; nobody is passed by more than those who came before it and those who
 *       came within HANDOFF of its first try.
 *   L1, L2 (classes.ts)
 *
 * Waits   through the tickets it returns; every wait can be killed. Compare: in Linux `down_read` can't be.
 */
import { assert, MS, type Ns } from '../base/index.ts'
import { type Lock, queue, type Scheduler, type Task, type Ticket, type Wait } from '../sched/index.ts'
import { assertMayTake, noteReleased, noteTaken } from './classes.ts'

/** RWSEM_WAIT_TIMEOUT: DIV_ROUND_UP(HZ, 250) jiffies, 4 ms at the usual HZ. */
const HANDOFF: Ns = 4 * MS
/** MAX_READERS_WAKEUP. */
const READERS_WOKEN_MAX = 256

interface Waiter {
  readonly task: Task
  readonly mode: 'read' | 'write'
  readonly since: Ns
  ticket: Ticket
}

export class RwLock implements Lock {
  readonly name: string
  readonly rank: number
  private readonly scheduler: Scheduler
  private writer: Task | undefined
  private readonly readers: Task[] = []
  private readonly queued: Waiter[] = []
  private handoff = false

  constructor(scheduler: Scheduler, name: string, rank: number) {
    this.scheduler = scheduler
    this.name = name
    this.rank = rank
  }

  /** Takes the lock for reading and returns undefined, or queues and returns what to wait for. */
  read(task: Task): Wait | undefined {
    assertMayTake(task, this)
    const waiting = this.waiterOf(task)
    if (waiting !== undefined) return this.untilLet(waiting)
    const free = this.writer === undefined && this.readers.length === 0
    const quiet = this.writer === undefined && this.queued.length === 0
    if (quiet || (free && !this.handoff)) {
      this.grantRead(task)
      if (this.queued[0]?.mode === 'read') this.wakeReaders()
      return undefined
    }
    return this.enqueue(task, 'read')
  }

  /** Takes the lock for writing and returns undefined, or queues (or stays queued) and returns what to wait for. */
  write(task: Task): Wait | undefined {
    assertMayTake(task, this)
    const waiting = this.waiterOf(task)
    const free = this.writer === undefined && this.readers.length === 0
    const first =
      waiting === undefined ? this.queued.length === 0 || !this.handoff : waiting === this.queued[0]
    if (free && first) {
      if (waiting !== undefined) this.queued.splice(this.queued.indexOf(waiting), 1)
      this.handoff = false
      this.writer = task
      noteTaken(task, { lock: this, mode: 'write' })
      return undefined
    }
    if (waiting === undefined) return this.enqueue(task, 'write')
    if (!waiting.ticket.complete) return this.untilLet(waiting)
    if (waiting === this.queued[0] && this.scheduler.now() - waiting.since >= HANDOFF) this.handoff = true
    waiting.ticket = this.newTicket('write')
    return this.untilLet(waiting)
  }

  release(task: Task): void {
    noteReleased(task, this)
    if (this.writer === task) this.writer = undefined
    else {
      const place = this.readers.indexOf(task)
      assert(place !== -1, `W1: ${task.name} releases ${this.name}, which it reads`)
      this.readers.splice(place, 1)
    }
    this.wakeHead()
  }

  /** From writer to reader without letting another writer in between; queued readers at the head come in too. */
  downgrade(task: Task): void {
    assert(this.writer === task, `W1: ${task.name} downgrades ${this.name}, which it writes`)
    this.writer = undefined
    this.readers.push(task)
    for (const held of task.held) if (held.lock === this) held.mode = 'read'
    if (this.queued[0]?.mode === 'read') this.wakeReaders()
  }

  /** A waiter was killed: it leaves the queue, and whoever it kept waiting is let on. */
  cancel(task: Task): void {
    const place = this.queued.findIndex(waiter => waiter.task === task)
    if (place === -1) return
    this.queued.splice(place, 1)
    if (this.queued.length === 0) this.handoff = false
    if (place !== 0) return
    this.handoff = false
    if (this.writer === undefined && this.readers.length > 0 && this.queued[0]?.mode === 'read')
      this.wakeReaders()
    else this.wakeHead()
  }

  isWriter(task: Task): boolean {
    return this.writer === task
  }

  holders(): readonly Task[] {
    return this.writer === undefined ? this.readers : [this.writer]
  }

  /**
   * A writer is let in after the waiter before it; all readers with the first of them, and so after the writer before that
   * one. The head of the queue waits for who has the lock.
   */
  inTheWay(task: Task): readonly Task[] {
    const mode = this.waiterOf(task)?.mode
    const place = this.queued.findIndex(
      mode === 'read' ? each => each.mode === mode : each => each.task === task,
    )
    const before = this.queued[place - 1]
    if (before === undefined) return this.holders()
    if (before.mode === 'write') return [before.task]
    return this.queued.filter(each => each.mode === 'read').map(each => each.task)
  }

  /** Who queues, first come first, for reports. */
  waiters(): readonly { readonly task: Task; readonly mode: 'read' | 'write' }[] {
    return this.queued
  }

  private enqueue(task: Task, mode: 'read' | 'write'): Wait {
    const waiter = { task, mode, since: this.scheduler.now(), ticket: this.newTicket(mode) }
    this.queued.push(waiter)
    return this.untilLet(waiter)
  }

  private newTicket(mode: 'read' | 'write'): Ticket {
    return this.scheduler.ticket(`${this.name} for ${mode === 'read' ? 'reading' : 'writing'}`)
  }

  private untilLet({ ticket }: Waiter): Wait {
    return queue(ticket, 'lock', this)
  }

  private waiterOf(task: Task): Waiter | undefined {
    return this.queued.find(waiter => waiter.task === task)
  }

  private grantRead(task: Task): void {
    this.readers.push(task)
    noteTaken(task, { lock: this, mode: 'read' })
  }

  private wakeHead(): void {
    if (this.writer !== undefined || this.readers.length > 0) return
    const head = this.queued[0]
    if (head === undefined) return
    if (head.mode === 'read') this.wakeReaders()
    else if (!head.ticket.complete) this.scheduler.complete(head.ticket)
  }

  /** Grants the lock to the readers in the queue, wherever they stand (rwsem_mark_wake). */
  private wakeReaders(): void {
    this.handoff = false
    const woken = this.queued.filter(waiter => waiter.mode === 'read').slice(0, READERS_WOKEN_MAX)
    for (const waiter of woken) {
      this.queued.splice(this.queued.indexOf(waiter), 1)
      this.grantRead(waiter.task)
      this.scheduler.complete(waiter.ticket)
    }
  }
}
