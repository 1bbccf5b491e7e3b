/**
 * A file on a server as a device that can be read. Requests that lie near one another are asked for together.
 *
 *     start -> [wanted] -> as many as the origin takes, neighbours in one range -> RangeFetch -> onEnd
 *
 * While an origin has all the requests it takes, what comes waits, and what waits is asked for in longer ranges.
 * Of a file that is kept on this computer whole chunks are asked for (chunks.ts), and what is kept there isn't.
 *
 * Invariants   D1, D2 (device/device.ts); there is nothing to be written
 *   HP1 Every byte given out is of the version that the file had when it was opened, or the request ends with ESTALE.
 *   HP2 A range that fails ends the requests that wanted it, and no others.
 */
import { type Bytes, type Errno, errno } from '../base/index.ts'
import type { Device, Request, Spent } from '../device/index.ts'
import type { Pinned } from './answer.ts'
import { Chunks, type StoredFile } from './chunks.ts'
import { GAP_MIN } from './origin.ts'
import { type Fetched, RangeFetch, type RemoteCounts } from './range-fetch.ts'
import { RemoteError } from './remote-error.ts'
import type { RemoteFile } from './remote-file.ts'

/** What the first request brings: enough for the header of most formats. */
const HEAD_BYTES: Bytes = 64 * 1024
/** One range is at most so long: a retry asks for all of it again. */
const RANGE_MAX: Bytes = 8 * 2 ** 20
/** Requests of a file in a row may meet in one. */
const CHUNKS_IN_MEMORY = 4

/** A piece of a request, at most RANGE_MAX long. */
interface Want {
  readonly reading: Reading
  readonly from: Bytes
  readonly to: Bytes
}

interface Reading {
  readonly request: Request
  /** Pieces that aren't here yet. */
  left: number
  error: Errno
}

export class HttpDevice implements Device {
  readonly name: string
  readonly disk: string
  readonly readOnly = true
  readonly readUnit = GAP_MIN
  readonly length: Bytes
  onEnd: (request: Request, error: Errno) => void = () => {}
  onSpent: (request: Request, spent: Spent) => void = () => {}
  /** Since it was opened. */
  readonly counts: RemoteCounts = { requests: 0, asked: 0, used: 0, retries: 0, hedges: 0 }
  /** Why the last request that failed did. */
  lastFailure: RemoteError | undefined
  private readonly pinned: Pinned | undefined
  private readonly head: Uint8Array
  private readonly file: RemoteFile
  private readonly pump: () => void
  private readonly closing = new AbortController()
  /** Of a file that is kept. */
  private readonly chunks: Chunks | undefined
  private readonly stored: StoredFile
  private wanted: Want[] = []
  private scheduled = false

  private constructor(file: RemoteFile, { bytes, pinned }: Fetched, pump: () => void) {
    this.file = file
    this.name = file.name
    this.disk = file.origin.name
    this.head = bytes
    this.pinned = pinned
    this.length = pinned?.length ?? 0
    this.pump = pump
    const version = pinned === undefined ? 'empty' : `${pinned.version.kind} ${pinned.version.value}`
    this.stored = { key: `${file.identity} ${version} ${this.length}`, bytes: this.length }
    const { keep } = file
    // Versions that are nearly the same would be mixed.
    if (keep === undefined || pinned?.version.kind !== 'etag') return
    this.chunks = new Chunks({
      inMemory: CHUNKS_IN_MEMORY,
      keep,
      bring: async (_, from, to, request) => {
        await file.origin.entered()
        return this.range(from, to, request)
      },
    })
  }

  /**
   * Asks for the first bytes, and pins the file to the version and the length that the answer tells.
   * `pump` runs what an end has made ready. Throws RemoteError: ENOENT, EACCES, ENOTSUP, EPROTO, EREMOTEIO, ETIMEDOUT.
   */
  static async open(file: RemoteFile, pump: () => void): Promise<HttpDevice> {
    const { signal } = new AbortController()
    const range = new RangeFetch(file, { from: 0, to: HEAD_BYTES }, undefined, signal)
    const fetched = await range.run()
    const id = fetched.pinned?.id
    const url = id === undefined ? undefined : file.urlOf?.(id)
    const device = new HttpDevice(url === undefined ? file : { ...file, url }, fetched, pump)
    device.spend(range.counts)
    return device
  }

  /** What distinguishes this version of this file from all others. */
  get key(): string {
    return this.stored.key
  }

  start(request: Request): void {
    const reading: Reading = { request, left: 0, error: errno.OK }
    const { operation, position } = request
    if (operation === 'write' || operation === 'zero' || operation === 'resize') reading.error = errno.EROFS
    const end = operation === 'read' ? Math.min(position + request.length, this.length) : position
    if (operation === 'read') this.fill(reading, Math.max(position, this.length), zeros)
    const known = Math.min(end, this.head.length)
    if (position < known) this.give(reading, position, this.head.subarray(position, known))
    const from = Math.max(position, known)
    if (this.chunks !== undefined) this.readChunks(reading, this.chunks, from, end)
    else this.want(reading, from, end)
    if (reading.left === 0) queueMicrotask(() => this.end(reading))
    else this.schedule()
  }

  /** Ends what is under way with EIO: nobody waits for it any more. Settles when what was fetched is kept. */
  async close(): Promise<void> {
    this.closing.abort(new RemoteError(errno.EIO, `${this.name} was closed`))
    const { wanted } = this
    this.wanted = []
    for (const { reading } of wanted) this.ended(reading, errno.EIO)
    const { origin, keep } = this.file
    if (keep !== undefined) await origin.during(() => keep.settled())
  }

  private want(reading: Reading, start: Bytes, end: Bytes): void {
    for (let from = start; from < end; from += RANGE_MAX) {
      reading.left++
      this.wanted.push({ reading, from, to: Math.min(end, from + RANGE_MAX) })
    }
  }

  private readChunks(reading: Reading, chunks: Chunks, start: Bytes, end: Bytes): void {
    const { request } = reading
    const { origin } = this.file
    let from = start
    if (from < end)
      this.fill(reading, from, target => {
        const into = target.subarray(0, end - from)
        const at = from
        reading.left++
        origin
          .during(() => chunks.read(this.stored, at, into, request))
          .then(
            () => {
              this.use(request, into.length)
              this.ended(reading, errno.OK)
            },
            (failure: unknown) => this.ended(reading, this.failed(failure)),
          )
        from += into.length
        return from < end
      })
  }

  /** Once this turn has wanted all it wants: neighbours are then known. */
  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      this.ask()
    })
  }

  private readonly ask = (): void => {
    while (this.wanted.length > 0) {
      if (!this.file.origin.enter(this.ask)) return
      void this.bring(this.take())
    }
  }

  /** The oldest want and its neighbours, in order of position. */
  private take(): Want[] {
    const { gap } = this.file.origin
    const [oldest] = this.wanted
    const sorted = this.wanted.toSorted((a, b) => a.from - b.from)
    let first = sorted.indexOf(oldest!)
    let last = first
    let { from, to } = oldest!
    for (let next = sorted[last + 1]; next !== undefined; next = sorted[last + 1]) {
      if (next.from - to > gap || Math.max(next.to, to) - from > RANGE_MAX) break
      to = Math.max(to, next.to)
      last++
    }
    for (let before = sorted[first - 1]; before !== undefined; before = sorted[first - 1]) {
      if (from - before.to > gap || to - before.from > RANGE_MAX) break
      from = before.from
      first--
    }
    const taken = new Set(sorted.slice(first, last + 1))
    this.wanted = this.wanted.filter(want => !taken.has(want))
    return [...taken]
  }

  private async bring(wants: readonly Want[]): Promise<void> {
    const from = wants[0]!.from
    const to = wants.reduce((most, want) => Math.max(most, want.to), 0)
    const { request } = wants[0]!.reading
    let bytes: Uint8Array | undefined
    let error: Errno = errno.OK
    try {
      bytes = await this.range(from, to, request)
    } catch (failure) {
      error = this.failed(failure)
    }
    for (const want of wants) {
      if (bytes !== undefined)
        this.give(want.reading, want.from, bytes.subarray(want.from - from, want.to - from))
      this.ended(want.reading, error)
    }
  }

  /** The origin was entered, and is left. What it costs is on the account of one request. */
  private async range(from: Bytes, to: Bytes, request: Request): Promise<Uint8Array> {
    const range = new RangeFetch(this.file, { from, to }, this.pinned, this.closing.signal)
    try {
      return (await range.run()).bytes
    } finally {
      this.file.origin.leave()
      // The bytes are on the accounts of those who wanted them.
      const { used: _, ...cost } = range.counts
      this.spend(range.counts)
      this.onSpent(request, { ...cost })
    }
  }

  private failed(failure: unknown): Errno {
    if (!(failure instanceof RemoteError)) throw failure
    this.lastFailure = failure
    return failure.errno
  }

  private spend({ requests, asked, retries, hedges }: RemoteCounts): void {
    this.counts.requests += requests
    this.counts.asked += asked
    this.counts.retries += retries
    this.counts.hedges += hedges
  }

  private give(reading: Reading, position: Bytes, bytes: Uint8Array): void {
    this.use(reading.request, bytes.length)
    let at = 0
    this.fill(reading, position, target => {
      const part = bytes.subarray(at, at + target.length)
      target.set(part)
      at += part.length
      return part.length === target.length
    })
  }

  private use(request: Request, used: Bytes): void {
    this.counts.used += used
    this.onSpent(request, { used })
  }

  /** Gives the request's memory from `position` on, piece by piece, while `use` says that it goes on. */
  private fill({ request }: Reading, position: Bytes, use: (target: Uint8Array) => boolean): void {
    let at = request.position
    for (const buffer of request.buffers) {
      const skip = Math.max(0, position - at)
      if (skip < buffer.length && !use(buffer.subarray(skip))) return
      at += buffer.length
    }
  }

  private ended(reading: Reading, error: Errno): void {
    if (error !== errno.OK) reading.error = error
    if (--reading.left === 0) this.end(reading)
  }

  private end({ request, error }: Reading): void {
    this.onEnd(request, error)
    this.pump()
  }
}

function zeros(target: Uint8Array): boolean {
  target.fill(0)
  return true
}
