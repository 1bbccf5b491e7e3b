/**
 * A range of a file, until it is here: attempts, pauses between them, and a second request beside one that is late.
 *
 * A range is asked for whole, each time. A body that broke off is never gone on with: what a server sends from the middle of
 * another version, or of a file it has compressed meanwhile, would fit.
 *
 * Invariants
 *   RF1 It ends within `deadline` of its beginning, with the bytes or with a RemoteError.
 *   RF2 Credentials are refreshed once for a range.
 */
import { type Bytes, errno } from '../base/index.ts'
import type { Asked, Pinned } from './answer.ts'
import { Attempt, type End, errnoOf, type Failed } from './attempt.ts'
import type { Origin } from './origin.ts'
import { RemoteError } from './remote-error.ts'
import type { RemoteSettings } from './settings.ts'

/** The longest pause before the first retry, in milliseconds; it doubles with each. */
const PAUSE = 50
const PAUSE_MAX = 5000

/** What asking has cost, for io.stat. */
export interface RemoteCounts {
  /** Requests that were sent, retries and hedges among them. */
  requests: number
  /** Bytes that were asked for, all requests together. */
  asked: Bytes
  /** Bytes that somebody wanted. */
  used: Bytes
  retries: number
  hedges: number
}

export interface Fetched {
  readonly bytes: Uint8Array
  /** undefined: the file is empty. */
  readonly pinned: Pinned | undefined
}

/** How long a range may take, by performance.now(). */
interface Time {
  readonly until: number
  isUp: boolean
}

export class RangeFetch {
  private readonly url: string
  private readonly origin: Origin
  private readonly settings: RemoteSettings
  private readonly counts: RemoteCounts

  constructor(url: string, origin: Origin, settings: RemoteSettings, counts: RemoteCounts) {
    this.url = url
    this.origin = origin
    this.settings = settings
    this.counts = counts
  }

  /** Throws a RemoteError, or what `signal` was aborted with. */
  async fetch(asked: Asked, pinned: Pinned | undefined, signal: AbortSignal): Promise<Fetched> {
    const until = performance.now() + this.settings.deadline
    const time: Time = { until, isUp: false }
    let refreshed = false
    let before: Failed | undefined
    for (let pause = PAUSE; ; pause = Math.min(PAUSE_MAX, 2 * pause)) {
      signal.throwIfAborted()
      const end = await this.within(time, asked, pinned, signal)
      signal.throwIfAborted()
      if (end.kind === 'bytes') return end
      if (end.kind === 'credentials' && !refreshed && this.settings.authorization.refresh()) {
        refreshed = true
        this.counts.retries++
        continue
      }
      if (end.kind !== 'again') throw this.failure(end)
      // Of an attempt that was cut off by the deadline there is less to say than of the one before.
      if (time.isUp) throw this.failure(before ?? end, errno.ETIMEDOUT)
      const wait = end.after ?? Math.random() * pause
      if (wait >= until - performance.now()) throw this.failure(end, errno.ETIMEDOUT)
      if (!this.origin.retries.spend()) throw this.failure(end)
      before = end
      this.counts.retries++
      await paused(wait, signal)
    }
  }

  /** One attempt, or two that race, ended when the time is over. */
  private async within(
    time: Time,
    asked: Asked,
    pinned: Pinned | undefined,
    signal: AbortSignal,
  ): Promise<End> {
    const racing: Attempt[] = []
    const abort = () => {
      for (const attempt of racing) attempt.abort()
    }
    const start = () => {
      this.counts.requests++
      this.counts.asked += asked.to - asked.from
      const attempt = new Attempt(this.url, asked, pinned, this.origin, this.settings)
      racing.push(attempt)
      return attempt
    }
    const end = () => {
      time.isUp = true
      abort()
    }
    const late = setTimeout(end, Math.max(0, time.until - performance.now()))
    signal.addEventListener('abort', abort)
    try {
      const first = start()
      const second = (await this.isLate(first)) ? start() : undefined
      if (second === undefined) return await first.end
      this.counts.hedges++
      return await firstOf(first, second)
    } finally {
      clearTimeout(late)
      signal.removeEventListener('abort', abort)
      abort()
    }
  }

  /** Whether the attempt has no answer yet when most others had one, and a second may be sent. */
  private async isLate(attempt: Attempt): Promise<boolean> {
    const after = this.origin.hedgeAfter
    if (after === undefined) return false
    let timer: ReturnType<typeof setTimeout> | undefined
    const timely = await Promise.race([
      attempt.answered.then(() => true),
      new Promise<boolean>(done => {
        timer = setTimeout(() => done(false), after)
      }),
    ])
    clearTimeout(timer)
    return !timely && this.origin.mayHedge()
  }

  private failure(end: Failed, as = errnoOf(end)): RemoteError {
    const when = as === errno.ETIMEDOUT ? `; gave up after ${this.settings.deadline} ms` : ''
    return new RemoteError(as, `${this.origin.name}: ${end.why}${when}`)
  }
}

/** The first that brings bytes; if neither does, what the later one ended with. */
async function firstOf(first: Attempt, second: Attempt): Promise<End> {
  const [winner, other] = await Promise.race([
    first.end.then(end => [end, second] as const),
    second.end.then(end => [end, first] as const),
  ])
  return winner.kind === 'again' ? other.end : winner
}

function paused(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
    function end(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      if (signal.aborted) failed(signal.reason)
      else done()
    }
  })
}
