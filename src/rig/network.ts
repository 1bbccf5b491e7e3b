/**
 * The way between clients and a metadata server, on which everything can be late or lost.
 *
 *     asked --the server has it--> answered --the client has it--> gone
 *        \-------- the client gives up --------/       what is asked may reach the server all the same, later
 *
 * Invariants
 *   NW1 A client hears of each call once: its answer, or that it has given up.
 */
import { assert, type Ns } from '../base/index.ts'
import { Alarm, type Chore, type Scheduler } from '../sched/index.ts'
import type { Call, MetadataServer, Reply } from './metadata-server.ts'

export interface Client {
  readonly name: string
  hear(call: Call, reply: Reply | 'nothing'): void
}

export interface Message {
  readonly client: Client
  readonly call: Call
  reply: Reply | undefined
  /** The client waits for it. */
  isAwaited: boolean
}

export class Network implements Chore {
  readonly name = 'network'
  /** First sent first. */
  readonly messages: Message[] = []
  private readonly server: MetadataServer
  private readonly delivery: Alarm | undefined
  private readonly clock: Scheduler | undefined

  /** With a clock calls are made in turn, each a little later; without one they move when they are told to. */
  constructor(server: MetadataServer, clock?: Scheduler) {
    this.server = server
    this.clock = clock
    this.delivery = clock === undefined ? undefined : new Alarm(clock, this)
  }

  send(client: Client, call: Call): void {
    this.messages.push({ client, call, reply: undefined, isAwaited: true })
    if (this.clock !== undefined) this.delivery!.by(this.clock.now())
  }

  /** A step on: to the server, or back. */
  move(message: Message): void {
    if (message.reply === undefined) {
      message.reply = this.server.answer(message.client.name, message.call)
      if (!message.isAwaited) this.remove(message)
      return
    }
    this.remove(message)
    message.client.hear(message.call, message.reply)
  }

  /** The client waits no longer. What hasn't reached the server may do so yet. */
  giveUp(message: Message): void {
    assert(message.isAwaited, 'NW1: a client gives up once')
    message.isAwaited = false
    if (message.reply !== undefined) this.remove(message)
    message.client.hear(message.call, 'nothing')
  }

  /** It reaches nobody any more. */
  lose(message: Message): void {
    this.remove(message)
    if (message.isAwaited) message.client.hear(message.call, 'nothing')
  }

  run(): Ns {
    const [message] = this.messages
    if (message !== undefined) this.move(message)
    return this.messages.length === 0 ? Infinity : this.clock!.now()
  }

  private remove(message: Message): void {
    this.messages.splice(this.messages.indexOf(message), 1)
  }
}
