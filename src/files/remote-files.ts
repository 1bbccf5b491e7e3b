/**
 * Files on servers, as a machine opens them: which addresses there are, who asks, and how long is waited.
 *
 * Files of one origin share its connections, its limits and what is known of its latency.
 */
import type { HeaderFields, OpenOptions, RemoteOptions } from '../api/index.ts'
import { codeOf, errnoName } from '../base/index.ts'
import type { CachedFile } from '../cache/index.ts'
import { type Context, checkKeys, choice, FaultlineError, invalid } from '../calls/index.ts'
import { LinearFile } from '../fs/index.ts'
import { shown } from '../group/index.ts'
import {
  type Authorization,
  freshHeaders,
  HttpDevice,
  type Keep,
  Origin,
  plainHeaders,
  REMOTE_DEFAULTS,
  RemoteError,
  type RemoteFile,
  type RemoteSettings,
  s3Address,
  signed,
} from '../remote/index.ts'
import { FILE_BYTES_MAX, File, tooLong } from './file.ts'
import { CachedCalls, forget } from './file-calls.ts'
import { MODES } from './host-open.ts'

const HTTP_KEYS = [
  'fetch',
  'headers',
  'pin',
  'connections',
  'headersWithin',
  'progressWithin',
  'deadline',
  'cache',
] as const
const S3_KEYS = ['endpoint', 'region', 'credentials', 'versionId'] as const
/** Words of a query that only say who asks, and until when: of S3, and of Google's storage. */
const SIGNING = /^x-(amz|goog)-/i
/** The longest that a timer waits, in milliseconds. */
const NUMBER_MAX = 2 ** 31 - 1
/** What `open` takes for files of the host; of a server's file it means nothing, and does no harm. */
const HOST_KEYS = ['mode', 'direct', 'stablePages'] as const

/** The address of a file on a server; undefined: what is to be opened is a path. */
export function remoteAddress(path: unknown): URL | undefined {
  if (path instanceof URL) return path.protocol === 'file:' ? undefined : known(path)
  if (typeof path !== 'string' || !/^(https?|s3):\/\//i.test(path)) return undefined
  if (!URL.canParse(path)) throw invalid('open', `open of ${shown(path)}: it is no address that can be read`)
  return known(new URL(path))
}

function known(url: URL): URL {
  if (!['http:', 'https:', 's3:'].includes(url.protocol))
    throw invalid('open', `open of ${remoteName(url)}: expected a path, or an address of http, https or s3`)
  return url
}

/** A version of a file as the machine has it, for all who opened it. */
interface Known {
  readonly device: HttpDevice
  readonly cached: CachedFile
  openings: number
}

/** Where parts of a file are kept, of an option `cache`. Throws EINVAL, EBADF. */
export type KeepIn = (cache: unknown, operation: string) => Keep

export class RemoteFiles {
  readonly opened = new Set<File>()
  private readonly context: Context
  private readonly keepIn: KeepIn
  private readonly origins = new Map<string, Origin>()
  /** By address and version: of a file that has changed there are two. */
  private readonly known = new Map<string, Known>()
  private underWay = 0

  constructor(context: Context, keepIn: KeepIn) {
    this.context = context
    this.keepIn = keepIn
  }

  /**
   * The same version of a file opened twice has one set of pages.
   * Errors: those of RemoteError, EINVAL, EROFS, EFBIG; ENOTSUP without aws4fetch where something is to be signed.
   */
  async open(address: URL, options: OpenOptions & RemoteOptions): Promise<File> {
    const known = await this.knownAt(address, options)
    const calls = new CachedCalls(this.context.engine, known.cached)
    const file = new File(this.context, calls, true, closed => this.release(known, closed))
    this.opened.add(file)
    return file
  }

  /** The bucket, and how it is asked, of an address below it. */
  place(address: URL, options: RemoteOptions): Promise<Pick<RemoteFile, 'origin' | 'settings'>> {
    return this.s3(remoteName(address), address, options)
  }

  /** One opening more. */
  private async knownAt(address: URL, options: OpenOptions & RemoteOptions): Promise<Known> {
    const device = await this.device(address, options)
    const { io, memory, cache } = this.context.engine
    if (device.length > FILE_BYTES_MAX) throw tooLong('open', device.name, device.length)
    const found = this.known.get(device.key)
    if (found !== undefined) {
      void device.close()
      found.openings++
      return found
    }
    const backing = new LinearFile(device, io, memory, { stablePages: false, spaceFor: 0 })
    const known = { device, cached: cache.add(device.name, device.length, backing), openings: 1 }
    this.known.set(device.key, known)
    return known
  }

  private async release(known: Known, file: File): Promise<void> {
    const { device, cached } = known
    try {
      if (--known.openings > 0) return
      this.known.delete(device.key)
      // What is under way yet was read ahead, or nobody waits for it any more.
      await device.close()
      await forget(this.context, cached)
    } finally {
      this.opened.delete(file)
    }
  }

  private async device(address: URL, options: OpenOptions & RemoteOptions): Promise<HttpDevice> {
    const name = remoteName(address)
    const isS3 = address.protocol === 's3:'
    checkKeys(options, [...HOST_KEYS, ...HTTP_KEYS, ...(isS3 ? S3_KEYS : [])], 'open')
    const { mode } = options
    if (choice(mode ?? 'r', MODES, 'mode', 'open') !== 'r')
      throw new FaultlineError(
        'EROFS',
        'open',
        `open of ${name}: a file on a server can only be read; open it with mode 'r'`,
      )
    const file = isS3 ? await this.s3(name, address, options) : this.http(name, address, options)
    this.change(1)
    try {
      return await HttpDevice.open(file, () => this.context.driver.pump())
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error
      const code = errnoName(error.errno)
      throw new FaultlineError(code, 'open', `open of ${name} failed with ${code}: ${error.message}`, error)
    } finally {
      this.change(-1)
    }
  }

  private http(name: string, address: URL, options: RemoteOptions): RemoteFile {
    // fetch refuses an address with a name and a password; they are for a header.
    const { username, password } = address
    const plain = new URL(address)
    plain.username = ''
    plain.password = ''
    plain.hash = ''
    const given =
      username === ''
        ? {}
        : {
            authorization: `Basic ${btoa(`${decoded(username, name)}:${decoded(password, name)}`)}`,
          }
    const settings = settingsOf(options, headersOf(options.headers, given))
    return { ...this.file(name, plain.href, settings), ...this.kept(options) }
  }

  private async s3(name: string, address: URL, options: RemoteOptions): Promise<RemoteFile> {
    const { urlOf, settings } = await s3Object(name, address, options)
    return { ...this.file(name, urlOf(options.versionId), settings), urlOf, ...this.kept(options) }
  }

  private change(by: 1 | -1): void {
    this.underWay += by
    this.context.asked(this.underWay)
  }

  /** Where parts of a file are kept, if anywhere. */
  private kept({ cache }: RemoteOptions): Pick<RemoteFile, 'keep'> {
    return cache === undefined ? {} : { keep: this.keepIn(cache, 'open') }
  }

  private file(name: string, url: string, settings: RemoteSettings): RemoteFile {
    const at = new URL(url).origin
    let origin = this.origins.get(at)
    if (origin === undefined) {
      origin = new Origin(at, settings.connections, change => this.change(change))
      this.origins.set(at, origin)
    }
    return { name, identity: identityOf(url), url, origin, settings }
  }
}

/** An address that was signed for a while is of the same file as the next one. */
function identityOf(url: string): string {
  const plain = new URL(url)
  for (const name of [...plain.searchParams.keys()]) if (SIGNING.test(name)) plain.searchParams.delete(name)
  return plain.href
}

/** Where an object of S3 is, and how it is asked for. */
async function s3Object(name: string, address: URL, options: RemoteOptions) {
  const { endpoint, region = 'us-east-1', credentials, versionId } = options
  for (const [key, value] of Object.entries({ endpoint, region, versionId }))
    if (value !== undefined && (typeof value !== 'string' || value === ''))
      throw invalid('open', `open of ${name}: ${key}: expected text, got ${shown(value)}`)
  if (endpoint !== undefined && !/^https?:$/.test(URL.canParse(endpoint) ? new URL(endpoint).protocol : ''))
    throw invalid(
      'open',
      `open of ${name}: endpoint: expected an address of http or https, got ${shown(endpoint)}`,
    )
  if (address.hostname === '' || address.pathname.length < 2)
    throw invalid('open', `open of ${name}: expected s3://bucket/key`)
  const urlOf = (version: string | undefined) => s3Address(address, endpoint, region, version)
  const authorization =
    credentials === undefined ? headersOf(options.headers, {}) : await signer(name, region, credentials)
  return { urlOf, settings: settingsOf(options, authorization) }
}

/** A bucket, and how it is asked, where no machine shares it. */
export async function bucketAlone(
  address: URL,
  options: RemoteOptions,
): Promise<Pick<RemoteFile, 'origin' | 'settings'>> {
  const { urlOf, settings } = await s3Object(remoteName(address), address, options)
  return { settings, origin: new Origin(new URL(urlOf(undefined)).origin, settings.connections) }
}

/** What may be shown of an address: neither its query nor who asks, where secrets are. */
export function remoteName({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname}`
}

/** The name or the password in an address. */
function decoded(text: string, name: string): string {
  try {
    const plain = decodeURIComponent(text)
    // Basic has bytes, of which btoa takes what Latin-1 has.
    return String.fromCharCode(...new TextEncoder().encode(plain))
  } catch (error) {
    throw new FaultlineError(
      'EINVAL',
      'open',
      `open of ${name}: the name or the password in the address is not percent-encoded as addresses are`,
      error,
    )
  }
}

function headersOf(headers: RemoteOptions['headers'], given: HeaderFields): Authorization {
  if (typeof headers === 'function') return freshHeaders(async () => ({ ...given, ...(await headers()) }))
  if (headers !== undefined && (typeof headers !== 'object' || Array.isArray(headers)))
    throw invalid('open', `headers: expected an object of headers or a function, got ${shown(headers)}`)
  return plainHeaders({ ...given, ...headers })
}

async function signer(
  name: string,
  region: string,
  credentials: NonNullable<RemoteOptions['credentials']>,
): Promise<Authorization> {
  const ask = typeof credentials === 'function' ? credentials : async () => credentials
  try {
    const { AwsV4Signer } = await import('aws4fetch')
    return signed(AwsV4Signer, region, ask)
  } catch (error) {
    if (codeOf(error) !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new FaultlineError(
      'ENOTSUP',
      'open',
      `open of ${name}: requests are signed with the package aws4fetch, which isn't installed: npm install aws4fetch`,
      error,
    )
  }
}

function settingsOf(options: RemoteOptions, authorization: Authorization): RemoteSettings {
  const ask = options.fetch ?? globalThis.fetch
  if (typeof ask !== 'function') throw invalid('open', `fetch: expected a function, got ${shown(ask)}`)
  const {
    connections = REMOTE_DEFAULTS.connections,
    headersWithin = REMOTE_DEFAULTS.headersWithin,
    progressWithin = REMOTE_DEFAULTS.progressWithin,
    deadline = REMOTE_DEFAULTS.deadline,
  } = options
  for (const [key, value] of Object.entries({ connections, headersWithin, progressWithin, deadline }))
    if (typeof value !== 'number' || !(value >= 1 && value <= NUMBER_MAX))
      throw invalid('open', `${key}: expected a number from 1 to ${NUMBER_MAX}, got ${shown(value)}`)
  if (!Number.isInteger(connections))
    throw invalid('open', `connections: expected a whole number, got ${shown(connections)}`)
  return {
    ...REMOTE_DEFAULTS,
    fetch: (url, init) => ask(url, init),
    authorization,
    pin: choice(options.pin ?? REMOTE_DEFAULTS.pin, ['strong', 'weak'], 'pin', 'open'),
    connections,
    headersWithin,
    progressWithin,
    deadline,
  }
}
