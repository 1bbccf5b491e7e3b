/**
 * Which version of a file on a server is meant. A file is pinned to what its first answer said, and no byte of another
 * version is ever taken for one of it.
 *
 *     strong   a strong ETag: equal means the same bytes (RFC 9110, 8.8.3)
 *     weak     a weak ETag, or Last-Modified: equal means nearly the same bytes, or the same second
 *
 * Invariants
 *   VN1 What is compared is what was pinned: an answer that lacks it is one of another version.
 */

/** How sure it must be that two answers are of the same bytes. */
export type Pin = 'strong' | 'weak'

export interface Version {
  readonly kind: 'etag' | 'weak-etag' | 'last-modified'
  readonly value: string
}

/** What an answer can be pinned to, the surest first; undefined: nothing that `pin` allows. */
export function versionOf(headers: Headers, pin: Pin): Version | undefined {
  const etag = headers.get('etag')
  if (etag !== null && etag !== '' && !etag.startsWith('W/')) return { kind: 'etag', value: etag }
  if (pin === 'strong') return undefined
  if (etag !== null && etag !== '') return { kind: 'weak-etag', value: etag }
  const modified = headers.get('last-modified')
  return modified === null ? undefined : { kind: 'last-modified', value: modified }
}

/** Whether an answer is of the version `pinned` (VN1). */
export function isOf(pinned: Version, headers: Headers): boolean {
  return headers.get(HEADERS[pinned.kind]) === pinned.value
}

/**
 * The headers that ask a server for that version and no other. A weak ETag never matches (RFC 9110, 13.1.1).
 */
export function precondition(pinned: Version): Readonly<Record<string, string>> {
  switch (pinned.kind) {
    case 'etag':
      return { 'if-match': pinned.value }
    case 'last-modified':
      return { 'if-unmodified-since': pinned.value }
    case 'weak-etag':
      return {}
  }
}

const HEADERS: Readonly<Record<Version['kind'], string>> = {
  etag: 'etag',
  'weak-etag': 'etag',
  'last-modified': 'last-modified',
}

/** What S3 calls this version of an object; undefined: the bucket keeps none. */
export function versionIdOf(headers: Headers): string | undefined {
  const id = headers.get('x-amz-version-id')
  return id === null || id === 'null' || id === '' ? undefined : id
}
