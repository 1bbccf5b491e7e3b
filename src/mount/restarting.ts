/**
 * Requests about records that aren't here yet: the volume of many machines has them on a server. What is answered "not here" is
 * restarted from scratch when they have come, as a fault is; nobody else waits for that.
 *
 *     request -> answered
 *           \-> EAGAIN -> what was missing has come -> the same request once more
 *
 * Invariants
 *   RSR1 A call on metadata that meets a record that isn't here has changed nothing (J1), and what a request did before it may be done
 *        twice.
 */
import { errno } from '../base/index.ts'
import {
  type Answered,
  type Handler,
  lasting,
  type Operations,
  type Pieces,
  type Request,
} from '../fuse/index.ts'
import { done, type Ticket, type Verb, wait } from '../sched/index.ts'
import { type Parts, perform } from './parts.ts'

const COMING: Verb<Ticket> = {
  name: 'wait for a record',
  attempt: ({ args }) => (args.complete ? done : wait(args, 'metadata')),
}

/** The operations, each restarted until what it asks for is here. */
export function restarting(parts: Parts, operations: Operations): Operations {
  const entries = Object.entries(operations).map(([opcode, handler]) => [opcode, restarted(parts, handler)])
  return Object.fromEntries(entries) as Operations
}

function restarted(parts: Parts, handler: Handler): Handler {
  /** `came`: what it has waited for last. An EAGAIN that misses nothing else is the answer. */
  const handle = (request: Request, came: Ticket | undefined): ReturnType<Handler> => {
    const answered = handler(request)
    return answered instanceof Promise
      ? answered.then(late => lasting(request, look(request, late, came)))
      : look(request, answered, came)
  }
  const look = (
    request: Request,
    answered: Answered | Pieces | undefined,
    came: Ticket | undefined,
  ): ReturnType<Handler> => {
    const { missing } = parts.core.parts.overlay
    if (answered !== errno.EAGAIN || missing === came || missing === undefined) return answered
    return perform(parts, request, COMING, missing, ({ errno: failed }) => {
      if (failed === errno.EINTR) return failed
      request.restart()
      return lasting(request, handle(request, missing))
    })
  }
  return request => handle(request, undefined)
}
