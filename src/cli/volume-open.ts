/**
 * What the commands about volumes share: a machine for one volume. One that is mounted has a daemon, which is asked what
 * only it can do; the rest is done with the files of the mount.
 */
import { type Command, Option } from 'commander'
import type { SharedPlaceOptions, VolumeFace } from '../api/index.ts'
import { printable } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { Machine } from '../map/index.ts'
import { askMounted, type ControlCalls, type ControlName, mountOf } from '../mount/index.ts'
import { blockSizeOf, type CachePlace, checkMeta, openCache, type Volume } from '../volumes/index.ts'
import { shownBytes, size, WrongWords } from './words.ts'

/** Enough for the pages of what commands map and write; whole files go past it. */
const MEMORY = 16 * 2 ** 20

/** A cache that is made has so much, if nothing else is said. */
const CACHE_SIZE = 2 ** 30
const CACHE_SIZE_MIN = 2 ** 20
/** Commands that read what files hold. */
const READING: ReadonlySet<string> = new Set(['get', 'check'])

/** Why a cache isn't used, and what else there is to say. */
const WITHOUT: Readonly<Record<string, string>> = {
  EBUSY: '',
  EUCLEAN: '; remove it, and it is made anew',
}

/** What is told of a volume of many machines, beside its name. */
interface SharedWords {
  readonly meta?: string
  readonly cache?: string
  readonly cacheSize: number
}

/** The database of the volume that the command is about; undefined: it is a directory. A process runs one command. */
let meta: string | undefined
let cache: CachePlace | undefined

/** `further`: what else it means to the command. */
export function metaOption(further = ''): Option {
  return new Option(
    '--meta <address>',
    `the database of a volume of many machines, which <volume> is then the name of: postgres://user@host/database${further}`,
  ).argParser(address)
}

/** Commander would show the whole word that it refuses, and a password may stand in it. */
function address(text: string): string {
  try {
    checkMeta(text, 'meta')
    return text
  } catch (error) {
    throw error instanceof FaultlineError ? new WrongWords(`--${error.message}`) : error
  }
}

export function cacheOptions(): readonly Option[] {
  return [
    new Option(
      '--cache <directory>',
      'keep what is read of a volume of many machines in a volume there, which is made if there is none',
    ),
    new Option('--cache-size <size>', 'how large it becomes when it is made')
      .default(CACHE_SIZE, shownBytes(CACHE_SIZE))
      .argParser(size(CACHE_SIZE_MIN)),
  ]
}

/** What the words say of a cache. */
export function cacheOf({ meta, cache, cacheSize }: SharedWords): CachePlace | undefined {
  if (cache === undefined) return undefined
  if (cache === '') throw new WrongWords("--cache: expected a directory, got ''")
  if (meta === undefined)
    throw new WrongWords(
      '--cache: it is for volumes of many machines, with --meta; others lie on this computer already',
    )
  return { directory: cache, size: cacheSize }
}

/** Lets each of the commands be about a volume of many machines, too. */
export function offerShared(volume: Command): void {
  for (const command of volume.commands) {
    command.addOption(metaOption())
    if (READING.has(command.name())) for (const option of cacheOptions()) command.addOption(option)
  }
  volume.hook('preAction', (_, command) => {
    const words = command.opts() as SharedWords
    meta = words.meta
    cache = cacheOf(words)
  })
}

export function sharedMeta(): string | undefined {
  return meta
}

/** How the volume of the command is found, beside its name. Who asks the bucket is told by the environment, as for AWS' own tools. */
export function sharedPlace(): SharedPlaceOptions {
  return meta === undefined ? {} : placeIn(meta)
}

/** A database, and who asks the bucket by the environment. */
export function placeIn(meta: string): SharedPlaceOptions & { readonly meta: string } {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = process.env
  if (accessKeyId === undefined || secretAccessKey === undefined) return { meta }
  return {
    meta,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
  }
}

/** A volume that must be a directory. */
export function refuseShared(what: string): void {
  if (meta !== undefined)
    throw new WrongWords(`${what}: expected a volume that is a directory of this computer, without --meta`)
}

export async function withMachine<T>(blockSize: number, act: (machine: Machine) => Promise<T>): Promise<T> {
  const machine = await Machine.start({ memory: Math.max(MEMORY, 64 * blockSize), pageSize: blockSize })
  let said: T
  try {
    said = await act(machine)
  } catch (error) {
    // What it could not do is told, and not what closing could not do after it.
    await machine.close().catch(() => {})
    throw error
  }
  await machine.close()
  return said
}

/** Opens the volume for one thing to be done, and closes it. */
export async function inVolume<T>(
  path: string,
  mode: 'r' | 'r+',
  act: (volume: Volume) => Promise<T>,
): Promise<T> {
  if (meta === undefined) refuseMounted(path)
  return withMachine(await blockSizeOf(path, sharedPlace()), async machine => {
    const kept = cache && (await cacheFor(machine, cache))
    const volume = await machine.openVolume(path, { mode, ...sharedPlace(), ...kept })
    const said = await act(volume)
    await volume.close()
    return said
  })
}

/** A cache that another process fills, or of which too little is left, costs requests: what is to be done is done without it. */
async function cacheFor(machine: Machine, place: CachePlace): Promise<{ readonly cache?: VolumeFace }> {
  try {
    return { cache: await openCache(machine, place) }
  } catch (error) {
    if (!(error instanceof FaultlineError) || !(error.code in WITHOUT)) throw error
    process.stderr.write(
      `faultline: going on without the cache: ${printable(error.message)}${WITHOUT[error.code]}\n`,
    )
    return {}
  }
}

/** Asks the daemon if the volume is mounted, else the volume. The path may be the directory that it is mounted at. */
export async function ask<Name extends ControlName>(
  path: string,
  name: Name,
  takes: ControlCalls[Name]['takes'],
  mode: 'r' | 'r+',
  otherwise: (volume: Volume) => Promise<ControlCalls[Name]['gives']>,
): Promise<ControlCalls[Name]['gives']> {
  const mount = meta === undefined ? mountOf(path) : undefined
  return mount === undefined ? inVolume(path, mode, otherwise) : askMounted(mount.target, name, takes)
}

/** A volume that is mounted is the daemon's. */
export function refuseMounted(path: string): void {
  const mount = mountOf(path)
  if (mount === undefined) return
  const { source, target } = mount
  throw new FaultlineError(
    'EBUSY',
    'open',
    `the volume ${source} is mounted at ${target}: do it with the files there, or faultline umount ${target} first`,
  )
}
