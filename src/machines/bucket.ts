/**
 * A bucket of S3, or of a server that speaks it, as a place for objects that are made once and never changed.
 *
 *     put      PUT with If-None-Match: * -> made; 412 -> it is there: this very put was answered once, and nobody heard
 *     read     a range, by the same attempts, retries and hedges as files on servers (remote/range-fetch.ts)
 *
 * A put that fails is tried again, with growing pauses of random length or after what Retry-After says, until its time is over:
 * what is to be put is in memory, and nothing is lost meanwhile.
 *
 * Invariants
 *   BKT1 An object that is there is never replaced.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Bytes, type Errno, errno } from '../base/index.ts'
import { type Origin, RangeFetch, RemoteError, type RemoteSettings, s3Address } from '../remote/index.ts'

/** Milliseconds: the longest first pause, and the longest of all. */
const PAUSE = 100
const PAUSE_MAX = 10_000
/** Milliseconds until a request other than a read has its answer. */
const ANSWER_WITHIN = 60_000
/** For how long a put is tried, in milliseconds, unless something else is said. */
export const PUT_WITHIN = 10 * 60_000
const BUSY: ReadonlySet<number> = new Set([408, 409, 425, 429])

export interface BucketPlace {
  /** s3://bucket/prefix */
  readonly url: string
  /** A server other than AWS. */
  readonly endpoint: string | undefined
  readonly region: string
}

/** What asking cost. */
export interface BucketCounts {
  puts: number
  gets: number
  others: number
  bytesPut: Bytes
  bytesGot: Bytes
  /** Of these requests, those that were made again. */
  retries: number
}

type Judged =
  | { readonly kind: 'done' }
  | { readonly kind: 'again'; readonly why: string; readonly after: number | undefined }

export class Bucket {
  readonly name: string
  readonly counts: BucketCounts = { puts: 0, gets: 0, others: 0, bytesPut: 0, bytesGot: 0, retries: 0 }
  /** For how long a put is tried, in milliseconds. */
  putWithin = PUT_WITHIN
  private readonly place: BucketPlace
  private readonly origin: Origin
  private readonly settings: RemoteSettings
  private readonly closing = new AbortController()

  constructor(place: BucketPlace, origin: Origin, settings: RemoteSettings) {
    this.name = place.url
    this.place = place
    this.origin = origin
    this.settings = settings
  }

  /** Makes an object. Throws RemoteError: EACCES, ENOENT, EEXIST, EREMOTEIO, ETIMEDOUT. */
  async put(key: string, body: Uint8Array<ArrayBuffer>): Promise<void> {
    this.counts.puts++
    this.counts.bytesPut += body.length
    const headers = { 'if-none-match': '*', 'content-type': 'application/octet-stream' }
    await this.ask(key, { method: 'PUT', headers, body }, this.putWithin, async ({ status }) => {
      if (status !== 412) return
      const length = await this.lengthOf(key)
      if (length !== body.length)
        throw new RemoteError(
          errno.EEXIST,
          `${this.name}/${key} is there, with ${length} bytes, and isn't this volume's`,
        )
    })
  }

  /** Bytes [from, to) of an object. Throws RemoteError. */
  async read(key: string, from: Bytes, to: Bytes): Promise<Uint8Array> {
    await this.origin.entered()
    const url = this.urlOf(key)
    const file = {
      name: `${this.name}/${key}`,
      identity: url,
      url,
      origin: this.origin,
      settings: this.settings,
    }
    const range = new RangeFetch(file, { from, to }, undefined, this.closing.signal)
    try {
      return (await range.run()).bytes
    } finally {
      this.origin.leave()
      this.counts.gets += range.counts.requests
      this.counts.retries += range.counts.retries
      this.counts.bytesGot += range.counts.asked
    }
  }

  /** Removes an object; one that isn't there is gone already. Throws RemoteError. */
  async remove(key: string): Promise<void> {
    await this.ask(key, { method: 'DELETE' }, ANSWER_WITHIN, async () => {})
  }

  /** The keys below a prefix. Throws RemoteError. */
  async *list(prefix: string): AsyncGenerator<string> {
    const base = new URL(this.place.url)
    const above = base.pathname.replace(/^\/|\/$/g, '')
    const whole = above === '' ? prefix : `${above}/${prefix}`
    const root = s3Address(
      new URL(`${base.protocol}//${base.host}/`),
      this.place.endpoint,
      this.place.region,
      undefined,
    )
    for (let more: string | undefined = ''; more !== undefined; ) {
      const query = new URLSearchParams({ 'list-type': '2', prefix: whole })
      if (more !== '') query.set('continuation-token', more)
      let text = ''
      await this.request(`${root}?${query}`, { method: 'GET' }, ANSWER_WITHIN, async response => {
        text = await response.text()
      })
      for (const [, key] of text.matchAll(/<Key>([^<]*)<\/Key>/g))
        yield unescaped(key!).slice(above === '' ? 0 : above.length + 1)
      const next = /<NextContinuationToken>([^<]*)<\/NextContinuationToken>/.exec(text)
      more = next === null ? undefined : unescaped(next[1]!)
    }
  }

  /** What is under way ends with EIO. */
  close(): void {
    this.closing.abort(new RemoteError(errno.EIO, `${this.name} was closed`))
  }

  private async lengthOf(key: string): Promise<Bytes> {
    let length = 0
    await this.ask(key, { method: 'HEAD' }, ANSWER_WITHIN, async ({ headers }) => {
      length = Number(headers.get('content-length'))
    })
    return length
  }

  private urlOf(key: string): string {
    const { url, endpoint, region } = this.place
    return s3Address(new URL(`${url.replace(/\/+$/, '')}/${key}`), endpoint, region, undefined)
  }

  private ask(
    key: string,
    init: RequestInit & { readonly method: string },
    within: number,
    done: (response: Response) => Promise<void>,
  ): Promise<void> {
    return this.request(this.urlOf(key), init, within, done)
  }

  /** Until it is answered for good; `done` has the answer. */
  private async request(
    url: string,
    init: RequestInit & { readonly method: string },
    within: number,
    done: (response: Response) => Promise<void>,
  ): Promise<void> {
    const until = performance.now() + within
    let mayRefresh = true
    for (let pause = PAUSE; ; pause = Math.min(PAUSE_MAX, 2 * pause)) {
      const { status, judged } = await this.once(url, init, done)
      if (judged.kind === 'done') return
      this.closing.signal.throwIfAborted()
      if ((status === 401 || status === 403) && mayRefresh && this.settings.authorization.refresh())
        mayRefresh = false
      else if (status === 401 || status === 403) throw this.failure(errno.EACCES, judged.why)
      const wait = judged.after ?? Math.random() * pause
      if (performance.now() + wait > until)
        throw this.failure(errno.ETIMEDOUT, `${judged.why}; gave up after ${within} ms`)
      this.counts.retries++
      await sleep(wait, undefined, { signal: this.closing.signal }).catch(() => {})
      this.closing.signal.throwIfAborted()
    }
  }

  private async once(
    url: string,
    init: RequestInit & { readonly method: string },
    done: (response: Response) => Promise<void>,
  ): Promise<{ readonly status: number; readonly judged: Judged }> {
    if (init.method !== 'PUT') this.counts.others++
    const signal = AbortSignal.any([this.closing.signal, AbortSignal.timeout(ANSWER_WITHIN)])
    let status = 0
    try {
      const given = init.headers as Record<string, string> | undefined
      const headers = await this.settings.authorization.headersFor(url, { ...given }, init.method)
      const response = await this.settings.fetch(url, { ...init, headers: { ...headers }, signal })
      status = response.status
      const judged = this.judge(response)
      if (judged.kind === 'done') await done(response)
      await response.body?.cancel().catch(() => {})
      return { status, judged }
    } catch (error) {
      if (error instanceof RemoteError) throw error
      return {
        status,
        judged: { kind: 'again', why: `the connection failed: ${reasonOf(error)}`, after: undefined },
      }
    }
  }

  private judge({ status, headers }: Response): Judged {
    if ((status >= 200 && status < 300) || status === 412) return { kind: 'done' }
    const why = `it answered ${status}`
    if (status >= 500 || BUSY.has(status) || status === 401 || status === 403) {
      const after = Number(headers.get('retry-after') ?? Number.NaN)
      return { kind: 'again', why, after: Number.isFinite(after) ? Math.min(60, after) * 1000 : undefined }
    }
    throw this.failure(status === 404 ? errno.ENOENT : errno.EREMOTEIO, why)
  }

  private failure(error: Errno, why: string): RemoteError {
    return new RemoteError(error, `${this.name}: ${why}`)
  }
}

function reasonOf(error: unknown): string {
  let deepest: unknown = error
  while (deepest instanceof Error && deepest.cause !== undefined) deepest = deepest.cause
  return deepest instanceof Error ? deepest.message : String(deepest)
}

function unescaped(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&')
}
