/**
 * The blocks of a volume in a bucket, as a device: what is written is gathered in a segment, which becomes an object when it is
 * long enough or somebody flushes, and never changes again.
 *
 *     write -> the open segment, in memory -> sealed: put -> the index is told -> read from the bucket from now on
 *     flush -> seals the open segment, and waits for all that are on their way
 *     read  -> memory -> kept chunks -> the index says where -> one range for chunks that lie near one another
 *
 * A block is written once in its life: the numbers of a shared volume only grow (volume/space.ts).
 *
 * Invariants   D1 to D3 (device/device.ts), but for zero and resize, which it has no use for
 *   SGD1 The index names no segment that isn't in the bucket, whole.
 *   SGD2 No more than UNSEALED_MAX bytes, and one write, wait for the bucket: writes beyond end when there is room.
 *   SGD3 What couldn't be put stays readable here, and each flush after it fails.
 */
import { type Bytes, type Errno, errno } from '../base/index.ts'
import type { Device, Request } from '../device/index.ts'
import { below, Chunks, type Keep, RemoteError } from '../remote/index.ts'
import type { Bucket } from './bucket.ts'
import { PostgresError } from './postgres.ts'
import { type SegmentIndex, type SegmentRun, segmentKey } from './segment-index.ts'

/** A segment is sealed when it has so much. */
const SEGMENT_BYTES: Bytes = 8 * 2 ** 20
const UNSEALED_MAX: Bytes = 64 * 2 ** 20
/** Chunks of what was read: 32 MiB. */
const CHUNKS_KEPT = 256
/** Milliseconds between two tries to tell the index, and for how long it is tried. */
const INDEX_PAUSE = 500
const INDEX_WITHIN = 10 * 60_000

interface Segment {
  readonly number: number
  readonly parts: Uint8Array[]
  /** Its blocks, and where they lie in it. */
  readonly places: Map<number, number>
  bytes: Bytes
}

/** Who writes; undefined: nobody here. */
export interface SegmentWriter {
  readonly client: string
  /** The epoch that it began with: it names its segments. */
  readonly epoch: number
}

export interface SegmentDevicePlan {
  readonly name: string
  readonly bucket: Bucket
  readonly index: SegmentIndex
  readonly blockSize: Bytes
  readonly writer: SegmentWriter | undefined
  /** Where parts of segments are kept on this computer; undefined: nowhere. */
  readonly keep: Keep | undefined
  /** Runs what an end has made ready. */
  readonly pump: () => void
}

export class SegmentDevice implements Device {
  readonly name: string
  readonly disk: string
  readonly readOnly: boolean
  onEnd: (request: Request, error: Errno) => void = () => {}
  private readonly plan: SegmentDevicePlan
  private readonly chunks: Chunks
  /** Blocks that aren't in the bucket yet. */
  private readonly unsealed = new Map<number, Uint8Array>()
  private unsealedBytes: Bytes = 0
  private open: Segment | undefined
  private next = 0
  private readonly sealing = new Set<Promise<void>>()
  /** Writes that end when there is room. */
  private readonly held: Request[] = []
  private failed: Errno = errno.OK
  /** Why a segment couldn't be put, or a block not be had. */
  lastFailure: Error | undefined
  private wanted: Request[] = []

  constructor(plan: SegmentDevicePlan) {
    this.plan = plan
    this.name = plan.name
    this.disk = plan.bucket.name
    this.readOnly = plan.writer === undefined
    const { bucket, keep } = plan
    this.chunks = new Chunks({
      inMemory: CHUNKS_KEPT,
      keep: keep && below(keep, bucket.name),
      bring: ({ key }, from, to) => bucket.read(key, from, to),
    })
  }

  start(request: Request): void {
    switch (request.operation) {
      case 'read':
        if (this.wanted.push(request) === 1) queueMicrotask(() => this.bring())
        break
      case 'write':
        this.write(request)
        break
      case 'flush':
        void this.flush().then(error => this.end(request, error))
        break
      default:
        queueMicrotask(() => this.end(request, errno.ENOTSUP))
    }
  }

  /** Settles when nothing is on its way to the bucket, and what was read is kept. */
  async close(): Promise<void> {
    await Promise.all(this.sealing)
    await this.plan.keep?.settled()
  }

  // ---- writing

  private write(request: Request): void {
    if (this.readOnly) {
      queueMicrotask(() => this.end(request, errno.EROFS))
      return
    }
    const { blockSize } = this.plan
    const bytes = new Uint8Array(request.length)
    let at = 0
    for (const buffer of request.buffers) {
      bytes.set(buffer, at)
      at += buffer.length
    }
    this.open ??= { number: this.next++, parts: [], places: new Map(), bytes: 0 }
    const { open } = this
    for (let from = 0; from < bytes.length; from += blockSize) {
      const block = (request.position + from) / blockSize
      open.places.set(block, (open.bytes + from) / blockSize)
      this.unsealed.set(block, bytes.subarray(from, from + blockSize))
    }
    open.parts.push(bytes)
    open.bytes += bytes.length
    this.unsealedBytes += bytes.length
    if (open.bytes >= SEGMENT_BYTES) this.seal()
    if (this.unsealedBytes > UNSEALED_MAX && this.failed === errno.OK) this.held.push(request)
    else queueMicrotask(() => this.end(request, this.failed))
  }

  private async flush(): Promise<Errno> {
    this.seal()
    // What is sealed meanwhile is the next flush's.
    await Promise.all(this.sealing)
    return this.failed
  }

  private seal(): void {
    const { open } = this
    if (open === undefined) return
    this.open = undefined
    const sealing = this.put(open).finally(() => this.sealing.delete(sealing))
    this.sealing.add(sealing)
  }

  private async put(segment: Segment): Promise<void> {
    const { bucket, writer } = this.plan
    try {
      if (this.failed !== errno.OK) return
      const name = { epoch: writer!.epoch, number: segment.number }
      await bucket.put(segmentKey(name), joined(segment))
      if (!(await this.tell(segment))) this.failed = errno.ESTALE
      else for (const part of this.sealed(segment)) this.unsealed.delete(part)
    } catch (error) {
      if (!(error instanceof RemoteError || error instanceof PostgresError)) throw error
      this.lastFailure = error
      this.failed = error instanceof RemoteError && error.errno === errno.EACCES ? errno.EACCES : errno.EIO
    } finally {
      this.unsealedBytes -= segment.bytes
      while (this.held.length > 0 && (this.unsealedBytes <= UNSEALED_MAX || this.failed !== errno.OK))
        this.end(this.held.shift()!, this.failed)
    }
  }

  /** Whether it was still this writer's to tell. */
  private async tell({ number, places, bytes }: Segment): Promise<boolean> {
    const { index, writer } = this.plan
    const runs = runsOf(places)
    for (const until = performance.now() + INDEX_WITHIN; ; )
      try {
        return await index.seal(writer!.client, { epoch: writer!.epoch, number }, bytes, runs)
      } catch (error) {
        if (!(error instanceof PostgresError) || error.kind === 'refused' || performance.now() > until)
          throw error
        await new Promise(resolve => setTimeout(resolve, Math.random() * INDEX_PAUSE))
      }
  }

  /** The blocks whose bytes are in the bucket by now: of one that was written again since, they aren't. */
  private *sealed({ places, parts }: Segment): Generator<number> {
    const mine = new Set(parts.map(({ buffer }) => buffer))
    for (const block of places.keys()) if (mine.has(this.unsealed.get(block)!.buffer)) yield block
  }

  // ---- reading

  /** What this turn has asked for, together. */
  private bring(): void {
    const { wanted } = this
    this.wanted = []
    for (const request of wanted) void this.read(request).then(error => this.end(request, error))
  }

  private async read(request: Request): Promise<Errno> {
    const { blockSize } = this.plan
    const pieces: { readonly block: number; readonly into: Uint8Array; readonly from: Bytes }[] = []
    let position = request.position
    for (const buffer of request.buffers)
      for (let at = 0; at < buffer.length; ) {
        const from = position % blockSize
        const length = Math.min(blockSize - from, buffer.length - at)
        pieces.push({ block: Math.floor(position / blockSize), into: buffer.subarray(at, at + length), from })
        at += length
        position += length
      }
    try {
      await Promise.all(
        pieces.map(async ({ block, into, from }) => {
          const here = this.unsealed.get(block)
          if (here !== undefined) {
            into.set(here.subarray(from, from + into.length))
            return
          }
          await this.bringBlock(block, from, into, request)
        }),
      )
      return errno.OK
    } catch (error) {
      if (!(error instanceof RemoteError || error instanceof PostgresError)) throw error
      this.lastFailure = error
      // A segment is removed when nobody may see its blocks any more.
      if (error instanceof RemoteError && error.errno === errno.ENOENT) return errno.ESTALE
      return error instanceof RemoteError ? error.errno : errno.EREMOTEIO
    }
  }

  /** A segment that is gone may have been rewritten: then the index knows another. */
  private async bringBlock(block: number, from: Bytes, into: Uint8Array, request: Request): Promise<void> {
    const { index, blockSize } = this.plan
    for (let gone: { readonly key: string; readonly error: RemoteError } | undefined; ; ) {
      const run = index.at(block) ?? (await this.find(block))
      // What was never written holds nothing (D2).
      if (run === undefined && gone === undefined) into.fill(0)
      if (run === undefined && gone !== undefined) throw gone.error
      if (run === undefined) return
      const key = segmentKey(run)
      try {
        const position = (run.place + block - run.start) * blockSize + from
        await this.chunks.read({ key, bytes: run.bytes }, position, into, request)
        return
      } catch (error) {
        if (!(error instanceof RemoteError) || error.errno !== errno.ENOENT || key === gone?.key) throw error
        gone = { key, error }
        index.forget(run)
      }
    }
  }

  private finding = new Map<number, ReturnType<SegmentIndex['bring']>>()

  /** Blocks that lie near one another are asked for once. */
  private async find(block: number): Promise<Awaited<ReturnType<SegmentIndex['bring']>>> {
    const { index } = this.plan
    await Promise.all(this.finding.values())
    const known = index.at(block)
    if (known !== undefined) return known
    const asked = index.bring(block).finally(() => this.finding.delete(block))
    this.finding.set(block, asked)
    return asked
  }

  private end(request: Request, error: Errno): void {
    this.onEnd(request, error)
    this.plan.pump()
  }
}

function joined({ parts, bytes }: Segment): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Blocks in a row whose places are in a row, too. */
export function runsOf(places: ReadonlyMap<number, number>): SegmentRun[] {
  const runs: { start: number; stop: number; place: number }[] = []
  for (const [block, place] of [...places].sort(([a], [b]) => a - b)) {
    const last = runs.at(-1)
    if (last !== undefined && last.stop === block && last.place + block - last.start === place) last.stop++
    else runs.push({ start: block, stop: block + 1, place })
  }
  return runs
}
