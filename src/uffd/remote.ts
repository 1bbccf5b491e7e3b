/** What the objects of a hardware machine have in common on the caller's side: a number on the wire, and the calls of it. */
import { FaultlineError } from '../calls/index.ts'
import type { Answer, Call } from './calls.ts'
import type { Connection } from './connection.ts'
import type { Reference } from './wire.ts'

/** `Calls`: what the pager serves of such an object (calls.ts). */
export class Remote<Calls> {
  readonly connection: Connection
  readonly ref: number

  constructor(connection: Connection, { ref }: Reference) {
    this.connection = connection
    this.ref = ref
    connection.register(this, ref)
  }

  /** Makes a call; the signal of its options travels beside them. */
  protected async call<Name extends string & keyof Calls>(
    method: Name,
    ...args: Parameters<Call<Calls, Name>>
  ): Promise<Answer<Calls, Name>> {
    const options: unknown = args.at(-1)
    const signal = signalOf(options)
    const sent = signal === undefined ? args : [...args.slice(0, -1), withoutSignal(options)]
    const answer = await this.connection.call(
      this.ref,
      method,
      sent.map(each => this.sendable(each)),
      signal,
    )
    return answer as Answer<Calls, Name>
  }

  /** Makes a call that is answered at once. */
  protected ask<Name extends string & keyof Calls>(
    method: Name,
    ...args: Parameters<Call<Calls, Name>>
  ): Answer<Calls, Name> {
    const answer = this.connection.ask(
      this.ref,
      method,
      args.map(each => this.sendable(each)),
    )
    return answer as Answer<Calls, Name>
  }

  /** Objects of this machine go as their numbers, alone or among options. */
  private sendable(argument: unknown): unknown {
    if (argument instanceof Remote)
      return { ref: argument.connection === this.connection ? argument.ref : -1 }
    if (typeof argument === 'function') throw notSent()
    if (
      typeof argument !== 'object' ||
      argument === null ||
      ArrayBuffer.isView(argument) ||
      Array.isArray(argument)
    )
      return argument
    return Object.fromEntries(
      Object.entries(argument).map(([key, value]) => [
        key,
        value instanceof Remote || typeof value === 'function' ? this.sendable(value) : value,
      ]),
    )
  }
}

function signalOf(options: unknown): AbortSignal | undefined {
  if (typeof options !== 'object' || options === null || !('signal' in options)) return undefined
  return options.signal instanceof AbortSignal ? options.signal : undefined
}

function withoutSignal(options: unknown): unknown {
  return Object.fromEntries(Object.entries(Object(options)).filter(([key]) => key !== 'signal'))
}

function notSent(): FaultlineError {
  return new FaultlineError(
    'ENOTSUP',
    'call',
    "a hardware machine runs in a thread of its own, to which a function (as `progress`) can't be sent; leave it out, or start with mmu 'software'",
  )
}
