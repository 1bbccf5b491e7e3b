/** The store whose records lie in PostgreSQL, on a real server, by the contract of every store and of those that machines share. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { errno } from '../base/index.ts'
import { RealDriver, Scheduler, type Ticket } from '../sched/index.ts'
import { type Call, type Client, NetworkedStore, type Role, type Way } from '../volume/index.ts'
import {
  type SharedStores,
  type StoreUnderTest,
  sharedStoreSuite,
  storeSuite,
} from '../volume/store.suite.ts'
import { PostgresMetadata } from './metadata.ts'
import { Postgres } from './postgres.ts'
import { NO_POSTGRES, PostgresServer } from './postgres-server.fixture.ts'
import { VERSIONS } from './schema.ts'
import { SchemaTooNew, upgradeSchema, versionOf } from './upgrade.ts'
import { PostgresWay } from './way.ts'

/** Loses what it is told to, and can bring it after all. */
class LossyWay implements Way {
  losing: 'the commit' | 'its answer' | undefined
  late: (() => Promise<unknown>) | undefined
  readonly underWay = new Set<Promise<void>>()
  private readonly metadata: PostgresMetadata
  private readonly way: PostgresWay

  constructor(metadata: PostgresMetadata, way: PostgresWay) {
    this.metadata = metadata
    this.way = way
  }

  send(client: Client, call: Call): void {
    const { losing } = this
    if (call.kind !== 'commit' || losing === undefined) {
      this.way.send(client, call)
      return
    }
    this.losing = undefined
    const deliver = () => this.metadata.answer(client.name, call)
    if (losing === 'the commit') {
      this.late = deliver
      queueMicrotask(() => client.hear(call, 'nothing'))
    } else void deliver().then(() => client.hear(call, 'nothing'))
  }
}

let volumes = 0

class Stores implements SharedStores {
  private readonly postgres: Postgres
  private readonly metadata: PostgresMetadata
  private readonly driver = new RealDriver()
  private readonly scheduler = new Scheduler(this.driver)
  private readonly way: LossyWay
  private readonly inner: PostgresWay
  private readonly clients = new Set<NetworkedStore>()

  private constructor(postgres: Postgres, volume: number) {
    this.postgres = postgres
    this.metadata = new PostgresMetadata(postgres, volume)
    this.driver.attach(this.scheduler)
    this.inner = new PostgresWay(this.metadata, () => this.driver.pump())
    this.way = new LossyWay(this.metadata, this.inner)
  }

  static async make(postgres: Postgres): Promise<Stores> {
    await upgradeSchema(postgres)
    const [row] = await postgres.ask<{ id: string }>(
      "insert into faultline.volume (name, data) values ($1, '{}') returning id",
      [`volume ${++volumes}`],
    )
    return new Stores(postgres, Number(row!.id))
  }

  async writer(): Promise<StoreUnderTest> {
    await this.set("expires = '-infinity'")
    const [row] = await this.postgres.ask<{ epoch: number }>(
      'select epoch::float8 as epoch from faultline.volume where id = $1',
      [this.metadata.volume],
    )
    return this.enter({ as: 'writer', over: row!.epoch })
  }

  async reader(): Promise<StoreUnderTest> {
    return this.enter({ as: 'reader' })
  }

  lose(what: 'the commit' | 'its answer'): void {
    this.way.losing = what
  }

  async deliverLate(): Promise<void> {
    assert.ok(this.way.late !== undefined)
    assert.deepEqual(await this.way.late(), { kind: 'stale' })
  }

  async news(): Promise<void> {
    await this.quiet()
    for (const client of this.clients) client.renew()
    await this.quiet()
  }

  cutLog(): Promise<void> {
    return this.set('log_start = head + 1')
  }

  async expire({ store }: StoreUnderTest): Promise<void> {
    const client = store as NetworkedStore
    if (client.readOnly) {
      client.expire()
      await this.postgres.ask("update faultline.reader set expires = '-infinity' where client = $1", [
        client.name,
      ])
    } else await this.set("expires = '-infinity'")
  }

  /** All have slept for longer than a lease runs. */
  async sleep(): Promise<void> {
    await this.set("expires = '-infinity'")
    Object.assign(this.inner, { heldAt: 0 })
  }

  private set(what: string): Promise<void> {
    return this.postgres
      .ask(`update faultline.volume set ${what} where id = $1`, [this.metadata.volume])
      .then(() => {})
  }

  private async quiet(): Promise<void> {
    await Promise.all(this.inner['underWay'])
  }

  private async enter(role: { readonly as: 'reader' } | { readonly as: 'writer'; readonly over: number }) {
    const name = `${role.as} ${this.clients.size + 1} of ${this.metadata.volume}`
    const store = new NetworkedStore(this.scheduler, this.way, { ...role, name } as Role)
    this.clients.add(store)
    const at: StoreUnderTest = {
      store,
      settle: ticket => completed(ticket),
      reopen: () => this.writer(),
      close: async () => {},
    }
    await at.settle(store.entered)
    assert.equal(store.entered.errno, 0)
    return at
  }
}

async function completed(ticket: Ticket): Promise<void> {
  while (!ticket.complete) await new Promise(resolve => setImmediate(resolve))
}

describe('metadata in PostgreSQL', { skip: NO_POSTGRES }, () => {
  let server: PostgresServer
  let postgres: Postgres
  before(async () => {
    server = await PostgresServer.start()
    postgres = await Postgres.open(server.address)
  })
  after(async () => {
    await postgres.close()
    await server.stop()
  })

  storeSuite('PostgreSQL', async () => (await Stores.make(postgres)).writer())
  sharedStoreSuite('PostgreSQL', () => Stores.make(postgres))

  test('lets a writer that slept past its lease go on, if nobody else has come', async () => {
    const stores = await Stores.make(postgres)
    const { store, settle } = await stores.writer()
    const commit = async () => {
      const changes = [{ key: 'a', value: new Uint8Array(1) }]
      const ticket = store.commit(changes, { epoch: store.lease.epoch, after: store.at })
      await settle(ticket)
      return ticket.errno
    }
    assert.equal(await commit(), 0)
    await stores.sleep()
    assert.equal(await commit(), 0)
    const other = await stores.writer()
    await stores.sleep()
    assert.equal(await commit(), errno.ESTALE)
    assert.equal(other.store.at, 2)
  })

  test('makes its schema once, though many come at once, and refuses one of a later version', async () => {
    await postgres.ask('drop schema faultline cascade')
    assert.equal(await versionOf(postgres), 0)
    await Promise.all(Array.from({ length: 4 }, () => upgradeSchema(postgres)))
    assert.equal(await versionOf(postgres), VERSIONS.length)
    await postgres.ask('update faultline.schema set version = version + 1')
    await assert.rejects(upgradeSchema(postgres), SchemaTooNew)
    await postgres.ask('update faultline.schema set version = version - 1')
  })
})
