/**
 * A range of a file, until it is here: attempts, pauses between them, and a second request beside one that is late.
 *
 * A range is asked for whole, each time. A body that broke off is never gone on with: what a server sends from the middle of
 * another version, or of a file it has compressed meanwhile, would fit.
 *
 * Invariants
 *   RH1 It ends within `deadline` of its beginning, with the bytes or with a RemoteError.
 *   RH2 Credentials are refreshed once for a range.
 */
import { type Bytes, type Errno, errno } from '../base/index.ts'
import type { Asked, Pinned } from './answer.ts'
import { Attempt, type End, type Failed } from './attempt.ts'
import { RemoteError } from './remote-error.ts'
import type { RemoteFile } from './remote-file.ts'

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

export class RangeFetch {
  readonly counts: RemoteCounts = { requests: 0, asked: 0, used: 0, retries: 0, hedges: 0 }
  private readonly file: RemoteFile
  private readonly asked: Asked
  private readonly pinned: Pinned | undefined
  private readonly signal: AbortSignal
  /** By performance.now(). */
  private readonly until: number
  private isTimeUp = false

  /** `pinned`: undefined for the first range of all. */
  constructor(file: RemoteFile, asked: Asked, pinned: Pinned | undefined, signal: AbortSignal) {
    this.file = file
    this.asked = asked
    this.pinned = pinned
    this.signal = signal
    this.until = performance.now() + file.settings.deadline
  }

  /** Throws a RemoteError, or what the signal was aborted with. */
  async run(): Promise<Fetched> {
    const { origin, settings } = this.file
    let refreshed = false
    let before: Failed | undefined
    for (let pause = PAUSE; ; pause = Math.min(PAUSE_MAX, 2 * pause)) {
      this.signal.throwIfAborted()
      const end = await this.once()
      this.signal.throwIfAborted()
      if (end.kind === 'bytes') return end
      if (end.kind === 'credentials' && !refreshed && settings.authorization.refresh()) {
        refreshed = true
        this.counts.retries++
        continue
      }
      if (end.kind !== 'again' && end.kind !== 'unreachable') throw this.failure(end)
      // An address that was mistyped is told soon; a server that was there comes back.
      if (end.kind === 'unreachable' && this.pinned === undefined && before !== undefined)
        throw this.failure(end)
      // Of an attempt that was cut off by the deadline there is less to say than of the one before.
      if (this.isTimeUp) throw this.failure(before ?? end, errno.ETIMEDOUT)
      const wait = (end.kind === 'again' ? end.after : undefined) ?? Math.random() * pause
      if (wait >= this.until - performance.now()) throw this.failure(end, errno.ETIMEDOUT)
      if (!origin.retries.spend()) throw this.failure(end)
      before = end
      this.counts.retries++
      await paused(wait, this.signal)
    }
  }

  /** One attempt, or two that race, ended when the time is over. */
  private async once(): Promise<End> {
    const racing: Attempt[] = []
    const giveUp = (why: string) => {
      for (const attempt of racing) attempt.giveUp(why)
    }
    const abort = () => giveUp('nobody waits for it any more')
    const late = setTimeout(
      () => {
        this.isTimeUp = true
        giveUp('its answer was not here in time')
      },
      Math.max(0, this.until - performance.now()),
    )
    this.signal.addEventListener('abort', abort)
    try {
      const first = this.attempt(racing)
      if (!(await this.isLate(first))) return await first.end
      this.counts.hedges++
      return await firstOf(first, this.attempt(racing))
    } finally {
      clearTimeout(late)
      this.signal.removeEventListener('abort', abort)
      abort()
    }
  }

  private attempt(racing: Attempt[]): Attempt {
    this.counts.requests++
    this.counts.asked += this.asked.to - this.asked.from
    const attempt = new Attempt(this.file, this.asked, this.pinned)
    racing.push(attempt)
    return attempt
  }

  /** Whether the attempt has no answer yet when most others had one, and a second may be sent. */
  private async isLate(attempt: Attempt): Promise<boolean> {
    const { origin } = this.file
    const after = origin.hedgeAfter
    if (after === undefined) return false
    let timer: ReturnType<typeof setTimeout> | undefined
    const timely = await Promise.race([
      attempt.answered.then(() => true),
      new Promise<boolean>(done => {
        timer = setTimeout(() => done(false), after)
      }),
    ])
    clearTimeout(timer)
    return !timely && origin.mayHedge()
  }

  private failure(end: Failed, as = this.errnoOf(end)): RemoteError {
    const { origin, settings } = this.file
    const when = as === errno.ETIMEDOUT ? `; gave up after ${settings.deadline} ms` : ''
    return new RemoteError(as, `${origin.name}: ${end.why}${when}`)
  }

  /** Who may not open a file is told so; that what was open is refused later is another thing. */
  private errnoOf(end: Failed): Errno {
    if (end.kind === 'failed') return end.errno
    if (end.kind !== 'credentials') return errno.EREMOTEIO
    return this.pinned === undefined ? errno.EACCES : errno.EKEYREJECTED
  }
}

/** The first that brings bytes; if neither does, what the later one ended with. */
async function firstOf(first: Attempt, second: Attempt): Promise<End> {
  const [winner, other] = await Promise.race([
    first.end.then(end => [end, second] as const),
    second.end.then(end => [end, first] as const),
  ])
  return winner.kind === 'again' || winner.kind === 'unreachable' ? other.end : winner
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
