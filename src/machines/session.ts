/**
 * A process's place at a volume of many machines: its store, its device, and what keeps its lease or its pin.
 *
 *     to write   whose turn is it? -> nobody's: taken -> renewed every BEAT -> left
 *                     \--> somebody's: it is renewed meanwhile -> Occupied; it runs out -> taken
 *     to read    a place at the newest commit -> renewed every BEAT, moved on by who follows -> left
 *
 * Invariants
 *   SES1 What is left behind by a process that was killed is somebody else's LEASE_SECONDS later.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { errno } from '../base/index.ts'
import type { Keep, Origin, RemoteSettings } from '../remote/index.ts'
import type { Scheduler, Ticket } from '../sched/index.ts'
import { NetworkedStore, type Reuse } from '../volume/index.ts'
import { Bucket } from './bucket.ts'
import { placeOf, type Turn, turnOf, type VolumeRow } from './catalog.ts'
import { type Owner, PostgresMetadata } from './metadata.ts'
import type { Postgres } from './postgres.ts'
import { SegmentDevice } from './segment-device.ts'
import { SegmentIndex } from './segment-index.ts'
import { PostgresWay } from './way.ts'

/** Milliseconds between two renewals of a lease. */
const BEAT = 3000
/** Beats between two sweeps of what nobody reads any more. */
const SWEEP_BEATS = 5
/** Milliseconds between two looks at somebody else's lease. */
const LOOK = 500

/** Somebody else writes. */
export class Occupied extends Error {
  readonly owner: Owner | undefined

  constructor(owner: Owner | undefined) {
    super(
      owner === undefined ? 'somebody else' : `process ${owner.pid} on ${owner.host}, since ${owner.since}`,
    )
    this.owner = owner
  }
}

export interface SessionPlan {
  readonly scheduler: Scheduler
  /** Runs what an answer has made ready. */
  readonly pump: () => void
  readonly completed: (ticket: Ticket) => Promise<unknown>
  /** The session's from now on. */
  readonly postgres: Postgres
  readonly row: VolumeRow
  readonly mode: 'r' | 'r+'
  readonly origin: Origin
  readonly settings: RemoteSettings
  /** Where parts of segments are kept on this computer; undefined: nowhere. */
  readonly keep: Keep | undefined
  /** Called when something was committed that reads don't see yet; undefined: nobody follows. */
  readonly onNews: (() => void) | undefined
}

export class Session {
  readonly store: NetworkedStore
  readonly device: SegmentDevice
  readonly bucket: Bucket
  readonly reuse: Reuse
  /** Of a writer: who had the lease before, if he didn't give it back. */
  readonly before: Owner | undefined
  private readonly plan: SessionPlan
  private readonly way: PostgresWay
  private readonly timer: ReturnType<typeof setInterval>
  private beats = 0

  private constructor(
    plan: SessionPlan,
    parts: Pick<Session, 'store' | 'before' | 'reuse'>,
    way: PostgresWay,
  ) {
    const { row, postgres, origin, settings, keep, mode, pump } = plan
    this.plan = plan
    this.store = parts.store
    this.before = parts.before
    this.reuse = parts.reuse
    this.way = way
    this.bucket = new Bucket(placeOf(row), origin, settings)
    const { name: client, lease } = this.store
    this.device = new SegmentDevice({
      name: row.data.url,
      bucket: this.bucket,
      index: new SegmentIndex(postgres, row.id),
      blockSize: row.data.blockSize,
      writer: mode === 'r+' ? { client, epoch: lease.epoch } : undefined,
      keep,
      pump,
    })
    this.timer = setInterval(() => this.beat(), BEAT)
    this.timer.unref()
    if (plan.onNews !== undefined) postgres.listen(volume => this.hear(volume))
  }

  /** Throws Occupied, PostgresError. */
  static async open(plan: SessionPlan): Promise<Session> {
    const { postgres, row, mode } = plan
    for (;;) {
      const turn = mode === 'r+' ? await freeTurn(postgres, row.id) : undefined
      const way: PostgresWay = new PostgresWay(new PostgresMetadata(postgres, row.id), () => {
        plan.pump()
        if (store.pendingNews.length > 0) plan.onNews?.()
      })
      const name = randomBytes(12).toString('hex')
      const role =
        turn === undefined ? { as: 'reader' as const } : { as: 'writer' as const, over: turn.epoch }
      const store: NetworkedStore = new NetworkedStore(plan.scheduler, way, { ...role, name })
      await plan.completed(store.entered)
      // Somebody else came first.
      if (store.entered.errno === errno.ESTALE) continue
      // Who had it may have put more before he lost it: numbers go on behind that.
      const grown = await new SegmentIndex(postgres, row.id).grown()
      const before = turn === undefined || turn.expires === '-infinity' ? undefined : turn.owner
      return new Session(plan, { store, before, reuse: { growsFrom: Math.max(1, grown) } }, way)
    }
  }

  /** Settles when all is given back: another may come at once. */
  async close(): Promise<void> {
    clearInterval(this.timer)
    const { postgres, row } = this.plan
    await this.device.close()
    await this.way.close()
    this.bucket.close()
    await postgres.ask('select faultline.leave($1, $2)', [row.id, this.store.name]).catch(() => {})
    await postgres.close()
  }

  private beat(): void {
    const { store, plan } = this
    store.keep()
    if (plan.onNews !== undefined) store.renew()
    if (store.readOnly || this.beats++ % SWEEP_BEATS > 0) return
    // What couldn't be swept now is swept later.
    plan.postgres.ask('select faultline.sweep($1)', [plan.row.id]).catch(() => {})
  }

  private hear(volume: number | undefined): void {
    if (volume === undefined || volume === this.plan.row.id) this.store.renew()
  }
}

/** When nobody has the lease, or it has run out. Throws Occupied if it is renewed meanwhile. */
async function freeTurn(postgres: Postgres, volume: number): Promise<Turn> {
  const first = await turnOf(postgres, volume)
  for (let turn = first; ; turn = await turnOf(postgres, volume)) {
    if (turn.free) return turn
    if (turn.expires !== first.expires) throw new Occupied(turn.owner)
    await sleep(LOOK)
  }
}
