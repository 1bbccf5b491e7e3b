/** The store across a network by the contract of every store, and of those that machines share. */
import assert from 'node:assert/strict'
import { Scheduler, type Ticket, TimedDriver } from '../sched/index.ts'
import { NetworkedStore } from '../volume/index.ts'
import {
  type SharedStores,
  type StoreUnderTest,
  sharedStoreSuite,
  storeSuite,
} from '../volume/store.suite.ts'
import { MetadataServer } from './metadata-server.ts'
import { type Message, Network } from './network.ts'

/** A server, and clients with a number each. */
class Stores implements SharedStores {
  private readonly server = new MetadataServer()
  private readonly network = new Network(this.server)
  private readonly scheduler = new Scheduler(new TimedDriver())
  private readonly clients = new Set<NetworkedStore>()
  private losing: 'the commit' | 'its answer' | undefined
  private late: Message | undefined

  async writer(): Promise<StoreUnderTest> {
    return this.enter({ as: 'writer', over: this.server.epoch })
  }

  async reader(): Promise<StoreUnderTest> {
    return this.enter({ as: 'reader' })
  }

  lose(what: 'the commit' | 'its answer'): void {
    this.losing = what
  }

  async deliverLate(): Promise<void> {
    assert.ok(this.late !== undefined)
    this.network.move(this.late)
  }

  async news(): Promise<void> {
    for (const client of this.clients) client.renew()
    this.moveAll(() => false)
  }

  cutLog(): void {
    this.server.cutLog()
  }

  expire({ store }: StoreUnderTest): void {
    const client = store as NetworkedStore
    client.expire()
    this.server.forget(client.name)
  }

  private async enter(
    role: { readonly as: 'reader' } | { readonly as: 'writer'; readonly over: number },
  ): Promise<StoreUnderTest> {
    const name = `${role.as} ${this.clients.size + 1}`
    const store = new NetworkedStore(this.scheduler, this.network, { ...role, name })
    this.clients.add(store)
    const at: StoreUnderTest = {
      store,
      settle: async ticket => this.moveAll(() => ticket.complete, ticket),
      reopen: () => this.writer(),
      close: async () => {},
    }
    await at.settle(store.entered)
    assert.equal(store.entered.errno, 0)
    return at
  }

  private moveAll(over: () => boolean, ticket?: Ticket): void {
    while (!over()) {
      const message = this.network.messages.find(each => each !== this.late)
      if (message === undefined) {
        assert.ok(ticket === undefined, `${ticket?.what} is waited for, and nothing is under way`)
        return
      }
      const isLost =
        message.call.kind === 'commit' &&
        this.losing === (message.reply === undefined ? 'the commit' : 'its answer')
      if (!isLost) this.network.move(message)
      else {
        if (message.reply === undefined) this.late = message
        this.losing = undefined
        this.network.giveUp(message)
      }
    }
  }
}

storeSuite('networked', () => new Stores().writer())
sharedStoreSuite('networked', async () => new Stores())
