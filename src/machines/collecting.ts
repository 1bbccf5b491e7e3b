/**
 * Collects garbage of a volume's bucket: segments of which no block is anybody's any more, what is dead of others, and objects that
 * no segment is.
 *
 *     free runs at the newest commit, and runs of segments, side by side -> blocks that live, by segment
 *     none does -> condemned, in the database -> the object goes -> the segment goes
 *     few do -> moved to a new segment (rewriting.ts) -> condemned, as above
 *     listed, of a writer whose turn is over, and no segment -> goes
 *
 * A block that is free in a durable commit was freed by one that no reader is behind, and is never given out again: so whoever
 * collects needs neither lease nor pin, and others may go on. Whatever ends it, the next one goes on with it.
 *
 * Invariants
 *   COL1 An object goes only when the database says that its segment is condemned, or that it never will be one.
 *   COL3 What is being removed can't be brought back: its head is REMOVING before its object goes.
 *   COL2 A segment is judged by a commit that was begun after it was told of: only then a block that its writer holds isn't free.
 */
import type { Bytes } from '../base/index.ts'
import type { Bucket } from './bucket.ts'
import { liveRuns, type Place } from './live-blocks.ts'
import { rewrite } from './rewriting.ts'
import { REWRITTEN, type SegmentName, segmentKey } from './segment-index.ts'

/** Rows that one answer brings. */
const PAGE = 5000
/** A segment is rewritten when no more than this share of it lives. */
const THIN = 1 / 2
/** In place of the commit that a segment was told after. */
const REMOVING = -1

export interface Collected {
  /** Segments that are there, and the bytes of them. */
  readonly segments: number
  readonly bytes: Bytes
  /** Bytes of blocks in them that are somebody's. */
  readonly live: Bytes
  /** What went, or would: segments of which no block lives, and their bytes. */
  readonly dead: number
  readonly deadBytes: Bytes
  /** Segments of which half or less lives, which were rewritten, or would be, and the bytes that this frees. */
  readonly thin: number
  readonly thinBytes: Bytes
  /** Objects that no segment is, which went, or would. */
  readonly orphans: number
}

interface Collecting extends Place {
  readonly blockSize: Bytes
  readonly bucket: Bucket
  readonly how: 'collect' | 'only count'
  readonly signal: AbortSignal | undefined
  /** Hears of objects that went. */
  readonly progress: (objects: number) => void
}

interface SegmentRow extends SegmentName {
  readonly bytes: number
  readonly head: number
  readonly condemned: boolean
}

/** Throws PostgresError, RemoteError, or what the signal was aborted with. */
export async function collect(collecting: Collecting): Promise<Collected> {
  const { postgres, volume, blockSize, how, signal, progress } = collecting
  const [row] = await postgres.ask<{ head: number }>(
    'select head::float8 as head from faultline.volume where id = $1',
    [volume],
  )
  const { head } = row!
  const live = new Map<string, number>()
  for await (const run of liveRuns(collecting, head)) {
    const key = segmentKey(run)
    live.set(key, (live.get(key) ?? 0) + run.stop - run.start)
  }
  let [segments, bytes, liveBytes, dead, deadBytes, gone] = [0, 0, 0, 0, 0, 0]
  const thin: SegmentName[] = []
  let thinBytes = 0
  for await (const segment of segmentsOf(collecting)) {
    segments++
    bytes += segment.bytes
    const lives = (live.get(segmentKey(segment)) ?? 0) * blockSize
    liveBytes += lives
    if (!segment.condemned && segment.head >= head) continue
    if (!segment.condemned && lives > 0) {
      if (lives > THIN * segment.bytes) continue
      thin.push({ epoch: segment.epoch, number: segment.number })
      thinBytes += segment.bytes - lives
      continue
    }
    dead++
    deadBytes += segment.bytes
    signal?.throwIfAborted()
    if (how === 'collect') await remove(collecting, segment)
    progress(++gone)
  }
  if (how === 'collect')
    await rewrite(collecting, head, thin, async names => {
      for (const name of names) {
        await remove(collecting, { ...name, condemned: true })
        progress(++gone)
      }
    })
  const orphans = await collectOrphans(collecting, gone)
  return { segments, bytes, live: liveBytes, dead, deadBytes, thin: thin.length, thinBytes, orphans }
}

async function remove(
  { postgres, volume, bucket }: Collecting,
  { epoch, number, condemned }: Pick<SegmentRow, 'epoch' | 'number' | 'condemned'>,
): Promise<void> {
  const which = 'where volume = $1 and epoch = $2 and number = $3'
  const values = [volume, epoch, number]
  const removing = await postgres.ask(
    `update faultline.segment set condemned = true, head = ${REMOVING} ${which} and (condemned or not $4) returning 1`,
    [...values, condemned],
  )
  // What was condemned until it was whole is so by now, or somebody else has removed it.
  if (removing.length === 0) return
  await bucket.remove(segmentKey({ epoch, number }))
  await postgres.ask(`delete from faultline.run ${which}`, values)
  await postgres.ask(`delete from faultline.segment ${which}`, values)
}

/** In order of their names. */
async function* segmentsOf({ postgres, volume }: Place): AsyncGenerator<SegmentRow> {
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
  // What was rewritten is told of before it is put.
  const epochs = new Set([REWRITTEN, ...over.map(({ epoch }) => epoch)])
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
