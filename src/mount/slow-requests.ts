/**
 * What slow requests have waited for: who traces the kernel sees only that the daemon took its time.
 *
 *     task of a request --waited for--> ticket <--completed by-- another task --waited for--> ticket ...
 *
 * A wait is known when it ends, and who ended it is the task whose attempt completed the ticket: what that had waited for meanwhile
 * is the next wait of the chain. Of a task the longest wait is kept, of requests the last KEPT slow ones.
 *
 * Invariants
 *   SLR1 What waits for less than SLOW costs a comparison.
 *   SLR2 A chain has at most WAITS_MAX waits, and names no task twice.
 */
import type { Ns } from '../base/index.ts'
import type { Answered, Handler, Operations, Request } from '../fuse/index.ts'
import { wire } from '../fuse/index.ts'
import type { Scheduler, Task, Wait, Watcher } from '../sched/index.ts'

const MS = 1e6
/** As `observe` reports by default. */
const SLOW: Ns = 50 * MS
const KEPT = 256
const WAITS_MAX = 8

/** A wait within a request: of the request's own task, or of who was in the way of the wait before it. */
export interface RequestWait {
  readonly task: string
  /** '' if that task waited for nothing long. */
  readonly waitsFor: string
  readonly why: string
  readonly ms: number
}

/** A request of the kernel, as its traces number it. */
export interface NumberedRequest {
  readonly unique: number
  readonly name: string
  readonly inode: number
  readonly thread: number
  readonly waits: readonly RequestWait[]
}

export interface SlowRequest extends NumberedRequest {
  readonly ms: number
}

interface Waited {
  readonly task: Task
  readonly wait: RequestWait
  readonly next: Waited | undefined
}

export class SlowRequests implements Watcher {
  private scheduler: Scheduler | undefined
  private lastEnded: Task | undefined
  private readonly longest = new WeakMap<Task, Waited>()
  private readonly tasks = new WeakMap<Request, Task>()
  private readonly kept: SlowRequest[] = []
  private readonly clock: () => number

  /** `clock`: milliseconds. */
  constructor(clock: () => number = () => performance.now()) {
    this.clock = clock
  }

  /** Whose tasks it watches. */
  attach(scheduler: Scheduler): void {
    this.scheduler = scheduler
  }

  began(): void {
    // A task that doesn't wait leaves no trace.
  }

  waits(): void {
    // A wait is known when it ends.
  }

  resumes(task: Task, wait: Wait, waited: Ns): void {
    if (waited < SLOW || waited <= (this.longest.get(task)?.wait.ms ?? 0) * MS) return
    const { ticket } = wait
    const by = ticket === this.lastEnded?.end ? this.lastEnded : this.scheduler?.current
    const next =
      by === undefined || by === task
        ? undefined
        : (this.longest.get(by) ?? { task: by, wait: ran(by), next: undefined })
    this.longest.set(task, { task, wait: waitOf(task, wait, waited), next })
  }

  /** Who waits for its end hears of it next. */
  ended(task: Task): void {
    this.lastEnded = task
  }

  /** The task that works for a request: the last, if there are several. */
  works(request: Request, task: Task): void {
    this.tasks.set(request, task)
  }

  /** The operations, each written down if it takes long. */
  watched(operations: Operations): Operations {
    const entries = Object.entries(operations).map(([opcode, handler]) => [opcode, this.handler(handler)])
    return Object.fromEntries(entries) as Operations
  }

  /** The last ones that were answered, the oldest first. */
  get answered(): readonly SlowRequest[] {
    return this.kept
  }

  /** One that isn't answered yet, with what its task waits for now. */
  underWay(request: Request, now: Ns): NumberedRequest {
    const task = this.tasks.get(request)
    const wait = task?.state === 'waiting' ? task.wait : undefined
    const waits = wait === undefined ? [] : this.openChain(task!, wait, now)
    return { ...numbered(request), waits }
  }

  /** Who brings what a task waits for isn't known before it comes; a task that is named as the ticket begins brings a part of it. */
  private openChain(task: Task, wait: Wait, now: Ns): RequestWait[] {
    const own = waitOf(task, wait, now - task.waitingSince)
    const others = [...(this.scheduler?.tasks.values() ?? [])].filter(
      other => other !== task && other.state === 'waiting' && wait.ticket.what.startsWith(other.name),
    )
    return [own, ...others.slice(0, 1).map(other => waitOf(other, other.wait!, now - other.waitingSince))]
  }

  private handler(handler: Handler): Handler {
    return request => {
      const began = this.clock()
      const answered = handler(request)
      return answered instanceof Promise
        ? answered.then(late => this.answeredLate(request, began, late))
        : answered
    }
  }

  private answeredLate(request: Request, began: number, late: Answered | undefined): Answered | undefined {
    const ms = this.clock() - began
    if (ms * MS < SLOW) return late
    const task = this.tasks.get(request)
    this.kept.push({ ...numbered(request), ms, waits: chainOf(task && this.longest.get(task)) })
    if (this.kept.length > KEPT) this.kept.shift()
    return late
  }
}

function numbered({ unique, opcode, nodeid, pid }: Request): Omit<NumberedRequest, 'waits'> {
  return { unique, name: wire.opcodeName(opcode), inode: nodeid, thread: pid }
}

function waitOf(task: Task, { ticket, why }: Wait, waited: Ns): RequestWait {
  return { task: task.name, waitsFor: ticket.what, why, ms: waited / MS }
}

function ran(task: Task): RequestWait {
  return { task: task.name, waitsFor: '', why: '', ms: 0 }
}

function chainOf(first: Waited | undefined): RequestWait[] {
  const chain = new Map<Task, RequestWait>()
  for (let at = first; at !== undefined && !chain.has(at.task) && chain.size < WAITS_MAX; at = at.next)
    chain.set(at.task, at.wait)
  return [...chain.values()]
}
