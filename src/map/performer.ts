/**
 * Where tasks become promises: begins a verb, runs the machine, and settles when the task has ended.
 *
 * Invariants
 *   PF1 Each promise settles once, when its task ends; an abort kills the task, and no other.
 *   PF2 A task that ends at once costs no turn of the event loop.
 */
import type { GroupId } from '../base/index.ts'
import type { RealDriver, Scheduler, Task, Verb } from '../sched/index.ts'
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
    if (this.closed) throw machineClosed(verb.name)
    const task = this.scheduler.spawn(verb, args, who)
    this.driver.pump()
    return task
  }

  /** Settles when the task has ended; aborting kills it. */
  finished(task: Task, signal?: AbortSignal): Promise<void> {
    if (task.state === 'ended') return Promise.resolve()
    return new Promise(resolve => {
      task.onEnd = resolve
      if (signal !== undefined) this.killOnAbort(task, signal)
    })
  }

  /** Begins a verb, waits for its end, and throws if it failed. */
  async perform<Args>(verb: Verb<Args>, args: Args, who: Who, call: Call): Promise<Args> {
    const { operation, where, signal } = call
    if (signal?.aborted === true) throw aborted(operation, where, signal.reason)
    const task = this.begin(verb, args, who)
    await this.finished(task as Task, signal)
    if (task.errno !== 0 && isAborted(signal)) throw aborted(operation, where, signal.reason)
    if (task.errno !== 0) throw fromErrno(task.errno, operation, where)
    return args
  }

  private killOnAbort(task: Task, signal: AbortSignal): void {
    const settle = task.onEnd!
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
