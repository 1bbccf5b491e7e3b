/**
 * What the head of an answer to a ranged request means. A pure function: all that servers do wrong is judged here.
 *
 *     part         206 with the very range that was asked for: its body is wanted
 *     whole        200 with a body short enough to be taken instead: the part is cut out of it
 *     empty        the file has no bytes
 *     again        nothing can be said of the file: a busy server, a gateway, an answer that fits no question
 *     credentials  who asks isn't known, or no more: fresh ones may do
 *     failed       asking again would bring the same
 *
 * Invariants
 *   RA1 A part is of the pinned version and of the pinned length, and exactly the range that was asked for.
 *   RA2 Nothing of another version is ever `part` or `whole`: it is ESTALE.
 */
import { type Bytes, type Errno, errno } from '../base/index.ts'
import { isOf, type Pin, type Version, versionIdOf, versionOf } from './version.ts'

/** Bytes [from, to) of a file. */
export interface Asked {
  readonly from: Bytes
  readonly to: Bytes
}

/** What is known of the file already. */
export interface Pinned {
  readonly version: Version
  readonly length: Bytes
  /** By which an S3 bucket keeps this version; undefined: it keeps only the newest. */
  readonly id: string | undefined
}

export interface Rules {
  readonly pin: Pin
  /** A server that knows no ranges may send a file of so many bytes instead. */
  readonly wholeMax: Bytes
}

interface Body<Kind> {
  readonly kind: Kind
  readonly from: Bytes
  readonly length: Bytes
  readonly pinned: Pinned
}

export type Answer =
  | Body<'part'>
  | Body<'whole'>
  | { readonly kind: 'empty' }
  | { readonly kind: 'again'; readonly why: string; readonly after: number | undefined }
  | { readonly kind: 'credentials'; readonly why: string }
  | { readonly kind: 'failed'; readonly errno: Errno; readonly why: string }

export interface Head {
  readonly status: number
  readonly headers: Headers
  /** Of a browser, 'cors' where the page is of another origin: it sees the headers that the server says it may. */
  readonly type?: string
}

/** `pinned`: undefined at the first request of all. `now`: milliseconds since 1970, for Retry-After. */
export function judge(
  asked: Asked,
  pinned: Pinned | undefined,
  { status, headers, type }: Head,
  rules: Rules,
  now: number,
): Answer {
  if (status === 206 && type === 'cors' && headers.get('content-range') === null)
    return failed(
      errno.EPROTO,
      'it shows pages of other origins no Content-Range; have it send Access-Control-Expose-Headers: Content-Range, ETag',
    )
  switch (status) {
    case 206:
      return judgePart(asked, pinned, headers, rules)
    case 200:
      return judgeWhole(pinned, headers, rules)
    case 416:
      return judgeBeyond(pinned, headers)
    case 401:
    case 403:
      return { kind: 'credentials', why: `it answered ${status}: who asks may not read it` }
    case 404:
    case 410:
      return pinned === undefined
        ? failed(errno.ENOENT, `it answered ${status}: there is no such file`)
        : failed(
            errno.ESTALE,
            'the file is gone from the server; what was read of it is of a version that is no more',
          )
    case 412:
      return changed(headers)
    case 408:
    case 425:
    case 429:
      return again(`it answered ${status}: it is too busy`, headers, now)
  }
  if (status >= 500 && status !== 501 && status !== 505) return again(`it answered ${status}`, headers, now)
  return failed(errno.EPROTO, `it answered ${status}, which is no answer to a request for a range`)
}

function judgePart(asked: Asked, pinned: Pinned | undefined, headers: Headers, rules: Rules): Answer {
  const encoding = headers.get('content-encoding') ?? 'identity'
  if (encoding !== 'identity')
    return failed(
      errno.EPROTO,
      `it sent a part in the encoding ${encoding}, though it was asked for none: its bytes can't be placed`,
    )
  const range = contentRange(headers)
  if (range === undefined)
    return again(
      `it sent a part without saying which: Content-Range is ${shownHeader(headers, 'content-range')}`,
    )
  if (range.total === undefined)
    return failed(errno.EPROTO, 'it did not say how long the file is: Content-Range ends with /*')
  const stale = pinned !== undefined && (!isOf(pinned.version, headers) || range.total !== pinned.length)
  if (stale) return changed(headers)
  const to = Math.min(asked.to, range.total)
  if (range.from !== asked.from || range.to !== to)
    return again(`it sent bytes ${range.from} to ${range.to} when it was asked for ${asked.from} to ${to}`)
  const declared = headers.get('content-length')
  if (declared !== null && Number(declared) !== to - asked.from)
    return again(`it announced ${declared} bytes for a range of ${to - asked.from}`)
  return pinnedAs('part', asked.from, to - asked.from, range.total, pinned, headers, rules)
}

function judgeWhole(pinned: Pinned | undefined, headers: Headers, rules: Rules): Answer {
  const encoding = headers.get('content-encoding') ?? 'identity'
  const declared = headers.get('content-length')
  const length = declared === null ? undefined : Number(declared)
  if (pinned !== undefined && !isOf(pinned.version, headers)) return changed(headers)
  if (
    length === undefined ||
    !Number.isSafeInteger(length) ||
    length > rules.wholeMax ||
    encoding !== 'identity'
  )
    return failed(
      errno.ENOTSUP,
      `it knows no ranges: it answered 200 with ${length ?? 'an unknown number of'} bytes${encoding === 'identity' ? '' : ` in the encoding ${encoding}`}, and files of at most ${rules.wholeMax} bytes are taken whole; use a server that answers ranges with 206`,
    )
  if (pinned !== undefined && pinned.length !== length) return changed(headers)
  return pinnedAs('whole', 0, length, length, pinned, headers, rules)
}

/** Beyond the end: of an empty file every range is; of one that was longer, it has changed. */
function judgeBeyond(pinned: Pinned | undefined, headers: Headers): Answer {
  const total = /^bytes \*\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1]
  if (pinned === undefined)
    return total === '0'
      ? { kind: 'empty' }
      : total === undefined
        ? failed(
            errno.EPROTO,
            'it answered 416 and did not say how long the file is: whether it is empty can not be known; have it send Content-Range: bytes */0',
          )
        : again(`it answered 416 for the first bytes of a file of ${total}`)
  if (total !== undefined && Number(total) === pinned.length)
    return again('it answered 416 for a range inside the file')
  return changed(headers)
}

function pinnedAs(
  kind: 'part' | 'whole',
  from: Bytes,
  length: Bytes,
  total: Bytes,
  pinned: Pinned | undefined,
  headers: Headers,
  { pin }: Rules,
): Answer {
  if (pinned !== undefined) return { kind, from, length, pinned }
  const version = versionOf(headers, pin)
  if (version === undefined)
    return failed(
      errno.ENOTSUP,
      `it sends no strong ETag (ETag is ${shownHeader(headers, 'etag')}), so that a change of the file could go unnoticed; have it send one, or open with pin: 'weak'`,
    )
  return { kind, from, length, pinned: { version, length: total, id: versionIdOf(headers) } }
}

interface ContentRange {
  readonly from: Bytes
  readonly to: Bytes
  readonly total: Bytes | undefined
}

function contentRange(headers: Headers): ContentRange | undefined {
  const parts = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/.exec(headers.get('content-range') ?? '')
  if (parts === null) return undefined
  const [, first, last, total] = parts
  return { from: Number(first), to: Number(last) + 1, total: total === '*' ? undefined : Number(total) }
}

/** Retry-After is seconds or a date (RFC 9110, 10.2.3). Milliseconds from `now`; undefined: it says nothing. */
export function retryAfter(headers: Headers, now: number): number | undefined {
  const value = headers.get('retry-after')
  if (value === null) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

function again(why: string, headers?: Headers, now = 0): Answer {
  return { kind: 'again', why, after: headers && retryAfter(headers, now) }
}

function failed(errno: Errno, why: string): Answer {
  return { kind: 'failed', errno, why }
}

function changed(headers: Headers): Answer {
  return failed(
    errno.ESTALE,
    `the file has changed on the server since it was opened (ETag is now ${shownHeader(headers, 'etag')}); open it anew`,
  )
}

function shownHeader(headers: Headers, name: string): string {
  const value = headers.get(name)
  return value === null ? 'missing' : JSON.stringify(value.slice(0, 80))
}
