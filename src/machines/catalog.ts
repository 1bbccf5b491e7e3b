/** The volumes that a database knows: by their names, with who has each open. */
import { randomBytes } from 'node:crypto'
import type { BucketPlace } from './bucket.ts'
import type { Owner } from './metadata.ts'
import type { Postgres } from './postgres.ts'

/** What is written down of a volume when it is made. */
export interface VolumeRow {
  /** Its number in this database. */
  readonly id: number
  readonly name: string
  readonly data: Data
  /** The newest commit; 0: it isn't made yet. */
  readonly head: number
}

interface Data {
  readonly url: string
  readonly endpoint?: string
  readonly region: string
  readonly blockSize: number
}

/** Whose turn it is to write. */
export interface Turn {
  readonly epoch: number
  /** Whether another may take over now. */
  readonly free: boolean
  /** Changes whenever the holder renews its lease. */
  readonly expires: string
  /** The last who had it; undefined: nobody ever had. */
  readonly owner: Owner | undefined
}

/** Somebody who has a volume open. */
export interface Opening {
  readonly mode: 'r' | 'r+'
  readonly owner: Owner
  /** The commit that it sees. */
  readonly at: number
  /** Seconds until its place, or its turn, runs out unless it is renewed. */
  readonly seconds: number
}

/** Who has a volume open, and how far it is. */
export interface Attendance {
  readonly epoch: number
  readonly head: number
  readonly horizon: number
  readonly openings: readonly Opening[]
}

export function placeOf({ data }: VolumeRow): BucketPlace {
  return { url: data.url, endpoint: data.endpoint, region: data.region }
}

/** undefined: there is none of that name. Throws PostgresError. */
export async function findVolume(postgres: Postgres, name: string): Promise<VolumeRow | undefined> {
  const [row] = await postgres.ask<VolumeRow>(
    'select id::float8 as id, name, data, head::float8 as head from faultline.volume where name = $1',
    [name],
  )
  return row
}

/** Takes note of a volume that is being made; its objects get a place that no other has. Throws PostgresError. */
export async function noteVolume(
  postgres: Postgres,
  name: string,
  { url, endpoint, region }: BucketPlace,
  blockSize: number,
): Promise<VolumeRow> {
  const own = `${url.replace(/\/+$/, '')}/${encodeURIComponent(name)}.${randomBytes(4).toString('hex')}`
  const data: Data = { url: own, ...(endpoint !== undefined && { endpoint }), region, blockSize }
  // What somebody began to make there, and left, is made anew.
  await postgres.ask(
    `insert into faultline.volume as v (name, data) values ($1, $2) on conflict (name) do update set data = excluded.data
     where v.head = 0 and (v.holder = '' or v.expires <= clock_timestamp())`,
    [name, JSON.stringify(data)],
  )
  return (await findVolume(postgres, name))!
}

export async function turnOf(postgres: Postgres, volume: number): Promise<Turn> {
  const [row] = await postgres.ask<Turn & { readonly owner: Owner | null }>(
    `select v.epoch::float8 as epoch, v.holder = '' or v.expires <= clock_timestamp() as free, v.expires::text as expires, l.owner
     from faultline.volume v left join faultline.lease l on l.volume = v.id and l.epoch = v.epoch where v.id = $1`,
    [volume],
  )
  return { ...row!, owner: row!.owner ?? undefined }
}

/** Throws PostgresError. */
export async function attendanceOf(postgres: Postgres, volume: number): Promise<Attendance> {
  const [row] = await postgres.ask<{
    readonly epoch: number
    readonly head: number
    readonly horizon: number
    readonly holder: string
    readonly seconds: number
    readonly owner: Owner | null
  }>(
    `select v.epoch::float8 as epoch, v.head::float8 as head, v.horizon::float8 as horizon, v.holder, l.owner,
       case when v.holder = '' then 0 else extract(epoch from v.expires - clock_timestamp())::float8 end as seconds
     from faultline.volume v left join faultline.lease l on l.volume = v.id and l.epoch = v.epoch where v.id = $1`,
    [volume],
  )
  const { epoch, head, horizon, holder, seconds, owner } = row!
  const readers = await postgres.ask<Omit<Opening, 'mode'>>(
    `select owner, at::float8 as at, extract(epoch from expires - clock_timestamp())::float8 as seconds
     from faultline.reader where volume = $1 and expires > clock_timestamp() order by owner->>'since'`,
    [volume],
  )
  const writer: Opening[] =
    holder === '' || owner === null || seconds <= 0 ? [] : [{ mode: 'r+', owner, at: head, seconds }]
  return {
    epoch,
    head,
    horizon,
    openings: [...writer, ...readers.map(each => ({ mode: 'r' as const, ...each }))],
  }
}

/** Takes the turn from whoever has it: what he hasn't made durable yet never will be. Returns the new epoch. */
export async function fenceVolume(postgres: Postgres, volume: number, owner: Owner): Promise<number> {
  const [row] = await postgres.ask<{ epoch: number }>('select faultline.fence($1, $2) as epoch', [
    volume,
    JSON.stringify(owner),
  ])
  return row!.epoch
}
