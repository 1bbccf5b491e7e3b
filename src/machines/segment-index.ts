/**
 * Which segment of the bucket a block lies in, as PostgreSQL knows it. A run of blocks is written once, with its segment. What is
 * known of it stays right until the segment is rewritten (rewriting.ts): who finds it gone forgets where it was, and asks again.
 *
 * Invariants
 *   SGI1 A block is in one run at most: its number was given out once.
 */
import { SortedMap } from '../volume/index.ts'
import type { Postgres } from './postgres.ts'

/** Runs that one answer brings, and that are kept at most: some 30 MB. */
const FETCH_MAX = 1000
const KEPT_MAX = 200_000
/** Of keys: as many digits as a number below 2^53 has. */
const DIGITS = 14

/** In place of an epoch: of segments that were put together of others. Writers' epochs begin with 1. */
export const REWRITTEN = 0

export interface SegmentName {
  /** The first epoch of the writer who made it; REWRITTEN. */
  readonly epoch: number
  readonly number: number
}

/** Blocks [start, stop) lie in the segment from its block `place` on. */
export interface SegmentRun {
  readonly start: number
  readonly stop: number
  readonly place: number
}

export interface PlacedRun extends SegmentRun, SegmentName {
  /** Of the whole segment. */
  readonly bytes: number
}

export const segmentKey = ({ epoch, number }: SegmentName): string => `segments/${epoch}/${number}`

export class SegmentIndex {
  private readonly postgres: Postgres
  private readonly volume: number
  /** By where they stop. */
  private known = new SortedMap<PlacedRun>()

  constructor(postgres: Postgres, volume: number) {
    this.postgres = postgres
    this.volume = volume
  }

  /** The run that has the block, if it is known here. */
  at(block: number): PlacedRun | undefined {
    const run = this.known.ceiling(keyOf(block + 1), '~')?.value
    return run !== undefined && run.start <= block ? run : undefined
  }

  /** Asks for the run that has the block, and some behind it; whether there is one. Throws PostgresError. */
  async bring(block: number): Promise<PlacedRun | undefined> {
    const rows = await this.postgres.ask<PlacedRun>(
      `select r.start::float8 as start, r.stop::float8 as stop, r.place::float8 as place,
         r.epoch::float8 as epoch, r.number::float8 as number, s.bytes::float8 as bytes
       from faultline.run r join faultline.segment s using (volume, epoch, number)
       where r.volume = $1 and r.stop > $2 order by r.stop limit ${FETCH_MAX}`,
      [this.volume, block],
    )
    if (this.known.size > KEPT_MAX) this.known = new SortedMap()
    for (const run of rows) this.add(run)
    return this.at(block)
  }

  /** What is known of the run is so no more. */
  forget(run: PlacedRun): void {
    this.known.delete(keyOf(run.stop))
  }

  /** Says that a segment is there and what lies in it; false: somebody else writes now. Throws PostgresError. */
  async seal(
    client: string,
    name: SegmentName,
    bytes: number,
    runs: readonly SegmentRun[],
  ): Promise<boolean> {
    const [row] = await this.postgres.ask<{ sealed: boolean }>(
      'select faultline.seal($1, $2, $3, $4, $5, $6, $7, $8) as sealed',
      [
        this.volume,
        client,
        name.epoch,
        name.number,
        bytes,
        runs.map(({ start }) => start),
        runs.map(({ stop }) => stop),
        runs.map(({ place }) => place),
      ],
    )
    if (row!.sealed) for (const run of runs) this.add({ ...run, ...name, bytes })
    return row!.sealed
  }

  /** The first block that no segment was ever said to have. Throws PostgresError. */
  async grown(): Promise<number> {
    const [row] = await this.postgres.ask<{ grown: number }>(
      'select grown::float8 as grown from faultline.volume where id = $1',
      [this.volume],
    )
    return row!.grown
  }

  private add(run: PlacedRun): void {
    this.known.set(keyOf(run.stop), run)
  }
}

function keyOf(block: number): string {
  return block.toString(16).padStart(DIGITS, '0')
}
