/**
 * The way between clients and a metadata server, on which everything can be late or lost. Nothing moves unless it is told to.
 *
 *     asked --the server has it--> answered --the client has it--> gone
 *        \-------- the client gives up --------/       what is asked may reach the server all the same, later
 *
 * Invariants   NW1 (volume/metadata-calls.ts)
 */
import { assert } from '../base/index.ts'
import type { Call, Client, Reply, Way } from '../volume/index.ts'
import type { MetadataServer } from './metadata-server.ts'

export interface Message {
  readonly client: Client
  readonly call: Call
  reply: Reply | undefined
  /** The client waits for it. */
  isAwaited: boolean
}

export class Network implements Way {
  /** First sent first. */
  readonly messages: Message[] = []
  private readonly server: MetadataServer

  constructor(server: MetadataServer) {
    this.server = server
  }

  send(client: Client, call: Call): void {
    this.messages.push({ client, call, reply: undefined, isAwaited: true })
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

  private remove(message: Message): void {
    this.messages.splice(this.messages.indexOf(message), 1)
  }
}
