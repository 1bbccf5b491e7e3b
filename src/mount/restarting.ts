/**
 * Requests about records that aren't here yet: the volume of many machines has them on a server. What is answered "not here" is
 * restarted from scratch when they have come, as a fault is; nobody else waits for that.
 *
 *     request -> answered                          \-> EAGAIN -> what was missing has come -> the same request once more
 *
 * Invariants
 *   RSR1 A call on metadata that meets a record that isn't here has changed nothing (J1), and what a request did before it may be done
 *        twice.
 *   RSR2 What a request leaves to be noted, times and holds, is noted when the record has come (`settle`).
 */
import { errno } from '../base/index.ts'
import type { Answered, Handler, Operations, Request } from '../fuse/index.ts'
import type { Performer } from '../map/index.ts'
import { type Answer, Asking, askingArgs, type Volume as Core } from '../volume/index.ts'
import type { Parts } from './parts.ts'

/** What is here of the parts. */
type Where = Pick<Parts, 'performer' | 'groupOf'> & { readonly core: Pick<Core, 'parts'> }

/** The operations, each restarted until what it asks for is here. */
export function restarting(where: Where, operations: Operations): Operations {
  const entries = Object.entries(operations).map(([opcode, handler]) => [opcode, restarted(where, handler)])
  return Object.fromEntries(entries) as Operations
}

function restarted(where: Where, handler: Handler): Handler {
  const handle: Handler = request => {
    const answered = handler(request)
    return answered instanceof Promise ? answered.then(late => look(request, late)) : look(request, answered)
  }
  const look = (request: Request, answered: Answered | undefined): ReturnType<Handler> =>
    answered === errno.EAGAIN && where.core.parts.overlay.missing !== undefined ? again(request) : answered
  const again = async (request: Request): Promise<Answered | undefined> => {
    const killed = await hasCome(where, request)
    if (killed) return errno.EINTR
    request.restart()
    return handle(request)
  }
  return handle
}

/** Waits for what the last call on metadata missed. Says whether the request was killed meanwhile. */
async function hasCome({ core, performer, groupOf }: Where, request: Request): Promise<boolean> {
  const ticket = core.parts.overlay.missing!
  const coming = performer.completed(ticket, groupOf(request.pid))
  const killed = new Promise<boolean>(resolve => {
    request.kill = () => resolve(true)
  })
  const wasKilled = await Promise.race([coming.then(() => false), killed])
  request.kill = undefined
  return wasKilled
}

/** A call that nobody waits for, now or when its record has come. */
export function settle(
  performer: Performer,
  who: Parameters<Performer['begin']>[2],
  ask: () => Answer<unknown>,
): void {
  const { outcome } = ask()
  if (outcome.kind === 'wait') performer.begin(new Asking(), askingArgs(ask), who)
}
