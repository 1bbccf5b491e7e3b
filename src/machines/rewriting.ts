/**
 * Rewrites segments of which little lives: their living blocks go to a new one, together, and the old ones are dead.
 *
 *     a name in the database, condemned -> the object is put -> in one transaction: runs point there, it is condemned no more, the old ones are
 *
 * Numbers of blocks stay, so no file and no checksum hears of it. Who knows an old place finds its object gone and asks for the new
 * one (segment-device.ts). Whatever ends it on the way, what is condemned goes with the next collection. Of two who rewrite the
 * same segment one comes late, and changes nothing.
 *
 * Invariants
 *   RWS1 A run points to a segment that is in the bucket, whole, before and after.
 *   RWS2 A new segment has a name that nothing ever had: an object that comes late meets none.
 *   RWS3 All blocks that live at the commit are moved; what a reader sees lives.
 */
import type { Bytes } from '../base/index.ts'
import type { Bucket } from './bucket.ts'
import { liveRuns, type Place } from './live-blocks.ts'
import { REWRITTEN, type SegmentName, type SegmentRun, segmentKey } from './segment-index.ts'

/** A new segment is put when it has so much. */
const SEGMENT_BYTES: Bytes = 8 * 2 ** 20
/** Random names: so many bits that no two are the same. */
const NAME_BITS = 53

interface Rewriting extends Place {
  readonly blockSize: Bytes
  readonly bucket: Bucket
  readonly signal: AbortSignal | undefined
}

/** One that is to be rewritten, and what of it lives. */
interface Victim {
  readonly name: SegmentName
  readonly runs: SegmentRun[]
}

/** Calls `rewritten` with names that are condemned now. Throws PostgresError, RemoteError, or what the signal was aborted with. */
export async function rewrite(
  rewriting: Rewriting,
  head: number,
  names: readonly SegmentName[],
  rewritten: (names: readonly SegmentName[]) => Promise<void>,
): Promise<void> {
  const { blockSize, signal } = rewriting
  const victims = new Map<string, Victim>()
  for (const name of names) victims.set(segmentKey(name), { name, runs: [] })
  for await (const run of liveRuns(rewriting, head)) victims.get(segmentKey(run))?.runs.push(run)
  let batch: Victim[] = []
  let bytes = 0
  const end = async () => {
    signal?.throwIfAborted()
    if (batch.length > 0 && (await move(rewriting, head, batch)))
      await rewritten(batch.map(({ name }) => name))
    batch = []
    bytes = 0
  }
  for (const victim of victims.values()) {
    const more = blockSize * victim.runs.reduce((sum, { start, stop }) => sum + stop - start, 0)
    if (bytes + more > SEGMENT_BYTES) await end()
    batch.push(victim)
    bytes += more
  }
  await end()
}

/** Whether they were moved: somebody else may have been there first. */
async function move(rewriting: Rewriting, head: number, victims: readonly Victim[]): Promise<boolean> {
  const { postgres, volume, bucket, blockSize } = rewriting
  const parts: Uint8Array[] = []
  const runs: SegmentRun[] = []
  let place = 0
  for (const victim of victims)
    for (const { run, bytes } of await living(rewriting, victim)) {
      runs.push({ start: run.start, stop: run.stop, place })
      parts.push(bytes)
      place += run.stop - run.start
    }
  const name = { epoch: REWRITTEN, number: randomNumber() }
  const body = new Uint8Array(place * blockSize)
  let at = 0
  for (const part of parts) {
    body.set(part, at)
    at += part.length
  }
  await postgres.ask(
    'insert into faultline.segment (volume, epoch, number, bytes, head, condemned) values ($1, $2, $3, $4, $5, true)',
    [volume, name.epoch, name.number, body.length, head],
  )
  await bucket.put(segmentKey(name), body)
  const [row] = await postgres.ask<{ moved: boolean }>(
    'select faultline.rewrite($1, $2, $3, $4, $5, $6, $7, $8) as moved',
    [
      volume,
      name.epoch,
      name.number,
      victims.map(({ name }) => name.epoch),
      victims.map(({ name }) => name.number),
      runs.map(({ start }) => start),
      runs.map(({ stop }) => stop),
      runs.map(({ place }) => place),
    ],
  )
  return row!.moved
}

/** What lives of a segment, by one request for all between its first and its last. */
async function living(
  { bucket, blockSize }: Rewriting,
  { name, runs }: Victim,
): Promise<{ readonly run: SegmentRun; readonly bytes: Uint8Array }[]> {
  if (runs.length === 0) return []
  const end = ({ start, stop, place }: SegmentRun) => place + stop - start
  const first = Math.min(...runs.map(({ place }) => place))
  const last = Math.max(...runs.map(end))
  const all = await bucket.read(segmentKey(name), first * blockSize, last * blockSize)
  return runs.map(run => ({
    run,
    bytes: all.subarray((run.place - first) * blockSize, (end(run) - first) * blockSize),
  }))
}

function randomNumber(): number {
  return Number(BigInt.asUintN(NAME_BITS, crypto.getRandomValues(new BigUint64Array(1))[0]!))
}
