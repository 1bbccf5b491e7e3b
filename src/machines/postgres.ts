/**
 * The connections to a PostgreSQL server, by the package `pg`, which is asked for by name: a pool for calls, and one connection
 * that hears of commits.
 *
 *     ask      -> a connection of the pool, a new one if it must be -> rows, or PostgresError
 *     listen   -> one connection; when it breaks, another after a pause
 *
 * Invariants
 *   PGC1 After an error that says nothing of what became of a call (`kind` 'unknown') it may have been done, or be done yet.
 */

import type { Client as PgClient, Pool as PgPool, PoolConfig } from 'pg'
import { codeOf, messageOf } from '../base/index.ts'

type Pg = typeof import('pg')

/** The package `pg` isn't installed. */
export class PgMissing extends Error {}

/** Milliseconds until a connection must stand, and until an answer must be here. */
const CONNECT_WITHIN = 5000
const ANSWER_WITHIN = 30_000
const CONNECTIONS = 6
/** Milliseconds before the listening connection is made again. */
const LISTEN_PAUSE = 500
const CHANNEL = 'faultline'

/** Of errors of TLS: the server isn't who it was to be. */
const UNTRUSTED = /^(CERT_|ERR_TLS|ERR_SSL|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_CA)/
/**
 * SQLSTATEs that say nothing of a call, or that it may succeed when it is made again: of connections (08), rolled back (40), out of
 * resources (53), by an operator (57), and of the system (58) (PostgreSQL 15, appendix A).
 */
const PASSING = /^(08|40|57|58|53(000|200|300))/

/** What the server refused, or why it couldn't be asked. */
export class PostgresError extends Error {
  /** 'refused': nothing was changed, and asking again is no use. 'untrusted': neither was, since its certificate is wrong. */
  readonly kind: 'unknown' | 'refused' | 'untrusted'
  /** SQLSTATE, or the code of the connection's error. */
  readonly code: string | undefined

  constructor(cause: unknown) {
    const code = codeOf(cause)
    const message = messageOf(cause)
    const text = message === '' && cause instanceof AggregateError ? String(cause.errors[0]) : message
    super(text === '' ? String(code) : text, { cause })
    this.code = code
    const isFromServer =
      /^[0-9A-Z]{5}$/.test(this.code ?? '') && cause instanceof Error && 'severity' in cause
    if (isFromServer) this.kind = PASSING.test(this.code!) ? 'unknown' : 'refused'
    else this.kind = UNTRUSTED.test(this.code ?? '') ? 'untrusted' : 'unknown'
  }
}

export class Postgres {
  /** The address without its password. */
  readonly name: string
  private readonly address: string
  private readonly pg: Pg
  private readonly pool: PgPool
  private listener: PgClient | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private isClosed = false

  private constructor(address: string, pg: Pg) {
    this.address = address
    this.name = shownAddress(address)
    this.pg = pg
    this.pool = new pg.Pool({
      ...this.config(),
      max: CONNECTIONS,
      query_timeout: ANSWER_WITHIN,
      allowExitOnIdle: true,
    })
    // One that breaks while nobody uses it is made anew.
    this.pool.on('error', () => {})
  }

  /** `address`: postgres://user:password@host:port/database?sslmode=verify-full. Throws PgMissing. */
  static async open(address: string): Promise<Postgres> {
    return new Postgres(address, await loadPg())
  }

  /** One statement, a transaction of its own. Throws PostgresError. */
  async ask<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    try {
      const { rows } = await this.pool.query({ text, values: [...values] })
      return rows as Row[]
    } catch (error) {
      throw new PostgresError(error)
    }
  }

  /** Several statements in one transaction: `act` is given what asks. Throws PostgresError. */
  async together<T>(act: (ask: Postgres['ask']) => Promise<T>): Promise<T> {
    try {
      const client = await this.pool.connect()
      let failed: Error | undefined
      try {
        await client.query('begin')
        const said = await act(async (text, values = []) => {
          const { rows } = await client.query({ text, values: [...values] })
          return rows as never[]
        })
        await client.query('commit')
        return said
      } catch (error) {
        failed = error instanceof Error ? error : new Error(String(error))
        throw error
      } finally {
        client.release(failed)
      }
    } catch (error) {
      throw new PostgresError(error)
    }
  }

  /** Calls `heard` after each commit of any volume there, and whenever some may have been missed. */
  listen(heard: (volume: number | undefined) => void): void {
    void this.listenOnce(heard)
  }

  async close(): Promise<void> {
    this.isClosed = true
    clearTimeout(this.timer)
    await this.listener?.end().catch(() => {})
    await this.pool.end()
  }

  private async listenOnce(heard: (volume: number | undefined) => void): Promise<void> {
    const client = new this.pg.Client(this.config())
    let isOver = false
    const over = () => {
      if (isOver) return
      isOver = true
      void client.end().catch(() => {})
      if (!this.isClosed) this.timer = setTimeout(() => this.listen(heard), LISTEN_PAUSE)
    }
    client.on('error', over)
    client.on('end', over)
    client.on('notification', ({ payload }) => heard(Number(payload)))
    try {
      await client.connect()
      await client.query(`listen ${CHANNEL}`)
      this.listener = client
      ;(client as unknown as { unref(): void }).unref()
      if (this.isClosed) await client.end()
      else heard(undefined)
    } catch {
      over()
    }
  }

  private config(): PoolConfig {
    return {
      connectionString: asLibpq(this.address),
      connectionTimeoutMillis: CONNECT_WITHIN,
      keepAlive: true,
      application_name: 'faultline',
    }
  }
}

/** Whether it can be the address of a database; where the host is a socket, there is none behind the name. */
export function isAddress(text: unknown): text is string {
  return (
    typeof text === 'string' &&
    /^postgres(ql)?:\/\//.test(text) &&
    (URL.canParse(text) || URL.canParse(text.replace('@/', '@socket/')))
  )
}

/** What `sslmode` may say. */
export const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full', 'no-verify'] as const

/** What an address says of `sslmode` that isn't among them: `allow` and `prefer`, too, which take whatever there is. */
export function wrongSslMode(address: string): string | undefined {
  const said = /[?&]sslmode=([^&#]*)/.exec(address)?.[1]
  return SSL_MODES.some(mode => mode === said) ? undefined : said
}

/** What may be shown of an address: its password isn't, whatever stands in it; rather too little is shown. */
export function shownAddress(address: string): string {
  return address.replace(/^([a-z]+:\/\/[^:@/?]*):.*@/is, '$1@').replace(/([?&]password=)[^&]*/i, '$1…')
}

/** `sslmode` means what PostgreSQL's own clients take it for, whichever version of `pg` there is: 'require' encrypts, and checks nothing. */
function asLibpq(address: string): string {
  return /[?&]sslmode=/.test(address) && !address.includes('uselibpqcompat=')
    ? `${address}&uselibpqcompat=true`
    : address
}

async function loadPg(): Promise<Pg> {
  try {
    const { default: pg } = await import('pg')
    return pg as unknown as Pg
  } catch (error) {
    if (codeOf(error) !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new PgMissing(
      "the package pg isn't installed; the metadata of a volume on many machines lies in PostgreSQL, which is asked with it: npm install pg",
    )
  }
}
