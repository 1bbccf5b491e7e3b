/**
 * Which blocks of segments are somebody's: free runs at a commit, and runs of segments, side by side.
 *
 *     runs    |---- segment 7 ----|   |------ segment 9 ------|
 *     free        |---|                    |--------------------|
 *     live    |--|     |--|           |---|
 */
import type { Bytes } from '../base/index.ts'
import { decodeNumbers } from '../volume/index.ts'
import type { Postgres } from './postgres.ts'
import type { SegmentName, SegmentRun } from './segment-index.ts'

/** Rows that one answer brings. */
const PAGE = 5000
/** Of the record of a free run: three numbers, and the checksum behind them. */
const RUN_BYTES: Bytes = 24

/** A volume in a database. */
export interface Place {
  readonly postgres: Postgres
  readonly volume: number
}

interface Span {
  readonly start: number
  readonly stop: number
}

type NamedRun = SegmentRun & SegmentName

/** Blocks in a row of a segment that aren't free at the commit, in order of their numbers. */
export async function* liveRuns(place: Place, head: number): AsyncGenerator<NamedRun> {
  const free = freeRuns(place, head)
  let next = await free.next()
  for await (const run of segmentRuns(place)) {
    // Both come in order, and neither overlaps itself.
    while (next.done !== true && next.value.stop <= run.start) next = await free.next()
    let { start } = run
    const part = (stop: number): NamedRun => ({ ...run, start, stop, place: run.place + start - run.start })
    while (next.done !== true && next.value.start < run.stop) {
      if (next.value.start > start) yield part(next.value.start)
      start = Math.min(run.stop, next.value.stop)
      if (next.value.stop > run.stop) break
      next = await free.next()
    }
    if (start < run.stop) yield part(run.stop)
  }
}

/** One that goes meanwhile is taken for used: what it would have shown dead is collected next time. */
async function* freeRuns({ postgres, volume }: Place, head: number): AsyncGenerator<Span, undefined> {
  for (let after = 'f'; ; ) {
    const rows = await postgres.ask<{ key: string; value: Buffer }>(
      `select key, value from faultline.record where volume = $1 and key > $2 and key < 'g' and since <= $3 and until > $3
       order by key limit ${PAGE}`,
      [volume, after, head],
    )
    for (const { key, value } of rows) {
      const [start] = decodeNumbers(value.subarray(0, RUN_BYTES), 3, key)
      yield { start: start!, stop: Number.parseInt(key.slice(1), 16) + 1 }
    }
    if (rows.length < PAGE) return undefined
    after = rows.at(-1)!.key
  }
}

async function* segmentRuns({ postgres, volume }: Place): AsyncGenerator<NamedRun> {
  for (let after = 0; ; ) {
    const rows = await postgres.ask<NamedRun>(
      `select start::float8 as start, stop::float8 as stop, place::float8 as place, epoch::float8 as epoch,
         number::float8 as number
       from faultline.run where volume = $1 and stop > $2 order by stop limit ${PAGE}`,
      [volume, after],
    )
    yield* rows
    if (rows.length < PAGE) return
    after = rows.at(-1)!.stop
  }
}
