/** What the objects of a hardware machine have in common on the caller's side: a number on the wire. */
import { FaultlineError } from '../map/index.ts'
import type { Line } from './line.ts'
import type { Reference } from './wire.ts'

export class Remote {
  readonly line: Line
  readonly ref: number

  constructor(line: Line, { ref }: Reference) {
    this.line = line
    this.ref = ref
    line.register(this, ref)
  }

  /** Makes a call; the signal of its options travels beside them. */
  protected call(method: string, ...args: readonly unknown[]): Promise<unknown> {
    const options = args.at(-1)
    const signal = signalOf(options)
    if (signal === undefined)
      return this.line.call(
        this.ref,
        method,
        args.map(each => this.sendable(each)),
      )
    const { signal: _, ...rest } = options as { readonly signal: AbortSignal }
    const sendable = [...args.slice(0, -1), rest].map(each => this.sendable(each))
    return this.line.call(this.ref, method, sendable, signal)
  }

  /** Makes a call that is answered at once. */
  protected ask(method: string, ...args: readonly unknown[]): unknown {
    return this.line.ask(
      this.ref,
      method,
      args.map(each => this.sendable(each)),
    )
  }

  /** Objects of this machine go as their numbers, alone or among options. */
  private sendable(argument: unknown): unknown {
    if (argument instanceof Remote) return { ref: argument.line === this.line ? argument.ref : -1 }
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
  const { signal } = (options ?? {}) as { readonly signal?: unknown }
  return signal instanceof AbortSignal ? signal : undefined
}

function notSent(): FaultlineError {
  return new FaultlineError(
    'ENOTSUP',
    'call',
    "a hardware machine runs in a thread of its own, to which a function (as `progress`) can't be sent; leave it out, or start with mmu 'software'",
  )
}
