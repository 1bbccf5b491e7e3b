/**
 * Collects garbage of a volume's bucket: segments of which no block is anybody's any more, and objects that no segment is.
 *
 *     free runs at the newest commit, and runs of segments, side by side -> blocks that live, by segment
 *     none does -> condemned, in the database -> the object goes -> the segment goes
 *     listed, of a writer whose turn is over, and no segment -> goes
 *
 * A block that is free in a durable commit was freed by one that no reader is behind, and is never given out again: so whoever
 * collects needs neither lease nor pin, and others may go on. Whatever ends it, the next one goes on with it.
 *
 * Invariants
 *   COL1 An object goes only when the database says that its segment is condemned, or that it never will be one.
 *   COL2 A segment is judged by a commit that was begun after it was told of: only then a block that its writer holds isn't free.
 */
import type { Bytes } from '../base/index.ts'
import { decodeNumbers } from '../volume/index.ts'
import type { Bucket } from './bucket.ts'
import type { Postgres } from './postgres.ts'
import { segmentKey } from './segment-index.ts'

/** Rows that one answer brings. */
const PAGE = 5000
/** Of the record of a free run: three numbers, and the checksum behind them. */
const RUN_BYTES: Bytes = 24

export interface Collected {
  /** Segments that are there, and the bytes of them. */
  readonly segments: number
  readonly bytes: Bytes
  /** Bytes of blocks in them that are somebody's. */
  readonly live: Bytes
  /** What went, or would: segments of which no block lives, and their bytes. */
  readonly dead: number
  readonly deadBytes: Bytes
  /** Objects that no segment is, which went, or would. */
  readonly orphans: number
}

interface Collecting {
  readonly postgres: Postgres
  readonly volume: number
  readonly blockSize: Bytes
  readonly bucket: Bucket
  readonly how: 'collect' | 'only count'
  readonly signal: AbortSignal | undefined
  /** Hears of objects that went. */
  readonly progress: (objects: number) => void
}

interface SegmentRow {
  readonly epoch: number
  readonly number: number
  readonly bytes: number
  readonly head: number
  readonly condemned: boolean
}

interface Span {
  readonly start: number
  readonly stop: number
}

/** Throws PostgresError, RemoteError, or what the signal was aborted with. */
export async function collect(collecting: Collecting): Promise<Collected> {
  const { postgres, volume, blockSize, how, signal } = collecting
  const [row] = await postgres.ask<{ head: number }>(
    'select head::float8 as head from faultline.volume where id = $1',
    [volume],
  )
  const { head } = row!
  const live = await liveBlocks(collecting, head)
  let [segments, bytes, liveBytes, dead, deadBytes] = [0, 0, 0, 0, 0]
  for await (const segment of segmentsOf(collecting)) {
    segments++
    bytes += segment.bytes
    const blocks = live.get(segmentKey(segment)) ?? 0
    liveBytes += blocks * blockSize
    if (!segment.condemned && (blocks > 0 || segment.head >= head)) continue
    dead++
    deadBytes += segment.bytes
    signal?.throwIfAborted()
    if (how === 'collect') await remove(collecting, segment)
    collecting.progress(dead)
  }
  const orphans = await collectOrphans(collecting, dead)
  return { segments, bytes, live: liveBytes, dead, deadBytes, orphans }
}

async function remove(
  { postgres, volume, bucket }: Collecting,
  { epoch, number }: SegmentRow,
): Promise<void> {
  const which = 'where volume = $1 and epoch = $2 and number = $3'
  const values = [volume, epoch, number]
  await postgres.ask(`update faultline.segment set condemned = true ${which}`, values)
  await bucket.remove(segmentKey({ epoch, number }))
  await postgres.ask(`delete from faultline.run ${which}`, values)
  await postgres.ask(`delete from faultline.segment ${which}`, values)
}

/** Of each segment that has any: blocks that aren't free. */
async function liveBlocks(collecting: Collecting, head: number): Promise<Map<string, number>> {
  const live = new Map<string, number>()
  const free = freeRuns(collecting, head)
  let next = await free.next()
  for await (const run of segmentRuns(collecting)) {
    // Both come in order, and neither overlaps itself.
    while (next.done !== true && next.value.stop <= run.start) next = await free.next()
    let blocks = run.stop - run.start
    for (;;) {
      if (next.done === true || next.value.start >= run.stop) break
      blocks -= Math.min(run.stop, next.value.stop) - Math.max(run.start, next.value.start)
      if (next.value.stop > run.stop) break
      next = await free.next()
    }
    const key = segmentKey(run)
    if (blocks > 0) live.set(key, (live.get(key) ?? 0) + blocks)
  }
  return live
}

/** One that goes meanwhile is taken for used: what it would have shown dead is collected next time. */
async function* freeRuns({ postgres, volume }: Collecting, head: number): AsyncGenerator<Span, undefined> {
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

async function* segmentRuns({
  postgres,
  volume,
}: Collecting): AsyncGenerator<Span & { epoch: number; number: number }> {
  for (let after = 0; ; ) {
    const rows = await postgres.ask<Span & { epoch: number; number: number }>(
      `select start::float8 as start, stop::float8 as stop, epoch::float8 as epoch, number::float8 as number
       from faultline.run where volume = $1 and stop > $2 order by stop limit ${PAGE}`,
      [volume, after],
    )
    yield* rows
    if (rows.length < PAGE) return
    after = rows.at(-1)!.stop
  }
}

async function* segmentsOf({ postgres, volume }: Collecting): AsyncGenerator<SegmentRow> {
  for (let [epoch, number] = [-1, -1]; ; ) {
    const rows = await postgres.ask<SegmentRow>(
      `select epoch::float8 as epoch, number::float8 as number, bytes::float8 as bytes, head::float8 as head, condemned
       from faultline.segment where volume = $1 and (epoch, number) > ($2, $3) order by epoch, number limit ${PAGE}`,
      [volume, epoch, number],
    )
    yield* rows
    if (rows.length < PAGE) return
    ;({ epoch, number } = rows.at(-1)!)
  }
}

/** What a writer had put when its turn ended, and the database never heard of. Returns how many there were. */
async function collectOrphans(collecting: Collecting, before: number): Promise<number> {
  const { postgres, volume, bucket, how, signal, progress } = collecting
  const over = await postgres.ask<{ epoch: number }>(
    `select l.epoch::float8 as epoch from faultline.lease l join faultline.volume v on v.id = l.volume
     where v.id = $1 and (v.holder = '' or l.holder <> v.holder)`,
    [volume],
  )
  const epochs = new Set(over.map(({ epoch }) => epoch))
  let orphans = 0
  for await (const key of bucket.list('segments/')) {
    const [, epoch, number] = /^segments\/(\d+)\/(\d+)$/.exec(key) ?? []
    if (epoch === undefined || !epochs.has(Number(epoch))) continue
    signal?.throwIfAborted()
    const known = await postgres.ask(
      'select from faultline.segment where volume = $1 and epoch = $2 and number = $3',
      [volume, Number(epoch), Number(number)],
    )
    if (known.length > 0) continue
    orphans++
    if (how === 'collect') await bucket.remove(key)
    progress(before + orphans)
  }
  return orphans
}
