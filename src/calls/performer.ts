/**
 * Where tasks become promises: begins a verb, runs the machine, and settles when the task has ended.
 *
 * Invariants
 *   PF1 Each promise settles once, when its task ends; an abort kills the task, and no other.
 *   PF2 A task that ends at once costs no turn of the event loop.
 */
import { type GroupId, ROOT } from '../base/index.ts'
import {
  done,
  type RealDriver,
  type Scheduler,
  type Task,
  type Ticket,
  type Verb,
  wait,
} from '../sched/index.ts'
import { aborted, FaultlineError, fromErrno } from './error.ts'

export interface Who {
  readonly name: string
  readonly group: GroupId
}

/** What a caller asked for, for the error if it fails. */
export interface Call {
  /** The method: 'protect'. */
  readonly operation: string
  /** What it was called on: the path of a file. */
  readonly where: string
  readonly signal?: AbortSignal | undefined
}

export class Performer {
  private readonly driver: RealDriver
  private readonly scheduler: Scheduler
  private closed = false

  constructor(driver: RealDriver, scheduler: Scheduler) {
    this.driver = driver
    this.scheduler = scheduler
  }

  /** Begins a task and lets it run as far as it can now. */
  begin<Args>(verb: Verb<Args>, args: Args, who: Who): Task<Args> {
    this.checkOpen(verb.name)
    const task = this.scheduler.spawn(verb, args, who)
    this.driver.pump()
    return task
  }

  /** The same, and when it has ended the caller goes on before anything else runs. */
  beginAwaited<Args>(verb: Verb<Args>, args: Args, who: Who): Task<Args> {
    this.checkOpen(verb.name)
    const task = this.scheduler.spawn(verb, args, who)
    this.driver.pump(task)
    return task
  }

  /** Settles with what `result` says of the task when it has ended; aborting kills it. */
  finished<Args, T>(
    task: Task<Args>,
    result: (task: Task<Args>) => T,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (task.state === 'ended') return Promise.resolve(result(task))
    this.driver.hold()
    return new Promise(resolve => {
      const settle = () => {
        this.driver.letGo()
        resolve(result(task))
      }
      if (signal === undefined) task.onEnd = settle
      else this.killOnAbort(task, signal, settle)
    })
  }

  /** Settles when the ticket is complete. */
  completed(ticket: Ticket): Promise<undefined> {
    const waiting: Verb<undefined> = {
      name: ticket.what,
      attempt: () => (ticket.complete ? done : wait(ticket, 'device')),
    }
    const task = this.begin(waiting, undefined, { name: ticket.what, group: ROOT })
    return this.finished(task, () => undefined, undefined)
  }

  /** Begins a verb, waits for its end, and throws if it failed. */
  async perform<Args>(verb: Verb<Args>, args: Args, who: Who, call: Call): Promise<Args> {
    const { operation, where, signal } = call
    if (signal?.aborted === true) throw aborted(operation, where, signal.reason)
    const task = this.begin(verb, args, who)
    const errno = await this.finished(task, ended => ended.errno, signal)
    if (errno !== 0 && isAborted(signal)) throw aborted(operation, where, signal.reason)
    if (errno !== 0) throw fromErrno(errno, operation, where)
    return args
  }

  private killOnAbort(task: Task, signal: AbortSignal, settle: () => void): void {
    const kill = () => this.kill(task)
    task.onEnd = () => {
      signal.removeEventListener('abort', kill)
      settle()
    }
    signal.addEventListener('abort', kill, { once: true })
    if (signal.aborted) kill()
  }

  kill(task: Task): void {
    this.scheduler.kill(task)
    this.driver.pump()
  }

  /** Throws if no more tasks are taken. */
  checkOpen(operation: string): void {
    if (this.closed) throw machineClosed(operation)
  }

  /** No more tasks are taken. */
  close(): void {
    this.closed = true
  }
}

export function machineClosed(operation: string): FaultlineError {
  return new FaultlineError('EBADF', operation, 'the machine is closed; start another one')
}

/** Whether it has been aborted by now: the compiler remembers what it was before an await. */
export function isAborted(signal: AbortSignal | undefined): signal is AbortSignal {
  return signal?.aborted === true
}
