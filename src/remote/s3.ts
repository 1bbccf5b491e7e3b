/**
 * An object of an S3 bucket: where it is, and the headers that say who asks (AWS Signature Version 4, by aws4fetch).
 *
 * The address is "s3://bucket/key", the key percent-encoded as in any address. Of a bucket that keeps versions, the one that
 * was opened stays readable when the object is replaced.
 */
import { Once } from './once.ts'
import type { Authorization } from './settings.ts'

/** What requests to S3 are signed with. */
export interface S3Credentials {
  /** AWS_ACCESS_KEY_ID. */
  readonly accessKeyId: string
  /** AWS_SECRET_ACCESS_KEY. */
  readonly secretAccessKey: string
  /** AWS_SESSION_TOKEN, of credentials that end. */
  readonly sessionToken?: string | undefined
}

/** `endpoint`: path-style addresses below it; AWS itself if left out. `versionId`: that one instead of the newest. */
export function s3Address(
  { hostname: bucket, pathname }: URL,
  endpoint: string | undefined,
  region: string,
  versionId: string | undefined,
): string {
  const base =
    endpoint === undefined
      ? `https://${bucket}.s3.${region}.amazonaws.com`
      : `${endpoint.replace(/\/+$/, '')}/${bucket}`
  return `${base}${pathname}${versionId === undefined ? '' : `?versionId=${encodeURIComponent(versionId)}`}`
}

/** aws4fetch's AwsV4Signer, by what is used of it: who doesn't install it has no types of it. */
type Signer = new (request: {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly method: string
  readonly url: string
  readonly service: string
  readonly region: string
}) => { sign(): Promise<{ readonly headers: Headers }> }

/** `credentials`: asked for at the first request, and again when a server refused them. `Signer`: aws4fetch's. */
export function signed(
  Signer: Signer,
  region: string,
  credentials: () => Promise<S3Credentials>,
): Authorization {
  const known = new Once(credentials)
  return {
    async headersFor(url, headers, method = 'GET') {
      const { accessKeyId, secretAccessKey, sessionToken } = await known.get()
      const token = sessionToken === undefined ? {} : { sessionToken }
      const who = { accessKeyId, secretAccessKey, ...token, service: 's3', region }
      // Only what S3 wants signed is: proxies change the others, Accept-Encoding above all.
      const { headers: proof } = await new Signer({ method, url, ...who }).sign()
      return { ...headers, ...Object.fromEntries(proof) }
    },
    refresh() {
      known.forget()
      return true
    },
  }
}
