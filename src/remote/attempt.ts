/**
 * One request for one range: sent, judged by its head, its body read to the end.
 *
 * It ends once, and never throws: with the bytes, or with why not. It holds to two deadlines, one for the head and one that
 * each piece of the body renews, since a connection that is neither closed nor used is the commonest way to wait for ever.
 */
import { type Bytes, codeOf, errno } from '../base/index.ts'
import { type Answer, type Asked, judge, type Pinned } from './answer.ts'
import { RemoteError } from './remote-error.ts'
import type { RemoteFile } from './remote-file.ts'
import type { RemoteSettings } from './settings.ts'
import { precondition } from './version.ts'

export type Failed =
  | Extract<Answer, { readonly kind: 'again' | 'credentials' | 'failed' }>
  /** Nobody answers at that address, if there is such an address. */
  | { readonly kind: 'unreachable'; readonly why: string }
export type End =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly pinned: Pinned | undefined }
  | Failed

/** What fetch itself refuses, without a code (WHATWG Fetch: bad port, too many redirects, a scheme that isn't HTTP's). */
const REFUSED = /^(bad port|redirect count exceeded|unknown scheme|URL scheme)/
const UNREACHABLE: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH'])
/** An answer of an empty file. */
const NOTHING: End = { kind: 'bytes', bytes: new Uint8Array(0), pinned: undefined }
/** What can't be mended by asking again: the name of the server's certificate, or of its protocol. */
const FOR_GOOD =
  /^(CERT_|ERR_TLS|ERR_SSL|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED|UND_ERR_INVALID_ARG|ERR_INVALID_URL)/

export class Attempt {
  /** Completes when the head of an answer is here, or the attempt has ended. */
  readonly answered: Promise<void>
  readonly end: Promise<End>
  private readonly controller = new AbortController()
  private tellAnswered!: () => void
  /** Rejects when the attempt is given up: somebody else's fetch may not listen to its signal. */
  private readonly givenUp: Promise<never>
  /** What is to be said of an abort of our own. */
  private lateness: string | undefined

  constructor(file: RemoteFile, asked: Asked, pinned: Pinned | undefined) {
    this.answered = new Promise(done => {
      this.tellAnswered = done
    })
    const { signal } = this.controller
    this.givenUp = new Promise((_, failed) => {
      signal.addEventListener('abort', () => failed(signal.reason))
    })
    this.givenUp.catch(() => {})
    this.end = this.run(file, asked, pinned)
  }

  /** `why`: what is then to be said of it. */
  giveUp(why: string): void {
    this.lateness ??= why
    this.controller.abort()
  }

  private async run(file: RemoteFile, asked: Asked, pinned: Pinned | undefined): Promise<End> {
    const { origin, settings } = file
    const began = performance.now()
    const deadline = setTimeout(
      () => this.giveUp(`it sent no answer within ${settings.headersWithin} ms`),
      settings.headersWithin,
    )
    let bytes: Bytes = 0
    let bodyBegan = began
    let end: End
    try {
      const response = await Promise.race([this.send(file, asked, pinned), this.givenUp])
      bodyBegan = performance.now()
      origin.answered(bodyBegan - began)
      this.tellAnswered()
      clearTimeout(deadline)
      end = await this.take(asked, judge(asked, pinned, response, settings, Date.now()), response, settings)
      if (end.kind === 'bytes') bytes = end.bytes.length
    } catch (error) {
      end = this.failure(error)
    } finally {
      clearTimeout(deadline)
      this.tellAnswered()
    }
    origin.ended(
      end.kind === 'again' || end.kind === 'unreachable' ? 'badly' : 'well',
      bytes,
      performance.now() - bodyBegan,
    )
    return end
  }

  private async send(
    { url, settings: { authorization, fetch, preconditions } }: RemoteFile,
    { from, to }: Asked,
    pinned: Pinned | undefined,
  ): Promise<Response> {
    const plain = {
      range: `bytes=${from}-${to - 1}`,
      'accept-encoding': 'identity',
      ...(pinned !== undefined && preconditions === 'sent' ? precondition(pinned.version) : {}),
    }
    const headers = await authorization.headersFor(url, plain).catch((error: unknown) => {
      throw new RemoteError(errno.EACCES, `the credentials could not be had: ${reasonOf(error)}`, error)
    })
    checkHeaders(headers)
    const { signal } = this.controller
    // A browser's own cache puts parts of two versions together, under the ETag of the first (Chromium 156 does).
    const cache = preconditions === 'compared' ? 'no-store' : 'default'
    const response = await fetch(url, { headers: { ...headers }, signal, redirect: 'follow', cache })
    if (typeof response?.status !== 'number' || typeof response.headers?.get !== 'function')
      throw new RemoteError(errno.EINVAL, 'fetch: expected a promise of a Response')
    return response
  }

  private async take(
    asked: Asked,
    answer: Answer,
    response: Response,
    settings: RemoteSettings,
  ): Promise<End> {
    if (answer.kind !== 'part' && answer.kind !== 'whole') {
      // The connection is free again only when its answer has been read or given up.
      response.body?.cancel().catch(() => {})
      return answer.kind === 'empty' ? NOTHING : answer
    }
    const body = new Uint8Array(answer.length)
    const got = await this.read(response, body, settings.progressWithin)
    if (got !== answer.length)
      return {
        kind: 'again',
        why: `its answer ended after ${Math.min(got, answer.length)} of ${answer.length} bytes${got > answer.length ? ' with bytes too many' : ''}`,
        after: undefined,
      }
    const bytes = answer.kind === 'part' ? body : body.slice(asked.from, asked.to)
    return { kind: 'bytes', bytes, pinned: answer.pinned }
  }

  /** How many bytes there were; more than fit: one more is told. */
  private async read(response: Response, into: Uint8Array, progressWithin: number): Promise<Bytes> {
    let at = 0
    if (response.body === null) return at
    const reader = response.body.getReader()
    let timer: ReturnType<typeof setTimeout> | undefined
    try {
      for (;;) {
        timer = setTimeout(
          () => this.giveUp(`its answer brought no byte for ${progressWithin} ms`),
          progressWithin,
        )
        const { done, value } = await Promise.race([reader.read(), this.givenUp])
        clearTimeout(timer)
        if (done) return at
        if (at + value.length > into.length) {
          reader.cancel().catch(() => {})
          return into.length + 1
        }
        into.set(value, at)
        at += value.length
      }
    } finally {
      clearTimeout(timer)
    }
  }

  private failure(error: unknown): End {
    if (this.lateness !== undefined) return { kind: 'again', why: this.lateness, after: undefined }
    if (error instanceof RemoteError) return { kind: 'failed', errno: error.errno, why: error.message }
    const code = innerCodeOf(error)
    if ((code !== undefined && FOR_GOOD.test(code)) || REFUSED.test(reasonOf(error)))
      return { kind: 'failed', errno: errno.EPROTO, why: `the connection failed: ${reasonOf(error)}` }
    const why = `the connection failed: ${reasonOf(error)}`
    if (code !== undefined && UNREACHABLE.has(code)) return { kind: 'unreachable', why }
    return { kind: 'again', why, after: undefined }
  }
}

/** What can't be sent is no better the next time. Throws a RemoteError. */
function checkHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers))
    try {
      new Headers([[name, value]])
    } catch (error) {
      throw new RemoteError(
        errno.EINVAL,
        `headers: ${JSON.stringify(name)} can't be sent; expected a name without blanks and a line of text`,
        error,
      )
    }
}

/** fetch says "fetch failed" and keeps the reason below. */
function innerCodeOf(error: unknown): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const code = codeOf(at)
    if (code !== undefined) return code
  }
  return undefined
}

function reasonOf(error: unknown): string {
  let deepest: unknown = error
  while (deepest instanceof Error && deepest.cause !== undefined) deepest = deepest.cause
  const text =
    deepest instanceof Error ? deepest.message || (innerCodeOf(deepest) ?? deepest.name) : String(deepest)
  return text
}
