/** A request to a file of a volume as a task: what reading, writing and reshaping have in common. */
import { type Errno, errno } from '../base/index.ts'
import type { Device, Request } from '../device/index.ts'
import { done, type Outcome, type Task, type Verb } from '../sched/index.ts'
import type { Node, Parts } from './parts.ts'

export interface TransferArgs {
  readonly request: Request
  readonly node: Node
  /** The device that was asked, if one was: it is told the end. */
  readonly device?: Device
}

export abstract class Transfer<Args extends TransferArgs> implements Verb<Args> {
  abstract readonly name: string
  protected readonly parts: Parts

  constructor(parts: Parts) {
    this.parts = parts
  }

  attempt({ args }: Task<Args>): Outcome {
    const outcome = this.step(args)
    if (outcome.kind === 'wait' || outcome.kind === 'again') return outcome
    const error: Errno = outcome.kind === 'fail' ? outcome.errno : errno.OK
    args.device?.onEnd(args.request, error)
    return done
  }

  /** A device ends what it has begun: another task sees it through. */
  abandon({ args, name, group }: Task<Args>): void {
    this.parts.scheduler.spawn(this, args, { name, group })
  }

  /** One attempt at it, whoever makes it. */
  abstract step(args: Args): Outcome
}
