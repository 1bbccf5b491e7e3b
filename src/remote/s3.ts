/**
 * An object of an S3 bucket: where it is, and the headers that say who asks (AWS Signature Version 4, by aws4fetch).
 */
import type { AwsV4Signer } from 'aws4fetch'
import type { Authorization } from './settings.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

export interface S3Place {
  /** "s3://bucket/key" */
  readonly url: URL
  /** "https://host": path-style addresses below it. AWS itself if left out. */
  readonly endpoint: string | undefined
  readonly region: string
}

/** The https address of an object; its key is taken as it stands in the s3 address, percent-encoded. */
export function s3Address({ url, endpoint, region }: S3Place): string {
  const bucket = url.hostname
  if (endpoint === undefined)
    return `https://${bucket}.s3.${region}.amazonaws.com${url.pathname}${url.search}`
  return `${endpoint.replace(/\/+$/, '')}/${bucket}${url.pathname}${url.search}`
}

/** `credentials`: asked for at the first request, and again when a server refused them. `signer`: aws4fetch's. */
export function signed(
  signer: typeof AwsV4Signer,
  region: string,
  credentials: () => Promise<S3Credentials>,
): Authorization {
  let known: Promise<S3Credentials> | undefined
  return {
    async headersFor(url, headers) {
      known ??= credentials()
      const asked = known
      try {
        const { accessKeyId, secretAccessKey, sessionToken } = await asked
        const given = {
          accessKeyId,
          secretAccessKey,
          ...(sessionToken === undefined ? {} : { sessionToken }),
        }
        const request = { method: 'GET', url, headers: { ...headers }, service: 's3', region, ...given }
        return Object.fromEntries((await new signer(request).sign()).headers)
      } catch (error) {
        if (known === asked) known = undefined
        throw error
      }
    },
    refresh() {
      known = undefined
      return true
    },
  }
}
