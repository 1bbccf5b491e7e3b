/** How files are named and opened: those of the host, and those on servers. */
import type { Fetch, Pin, S3Credentials } from '../remote/index.ts'
import type { VolumeFace } from './volume.ts'

/** A path of the host: text, a URL of file:, or its bytes, as node:fs takes it. */
export type HostPath = string | URL | Uint8Array

/** How a file of the host is opened. */
export interface OpenOptions {
  /**
   * 'r' to read; the others to write too: 'r+' what exists, 'w+' emptied or made, 'wx+' made where nothing is, 'a+' made if it
   * is missing. 'r' if left out.
   */
  readonly mode?: 'r' | 'r+' | 'w+' | 'wx+' | 'a+'
  /** Bypass the host's page cache where the host allows. Of a file that is open already, the first opening decides. */
  readonly direct?: boolean
  /** A store to a page that is being written waits, as where pages are checksummed. The first opening decides. */
  readonly stablePages?: boolean
}

/** Header fields of HTTP, by name. */
export type HeaderFields = Readonly<Record<string, string>>

/** How files on servers are asked for. */
export interface RemoteOptions {
  /** In place of the platform's fetch. */
  readonly fetch?: Fetch
  /** Sent with each request; a function is asked once, and once more when the server said 401 or 403. */
  readonly headers?: HeaderFields | (() => Promise<HeaderFields>)
  /** What a file may be pinned to: 'weak' takes a weak ETag or Last-Modified too. 'strong' if left out. */
  readonly pin?: Pin
  /** Ranges of this server that are asked for at once, 16 if left out. The first file of a server decides. */
  readonly connections?: number
  /** Milliseconds until the head of an answer must be there: 5,000 if left out. */
  readonly headersWithin?: number
  /** Milliseconds in which the body of an answer must bring a byte: 5,000 if left out. */
  readonly progressWithin?: number
  /** Milliseconds from asking for a range to having it, with all retries: 30,000 if left out. */
  readonly deadline?: number
  /** A volume of this computer that keeps what was fetched: of files with a strong ETag, and only while it is open with mode 'r+'. */
  readonly cache?: VolumeFace
  /** Of s3 addresses: a server other than AWS, by its https address. */
  readonly endpoint?: string
  /** Of s3 addresses: 'us-east-1' if left out. */
  readonly region?: string
  /** Of s3 addresses; a function is asked once, and once more when they were refused. Nothing is signed if left out. */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>)
  /** Of s3 addresses: a version other than the newest. */
  readonly versionId?: string
}
