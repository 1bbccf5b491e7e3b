/**
 * The server of a volume's metadata: each call of a client is one statement to PostgreSQL, and so one transaction there.
 *
 * Invariants   SR1 to SR3 (rig/metadata-server.ts), in what schema.ts has the server do
 *   PGM1 What is answered to a commit was durable before.
 */
import os from 'node:os'
import { errno } from '../base/index.ts'
import type { Call, Change, Commit, Reply } from '../volume/index.ts'
import { type Postgres, PostgresError } from './postgres.ts'

/** Records that one answer brings at most. */
const FETCH_MAX = 500
/** Commits that one answer brings at most. */
const NEWS_MAX = 1000
const KEYS_END = '~'
const STALE: Reply = { kind: 'stale' }
/** SQLSTATE: the server's disk is full. */
const DISK_FULL = '53100'

interface Row {
  readonly key: string | null
  readonly value: Buffer
  readonly horizon: number
  readonly pinned: boolean
}

interface LogRow {
  readonly head: number
  readonly start: number
  readonly epoch: number | null
  readonly keys: readonly string[]
  readonly vals: readonly (Buffer | null)[]
}

/** Who has a lease or a place, for people. */
export interface Owner {
  readonly host: string
  readonly pid: number
  readonly since: string
}

/** This process. */
export function ownerNow(): Owner {
  return { host: os.hostname(), pid: process.pid, since: new Date().toISOString() }
}

export class PostgresMetadata {
  readonly postgres: Postgres
  /** The number of the volume there. */
  readonly volume: number
  private readonly owner: string

  constructor(postgres: Postgres, volume: number) {
    this.postgres = postgres
    this.volume = volume
    this.owner = JSON.stringify(ownerNow())
  }

  /** Throws PostgresError; of what was refused for good the answer tells. */
  async answer(client: string, call: Call): Promise<Reply> {
    try {
      return await this.ask(client, call)
    } catch (error) {
      if (!(error instanceof PostgresError) || error.kind === 'unknown') throw error
      return { kind: 'failed', errno: error.code === DISK_FULL ? errno.ENOSPC : errno.EIO }
    }
  }

  private ask(client: string, call: Call): Promise<Reply> {
    switch (call.kind) {
      case 'enter':
        return this.enter(client, call)
      case 'fetch':
        return this.fetch(client, call)
      case 'commit':
        return this.commit(call)
      case 'outcome':
        return this.outcome(client, call)
      case 'renew':
        return this.renew(client)
      case 'news':
        return this.news(call.since)
      case 'pin':
        return this.pin(client, call.at)
    }
  }

  private async enter(client: string, call: Extract<Call, { kind: 'enter' }>): Promise<Reply> {
    const [row] =
      call.as === 'writer'
        ? await this.call<{ epoch: number; at: number; horizon: number }>(
            'epoch, at, horizon from faultline.enter_writer($1, $2, $3, $4)',
            [client, call.over, this.owner],
          )
        : await this.call<{ epoch: number; at: number; horizon: number }>(
            '0::float8 as epoch, at, horizon from faultline.enter_reader($1, $2, $3)',
            [client, this.owner],
          )
    return row === undefined ? STALE : { kind: 'entered', ...row }
  }

  /** One statement sees one state of the database: who may read is judged by the one that was read. */
  private async fetch(client: string, { start, at }: Extract<Call, { kind: 'fetch' }>): Promise<Reply> {
    const rows = await this.call<Row>(
      `v.horizon::float8 as horizon, r.key, r.value,
         v.holder = $2 or exists(select from faultline.reader p where p.volume = v.id and p.client = $2 and p.at = $4) as pinned
       from faultline.volume v left join lateral (
         select key, value from faultline.record where volume = v.id and key >= $3 and since <= $4 and until > $4
         order by key limit ${FETCH_MAX + 1}) r on true
       where v.id = $1`,
      [client, start, at],
    )
    const [first] = rows
    if (first === undefined || (at < first.horizon && !first.pinned)) return STALE
    const entries = rows.flatMap(({ key, value }) => (key === null ? [] : [{ key, value: plain(value) }]))
    const more = entries.length > FETCH_MAX ? entries.pop() : undefined
    return { kind: 'records', entries, end: more?.key ?? KEYS_END }
  }

  private async commit({ basis, changes }: Extract<Call, { kind: 'commit' }>): Promise<Reply> {
    const [row] = await this.call<{ horizon: number }>('horizon from faultline.commit($1, $2, $3, $4, $5)', [
      basis.epoch,
      basis.after,
      changes.map(({ key }) => key),
      changes.map(({ value }) => (value === null ? null : Buffer.from(value))),
    ])
    return row === undefined ? STALE : { kind: 'committed', ...row }
  }

  private async outcome(client: string, { basis }: Extract<Call, { kind: 'outcome' }>): Promise<Reply> {
    const [row] = await this.call<{ made: boolean; epoch: number | null }>(
      'made, epoch from faultline.outcome($1, $2, $3, $4)',
      [client, basis.epoch, basis.after],
    )
    return { kind: 'outcome', made: row!.made, epoch: row!.epoch ?? undefined }
  }

  private async renew(client: string): Promise<Reply> {
    const [row] = await this.call<{ horizon: number }>('horizon from faultline.renew($1, $2)', [client])
    return row === undefined ? STALE : { kind: 'horizon', ...row }
  }

  private async news(since: number): Promise<Reply> {
    const rows = await this.call<LogRow>(
      `v.head::float8 as head, v.log_start::float8 as start, l.epoch::float8 as epoch, l.keys, l.vals
       from faultline.volume v left join faultline.log l on l.volume = v.id and l.number > $2
       where v.id = $1 order by l.number limit ${NEWS_MAX}`,
      [since],
    )
    const [first] = rows
    if (first === undefined) return STALE
    if (since + 1 < first.start) return { kind: 'too old', at: first.head }
    const commits = rows.flatMap(({ epoch, keys, vals }): Commit[] =>
      epoch === null
        ? []
        : [
            {
              epoch,
              changes: keys.map(
                (key, at): Change => ({ key, value: vals[at] === null ? null : plain(vals[at]!) }),
              ),
            },
          ],
    )
    return { kind: 'commits', since, commits }
  }

  private async pin(client: string, at: number): Promise<Reply> {
    const [row] = await this.call<{ pinned: boolean }>('faultline.pin($1, $2, $3, $4) as pinned', [
      client,
      at,
      this.owner,
    ])
    return row!.pinned ? { kind: 'pinned' } : STALE
  }

  private call<T>(text: string, values: readonly unknown[]): Promise<T[]> {
    return this.postgres.ask<T>(`select ${text}`, [this.volume, ...values])
  }
}

/** A Buffer's slice is no copy of it. */
function plain({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}
