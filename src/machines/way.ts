/**
 * The way from the stores of this process to PostgreSQL: what a call is told when the server can't be asked, and when it is asked
 * again.
 *
 *     commit            the lease is old -> renewed first; no answer -> the store is told so at once, and asks for the outcome
 *     outcome, enter, fetch      no answer -> a pause that doubles each time -> the store is told, and asks again
 *     renew, news, pin  no answer -> the store is told; they come again by themselves
 *
 * Invariants   NW1 (volume/metadata-calls.ts)
 *   PWY1 Nothing is heard after `close`.
 */
import type { Call, Client, Reply, Way } from '../volume/index.ts'
import type { PostgresMetadata } from './metadata.ts'
import { PostgresError } from './postgres.ts'

/** The longest first pause, in milliseconds; it doubles with each call that fails in a row, up to PAUSE_MAX. */
const PAUSE = 50
const PAUSE_MAX = 2000
/** Milliseconds after which a writer renews its lease before it commits: it was stopped, or asleep, and nobody else may have come. */
const HELD = 5000
const HOLDING: ReadonlySet<Reply['kind']> = new Set(['entered', 'committed', 'horizon', 'outcome'])
const ASKED_AGAIN: ReadonlySet<Call['kind']> = new Set(['outcome', 'enter', 'fetch'])

export class PostgresWay implements Way {
  /** Why the server couldn't be asked last; undefined: it could. */
  trouble: PostgresError | undefined
  private readonly metadata: PostgresMetadata
  private readonly pump: () => void
  private readonly underWay = new Set<Promise<void>>()
  private readonly pauses = new Set<() => void>()
  private pause = PAUSE
  /** When the server said last that the lease holds: by the clock that goes on while the computer sleeps. */
  private heldAt = 0
  private isClosed = false

  /** `pump` runs what an answer has made ready. */
  constructor(metadata: PostgresMetadata, pump: () => void) {
    this.metadata = metadata
    this.pump = pump
  }

  send(client: Client, call: Call): void {
    const sending = this.see(client, call).finally(() => this.underWay.delete(sending))
    this.underWay.add(sending)
  }

  /** Settles when nothing is under way. */
  async close(): Promise<void> {
    this.isClosed = true
    for (const end of this.pauses) end()
    await Promise.all(this.underWay)
  }

  private async see(client: Client, call: Call): Promise<void> {
    const reply = await this.ask(client, call)
    if (reply === 'nothing' && ASKED_AGAIN.has(call.kind) && !this.isClosed) {
      const pause = this.pause
      this.pause = Math.min(PAUSE_MAX, 2 * pause)
      await this.paused(Math.random() * pause)
    }
    if (this.isClosed) return
    client.hear(call, reply)
    this.pump()
  }

  private async ask(client: Client, call: Call): Promise<Reply | 'nothing'> {
    try {
      if (call.kind === 'commit' && Date.now() - this.heldAt > HELD) {
        const renewed = await this.metadata.answer(client.name, { kind: 'renew' })
        if (renewed.kind === 'stale') return renewed
      }
      const reply = await this.metadata.answer(client.name, call)
      if (HOLDING.has(reply.kind)) this.heldAt = Date.now()
      this.pause = PAUSE
      this.trouble = undefined
      return reply
    } catch (error) {
      if (!(error instanceof PostgresError)) throw error
      this.trouble = error
      return 'nothing'
    }
  }

  private paused(ms: number): Promise<void> {
    return new Promise(resolve => {
      const end = () => {
        clearTimeout(timer)
        this.pauses.delete(end)
        resolve()
      }
      const timer = setTimeout(end, ms)
      this.pauses.add(end)
    })
  }
}
