/**
 * Volumes of many machines in a machine: making one, and opening one.
 *
 *     make    its name is noted -> a writer's session -> header, state and root are the first commit -> open
 *     open    its name is looked up -> a session -> header -> first block
 *
 * Invariants
 *   SHV1 What fails leaves nothing open, and no lease; a volume whose making failed is made anew by who makes it next.
 */
import type { CreateVolumeOptions, OpenVolumeOptions, SharedPlaceOptions } from '../api/index.ts'
import { type Errno, errno, ROOT } from '../base/index.ts'
import { type Context, checkKeys, choice, FaultlineError, invalid } from '../calls/index.ts'
import type { RemoteFiles } from '../files/index.ts'
import { shown } from '../group/index.ts'
import {
  findVolume,
  isAddress,
  noteVolume,
  Occupied,
  PgMissing,
  Postgres,
  PostgresError,
  PUT_WITHIN,
  placeOf,
  SchemaTooNew,
  Session,
  SSL_MODES,
  shownAddress,
  upgradeSchema,
  type VolumeRow,
  wrongSslMode,
} from '../machines/index.ts'
import type { Task } from '../sched/index.ts'
import {
  Following,
  type FollowingArgs,
  followingArgs,
  Making,
  makeArgs,
  Opening,
  openArgs,
} from '../volume/index.ts'
import { guarded, perform, type Undo } from './guarded.ts'
import type { Ground, OpenVolume } from './open-volume.ts'
import { now, planOf as owned } from './volume-attributes.ts'
import { keepIn } from './volume-keep.ts'

const PLACE_KEYS = ['meta', 'endpoint', 'region', 'credentials', 'fetch', 'cache']
/** Numbers of blocks that a volume can give out, each once: 2^40, or as many as have a place in 2^53 bytes. */
const BLOCKS_MAX = 2 ** 40 - 1
/** For how long making a volume tries to put its first block, in milliseconds. */
const MAKING_WITHIN = 30_000
/** Of TLS: the certificate is somebody else's. */
const MISNAMED = 'ERR_TLS_CERT_ALTNAME_INVALID'
/** Of the bucket, or the database: what says nothing of the bytes that lie there. */
const UNASKED: ReadonlySet<Errno> = new Set([
  errno.EREMOTEIO,
  errno.ETIMEDOUT,
  errno.EACCES,
  errno.EKEYREJECTED,
  errno.EPROTO,
])
const NAME = /^[^\0/]{1,200}$/

/** What a session is opened with, beside its volume. */
interface Opened {
  readonly context: Context
  readonly remote: RemoteFiles
  readonly operation: 'createVolume' | 'openVolume'
  readonly name: string
  readonly options: SharedPlaceOptions
}

/** Lets a reader go on whenever it hears of a commit. */
class Follower {
  private readonly context: Context
  private verb: Following | undefined
  private session: Session | undefined
  private task: Task<FollowingArgs> | undefined

  constructor(context: Context) {
    this.context = context
  }

  begin(verb: Following, session: Session): void {
    this.verb = verb
    this.session = session
    this.look()
  }

  /** Something may have been committed. */
  look(): void {
    const { verb, session, context } = this
    const isUnderWay = this.task !== undefined && this.task.state !== 'ended'
    if (verb === undefined || isUnderWay || session!.store.pendingNews.length === 0) return
    const task = context.performer.begin(verb, followingArgs(), { name: verb.name, group: ROOT })
    this.task = task
    // What came meanwhile is gone on to next; it comes again by itself, if nothing else does.
    if (task.state !== 'ended') task.onEnd = () => queueMicrotask(() => this.look())
  }

  end(): void {
    this.verb = undefined
    if (this.task !== undefined && this.task.state !== 'ended') this.context.performer.kill(this.task)
  }
}

class SharedGround implements Ground {
  readonly endings: Ground['endings']
  private readonly name: string
  private readonly session: Session

  constructor(name: string, session: Session, follower?: Follower) {
    this.name = name
    this.session = session
    this.endings = [() => follower?.end(), () => session.close()]
  }

  flaws(): readonly string[] {
    return []
  }

  noteDamage(): void {
    // Others may have it sound: what is damaged is found anew by who reads it.
  }

  trouble(): string | undefined {
    return this.session.device.lastFailure?.message
  }

  leave(): void {
    // What isn't durable by now takes the network to make it so.
  }

  grow(): Promise<void> {
    return this.refuse('grow')
  }

  shrink(): Promise<void> {
    return this.refuse('shrink')
  }

  private async refuse(what: 'grow' | 'shrink'): Promise<void> {
    throw invalid(
      what,
      `${what} of ${this.name}: a volume of many machines has no size; it holds what its bucket does`,
    )
  }
}

/** Whether it is of many machines, or so called. */
export function isShared(options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'meta' in options && options.meta !== undefined
}

/** Makes a volume in a database and a bucket, and opens it to write. */
export async function makeShared(
  context: Context,
  remote: RemoteFiles,
  name: string,
  options: CreateVolumeOptions,
): Promise<OpenVolume> {
  checkKeys(options, [...PLACE_KEYS, 'data', 'signal'], 'createVolume')
  const data = bucketIn(options.data)
  const at: Opened = {
    context,
    remote,
    operation: 'createVolume',
    name: named(name, 'createVolume'),
    options,
  }
  return told(at, undo =>
    begin(at, undo, async postgres => {
      const { endpoint, region = 'us-east-1' } = options
      // Words that can't be right are refused before anything is noted.
      await remote.place(data, placeOptions(options, {}))
      const { pageSize } = context.engine.memory.frames
      const row = await noteVolume(postgres, name, { url: data.href, endpoint, region }, pageSize)
      if (row.head > 0)
        throw new FaultlineError(
          'EEXIST',
          'createVolume',
          `there is a volume ${shown(name)} in ${postgres.name} already; choose another name`,
        )
      const session = await enter(at, postgres, row, 'r+')
      undo(() => session.close())
      const plan = planOf(context, session)
      const args = makeArgs({
        ...plan,
        size: Math.min(BLOCKS_MAX, Math.floor(Number.MAX_SAFE_INTEGER / pageSize)) * pageSize,
        id: Number(BigInt.asUintN(53, crypto.getRandomValues(new BigUint64Array(1))[0]!)),
        root: owned('directory', {}, 'createVolume'),
        now: now(),
      })
      // Nobody has written anything yet that could be lost: an address that was typed wrong is told of soon.
      session.bucket.putWithin = MAKING_WITHIN
      await perform(context, new Making(), args, `making of ${name}`, () => '').catch(because(at, session))
      session.bucket.putWithin = PUT_WITHIN
      const core = args.volume!
      return { core, path: name, purpose: 'r+', noted: 0, ground: new SharedGround(name, session) }
    }),
  )
}

export async function openShared(
  context: Context,
  remote: RemoteFiles,
  name: string,
  options: OpenVolumeOptions,
): Promise<OpenVolume> {
  checkKeys(options, [...PLACE_KEYS, 'mode', 'follow'], 'openVolume')
  const mode = choice(options.mode ?? 'r', ['r', 'r+'], 'mode', 'openVolume')
  const follow = choice(options.follow ?? 'open', ['open', 'commits'], 'follow', 'openVolume')
  if (follow === 'commits' && mode === 'r+')
    throw invalid(
      'openVolume',
      "follow: it is for who reads; who writes sees what it commits: leave it out, or open with mode 'r'",
    )
  if (follow === 'commits' && context.mmu === 'hardware')
    throw new FaultlineError(
      'ENOTSUP',
      'openVolume',
      `openVolume of ${shown(name)}: a hardware machine can't go on to another commit between two loads of a program; use a software machine, or leave follow out`,
    )
  const at: Opened = { context, remote, operation: 'openVolume', name: named(name, 'openVolume'), options }
  return told(at, undo =>
    begin(at, undo, async postgres => {
      const row = await findVolume(postgres, name)
      if (row === undefined || row.head === 0)
        throw new FaultlineError(
          'ENOENT',
          'openVolume',
          `there is no volume ${shown(name)} in ${postgres.name}`,
        )
      const follower = follow === 'commits' ? new Follower(context) : undefined
      const session = await enter(at, postgres, row, mode, follower)
      undo(() => session.close())
      const args = openArgs({ ...planOf(context, session), unasked: UNASKED })
      await perform(context, new Opening(), args, `opening of ${name}`, () => args.why).catch(
        because(at, session),
      )
      const core = args.volume!
      follower?.begin(new Following(core, context.engine.cache, session.store), session)
      return { core, path: name, purpose: mode, noted: 0, ground: new SharedGround(name, session, follower) }
    }),
  )
}

/** A database whose schema is up to date, for as long as the rest doesn't fail. */
async function begin<T>(
  { options }: Opened,
  undo: Undo,
  act: (postgres: Postgres) => Promise<T>,
): Promise<T> {
  const postgres = await Postgres.open(options.meta!)
  undo(() => postgres.close())
  await upgradeSchema(postgres)
  return act(postgres)
}

async function enter(
  { context, remote, operation, name, options }: Opened,
  postgres: Postgres,
  row: VolumeRow,
  mode: 'r' | 'r+',
  follower?: Follower,
): Promise<Session> {
  const { engine, driver, performer } = context
  const { blockSize } = row.data
  const { pageSize } = engine.memory.frames
  if (blockSize !== pageSize)
    throw invalid(
      operation,
      `${operation} of ${name}: the volume has blocks of ${blockSize} bytes; open it in a machine with pages of that size`,
    )
  const { origin, settings } = await remote.place(new URL(row.data.url), placeOptions(options, placeOf(row)))
  return Session.open({
    scheduler: engine.scheduler,
    pump: () => driver.pump(),
    completed: ticket => performer.completed(ticket),
    postgres,
    row,
    mode,
    origin,
    settings,
    keep: options.cache === undefined ? undefined : keepIn(options.cache, operation),
    onNews: follower && (() => follower.look()),
  })
}

/** Why the bucket couldn't be asked, if that is what it failed for. */
function because({ operation, name }: Opened, { device }: Session): (error: unknown) => never {
  return error => {
    const { lastFailure } = device
    if (lastFailure === undefined || !(error instanceof FaultlineError)) throw error
    throw new FaultlineError(error.code, operation, `${operation} of ${name}: ${lastFailure.message}`, error)
  }
}

function planOf({ engine }: Context, { device, store, reuse }: Session) {
  return { cache: engine.cache, io: engine.io, calls: engine.verbs, device, store, reuse }
}

/** What is told now goes before what was written down. */
export function placeOptions(
  { endpoint, region, credentials, fetch }: SharedPlaceOptions,
  known: { readonly endpoint?: string | undefined; readonly region?: string },
) {
  return {
    ...(known.endpoint !== undefined && { endpoint: known.endpoint }),
    ...(known.region !== undefined && { region: known.region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(credentials !== undefined && { credentials }),
    ...(fetch !== undefined && { fetch }),
  }
}

/** Undoes what was done if the rest fails, and says what the database meant. */
export async function told<T>(
  {
    operation,
    name,
    options,
  }: { readonly operation: string; readonly name: string; readonly options: SharedPlaceOptions },
  act: (undo: Undo) => Promise<T>,
): Promise<T> {
  const { meta } = options
  checkMeta(meta, operation)
  return guarded(operation, name, async undo => {
    try {
      return await act(undo)
    } catch (error) {
      throw translated(error, operation, name, shownAddress(meta))
    }
  })
}

/** Throws EINVAL unless it can be the address of a database. */
export function checkMeta(meta: unknown, operation: string): asserts meta is string {
  if (!isAddress(meta))
    throw invalid(
      operation,
      `meta: expected an address like postgres://user@host/database, got ${shownMeta(meta)}`,
    )
  const mode = wrongSslMode(meta)
  if (mode !== undefined)
    throw invalid(operation, `meta: sslmode: expected one of ${SSL_MODES.join(', ')}, got ${shown(mode)}`)
}

function shownMeta(meta: unknown): string {
  return typeof meta === 'string' ? shown(shownAddress(meta)) : shown(meta)
}

function translated(error: unknown, operation: string, name: string, meta: string): unknown {
  const say = (code: string, what: string) =>
    new FaultlineError(code, operation, `${operation} of ${name}: ${what}`, error)
  if (error instanceof PgMissing) return new FaultlineError('ENOSYS', operation, error.message, error)
  if (error instanceof SchemaTooNew) return say('EPROTO', error.message)
  if (error instanceof Occupied)
    return say(
      'EBUSY',
      `it is open to be written by ${error.message}; wait until it has been closed, or fence it`,
    )
  if (error instanceof PostgresError && error.kind === 'untrusted')
    return say(
      'EPROTO',
      `${meta} could not be trusted: ${error.message}; ${error.code === MISNAMED ? 'ask it by a name that its certificate has' : 'name who has signed its certificate with sslrootcert=FILE in the address'}`,
    )
  if (error instanceof PostgresError)
    return say(
      error.kind === 'refused' ? 'EACCES' : 'EREMOTEIO',
      `${meta} could not be asked: ${error.message}`,
    )
  return error
}

function named(name: unknown, operation: string): string {
  if (typeof name !== 'string' || !NAME.test(name))
    throw invalid(
      operation,
      `expected the name of a volume, up to 200 characters without slashes, got ${shown(name)}`,
    )
  return name
}

function bucketIn(data: unknown): URL {
  const url = typeof data === 'string' && URL.canParse(data) ? new URL(data) : undefined
  if (url?.protocol !== 's3:' || url.hostname === '' || url.search !== '' || url.hash !== '')
    throw invalid(
      'createVolume',
      `data: expected where its data are to lie, like s3://bucket/prefix, got ${shown(data)}`,
    )
  if (url.pathname.length < 2) url.pathname = '/volumes'
  return url
}
