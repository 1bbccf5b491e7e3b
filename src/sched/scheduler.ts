/**
 * The loop of attempts: every task of a machine, what each waits for, and the one place where waiting happens.
 *
 *     run:  ready task -> verb.attempt(task) -> done | fail | again | wait(ticket)
 *                 ^                                               |
 *                 '------------------ complete(ticket) <----------'
 *
 * A driver decides when `run` is called and what time it is: the real one (event loop), the timed one (simulated
 * clock), or an explorer that calls `step` for the task of its choice. The scheduler itself has no clock.
 *
 * Owns       tasks, tickets, timers, the queue of ready tasks
 * Leaves to  `keeper`: what a stash is (a hook of the memory)
 *
 * Invariants
 *   S1 to S3, S7, S8 (task.ts) and K1 to K3 (ticket.ts)
 *   S4  Ready tasks run in the order they became ready.
 *   S5  No attempt begins inside another.
 *   S6  No time passes within an attempt, nor while what it said is carried out.
 */
import {
  assert,
  broken,
  type Errno,
  errno,
  type GroupId,
  type Ns,
  NumberMap,
  type Pfn,
} from '../base/index.ts'
import { type Outcome, type Wait, wait } from './outcome.ts'
import { releaseAll, type Task, type Verb } from './task.ts'
import type { Ticket } from './ticket.ts'
import { Timers } from './timers.ts'

/** Who decides when things run. */
export interface Driver {
  now(): Ns
  /** Something became ready or a timer was set while nothing was running: see that `run` is called. */
  wake(): void
}

/** Who keeps frames: a stash is a pin there. Set once, by the machine. */
export interface Keeper {
  pin(frame: Pfn): void
  unpin(frame: Pfn): void
}

/** News for reports and counters; none of it changes what happens. */
export interface Watcher {
  began(task: Task): void
  waits(task: Task, wait: Wait): void
  resumes(task: Task, wait: Wait, waited: Ns): void
  ended(task: Task): void
}

/** Tells all of them, in order. */
export function watchers(all: readonly (Watcher | undefined)[]): Watcher | undefined {
  const present = all.filter(each => each !== undefined)
  if (present.length <= 1) return present[0]
  return {
    began(task) {
      for (const each of present) each.began(task)
    },
    waits(task, wait) {
      for (const each of present) each.waits(task, wait)
    },
    resumes(task, wait, waited) {
      for (const each of present) each.resumes(task, wait, waited)
    },
    ended(task) {
      for (const each of present) each.ended(task)
    },
  }
}

export interface Spawn {
  readonly name: string
  readonly group: GroupId
}

/** How many tasks that have had their turn stay in front of the queue before it is cut: to cut it costs an array. */
const READY_TRIM = 64

const NO_KEEPER: Keeper = { pin() {}, unpin() {} }

export class Scheduler {
  readonly timers = new Timers()
  /** By their ids, so that the oldest comes first. */
  readonly tasks = new NumberMap<Task>()
  readonly keeper: Keeper = NO_KEEPER
  readonly watcher: Watcher | undefined
  /** The task whose attempt is running now, if one is. */
  current: Task | undefined
  private readonly driver: Driver
  /** Who waits for a ticket that nobody waits for; nobody is ever added. */
  private readonly nobody: Task[] = []
  private readyTasks: Task[] = []
  private readyFrom = 0
  private taskIds = 0
  private ticketIds = 0
  /** When the present attempt began. */
  private attemptAt: Ns = 0
  /** What it said is being carried out. */
  private settling = false

  constructor(driver: Driver) {
    this.driver = driver
  }

  now(): Ns {
    return this.current === undefined && !this.settling ? this.driver.now() : this.attemptAt
  }

  ticket(what: string): Ticket {
    return {
      id: ++this.ticketIds,
      what,
      complete: false,
      errno: 0,
      opener: this.current,
      waiters: this.nobody,
    }
  }

  /** A ticket that completes after `delay`. */
  after(delay: Ns, what: string): Ticket {
    const ticket = this.ticket(what)
    this.timers.set(this.now() + delay, ticket)
    this.driver.wake()
    return ticket
  }

  /** It has happened: everyone who waited may attempt again. */
  complete(ticket: Ticket, error: Errno = errno.OK): void {
    if (ticket.complete) broken(`K1: ${ticket.what} completes once`)
    ticket.complete = true
    ticket.errno = error
    const now = ticket.waiters.length === 0 ? 0 : this.now()
    for (const task of ticket.waiters) {
      task.state = 'ready'
      this.watcher?.resumes(task, task.wait!, now - task.waitingSince)
      this.readyTasks.push(task)
    }
    if (ticket.waiters.length > 0) this.driver.wake()
    ticket.waiters = this.nobody
  }

  spawn<Args>(verb: Verb<Args>, args: Args, { name, group }: Spawn): Task<Args> {
    const id = ++this.taskIds
    const task: Task<Args> = {
      id,
      name,
      group,
      verb,
      args,
      state: 'ready',
      wait: undefined,
      waitingSince: 0,
      errno: 0,
      stash: 0,
      held: [],
      killed: false,
      reached: undefined,
      end: this.ticket(name),
      onEnd: undefined,
    }
    this.tasks.set(id, task)
    this.watcher?.began(task)
    this.readyTasks.push(task)
    this.driver.wake()
    return task
  }

  /** Ends a task at its wait (S3). One that is ready ends instead of its next attempt; one that ended or goes over a range (S7) stays so. */
  kill(task: Task): void {
    if (!this.canKill(task)) return
    task.killed = true
    if (task.state === 'ready') return
    const { ticket } = task.wait!
    const place = ticket.waiters.indexOf(task)
    assert(place !== -1, `K2: ${task.name} is among the waiters of ${ticket.what}`)
    ticket.waiters.splice(place, 1)
    this.watcher?.resumes(task, task.wait!, this.now() - task.waitingSince)
    this.finish(task, errno.EINTR)
  }

  canKill({ state, reached, held }: Task): boolean {
    return state !== 'ended' && (reached === undefined || held.length === 0)
  }

  /** The tasks that may run now, first come first. */
  ready(): readonly Task[] {
    return this.readyTasks.slice(this.readyFrom)
  }

  /** Whether a task is ready or a timer is due. */
  hasWork(now?: Ns): boolean {
    if (this.hasReady) return true
    const { next } = this.timers
    return next !== Infinity && next <= (now ?? this.now())
  }

  /**
   * Fires due timers and runs ready tasks until none is left, or until `slice` has passed since the first attempt began: no attempt
   * begins after that, nor after `awaited` has ended. Inside an attempt it does nothing.
   */
  run(slice: Ns, awaited?: Task): void {
    if (this.current !== undefined) return
    for (let until: Ns = Infinity; awaited?.state !== 'ended'; ) {
      if (!this.hasReady && this.timers.next === Infinity) return
      const now = this.driver.now()
      this.fireTimers(now)
      if (!this.hasReady) return
      if (until === Infinity) until = now + slice
      else if (now >= until) return
      this.attempt(this.takeReady(), now)
    }
  }

  /** Runs one attempt of the ready task that the caller chose: the explorer's way. */
  step(task: Task): void {
    const place = this.readyTasks.indexOf(task, this.readyFrom)
    if (place === -1) broken(`S1: ${task.name} is ready`)
    this.readyTasks.splice(place, 1)
    this.attempt(task, this.driver.now())
  }

  fireTimers(now: Ns = this.now()): void {
    for (let due = this.timers.takeDue(now); due !== undefined; due = this.timers.takeDue(now))
      if (!due.complete) this.complete(due)
  }

  /** The outcome for whoever needs another task to have ended. */
  join(task: Task): Wait {
    return wait(task.end, 'child')
  }

  private get hasReady(): boolean {
    return this.readyFrom < this.readyTasks.length
  }

  private takeReady(): Task {
    const task = this.readyTasks[this.readyFrom++]!
    if (this.readyFrom >= READY_TRIM) {
      this.readyTasks.splice(0, this.readyFrom)
      this.readyFrom = 0
    }
    return task
  }

  private attempt(task: Task, now: Ns): void {
    assert(this.current === undefined, 'S5: no attempt begins inside another')
    if (task.killed) {
      this.finish(task, errno.EINTR)
      return
    }
    const consumed = task.stash
    this.attemptAt = now
    this.current = task
    let outcome: Outcome
    try {
      outcome = task.verb.attempt(task)
    } catch (thrown) {
      this.current = undefined
      this.breakOff(task)
      throw thrown
    }
    this.current = undefined
    this.settling = true
    try {
      this.settle(task, outcome)
    } finally {
      this.settling = false
    }
    if (consumed !== 0) this.keeper.unpin(consumed)
  }

  private settle(task: Task, outcome: Outcome): void {
    task.stash = 0
    switch (outcome.kind) {
      case 'done':
        this.finish(task, errno.OK)
        break
      case 'fail':
        this.finish(task, outcome.errno)
        break
      case 'again':
        task.wait = undefined
        this.readyTasks.push(task)
        break
      case 'wait':
        this.suspend(task, outcome)
        break
    }
  }

  private suspend(task: Task, outcome: Wait): void {
    task.wait = outcome
    if (outcome.stash !== 0) {
      task.stash = outcome.stash
      this.keeper.pin(outcome.stash)
    }
    if (task.killed) {
      this.finish(task, errno.EINTR)
      return
    }
    if (outcome.ticket.complete) {
      this.readyTasks.push(task)
      return
    }
    task.state = 'waiting'
    task.waitingSince = this.now()
    if (outcome.ticket.waiters.length === 0) outcome.ticket.waiters = [task]
    else outcome.ticket.waiters.push(task)
    this.watcher?.waits(task, outcome)
  }

  /** S8. What it changed by then is as it is; a second fault on the way out says no more than the first. */
  private breakOff(task: Task): void {
    try {
      this.withdraw(task)
    } catch {
      task.held.length = 0
    }
    this.finish(task, errno.ENOTRECOVERABLE)
  }

  /** Gives back what a task has that ends before its time. */
  private withdraw(task: Task): void {
    task.wait?.on?.cancel(task)
    task.verb.abandon?.(task)
    releaseAll(task)
  }

  private finish(task: Task, error: Errno): void {
    if (task.killed) this.withdraw(task)
    if (task.held.length !== 0) broken(`S2: ${task.name} ends holding no lock`)
    if (task.stash !== 0) this.keeper.unpin(task.stash)
    task.stash = 0
    task.state = 'ended'
    task.wait = undefined
    task.errno = task.killed ? errno.EINTR : error
    this.tasks.delete(task.id)
    this.watcher?.ended(task)
    this.complete(task.end, task.errno)
    task.onEnd?.()
  }
}
