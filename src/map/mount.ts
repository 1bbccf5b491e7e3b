/**
 * Volumes of the host in a machine: making one, and opening one.
 *
 *     make    lock -> data file -> store -> first block, header
 *     open    lock -> data file -> store: to write LMDB's; to read, or where damage was found, only its file is read
 *                  -> header -> first block
 *
 * Invariants
 *   MT1 What fails leaves nothing open, and no lock.
 *   MT2 A volume that was found damaged, whenever that was, opens to be read until it has been repaired.
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { resolve } from 'node:path'
import { type Bytes, type Errno, errnoName, ROOT } from '../base/index.ts'
import { shown } from '../group/index.ts'
import { HostFile } from '../host/index.ts'
import type { Verb } from '../sched/index.ts'
import {
  BadPage,
  FileStore,
  LmdbMissing,
  LmdbStore,
  Locked,
  notedDamage,
  type Place,
  placeOf,
  VolumeLock,
} from '../store/index.ts'
import {
  blockSizeIn,
  Making,
  type MountPlan,
  makeArgs,
  Opening,
  openArgs,
  Unreadable,
} from '../volume/index.ts'
import type { Context } from './context.ts'
import { MappedRegion } from './dax-memory.ts'
import { FaultlineError, fromErrno } from './error.ts'
import { invalid } from './options.ts'
import type { Mounted, Purpose } from './volume.ts'

export interface CreatePlan {
  /** Bytes for data; what is there already is taken as it is. */
  readonly size: Bytes | undefined
  /** A file or a block device that is to hold the data; undefined: a file in the volume's directory. */
  readonly data: string | undefined
}

/** Takes note of what is to be done if the rest fails. */
type Undo = (step: () => void) => void
type ClosableStore = LmdbStore | FileStore

/** Makes a volume, in a directory that holds none yet. */
export async function makeVolume(context: Context, path: string, plan: CreatePlan): Promise<Mounted> {
  const place = placeOf(checked(path, 'createVolume'))
  return guarded('createVolume', path, async undo => {
    fs.mkdirSync(place.directory, { recursive: true })
    const lock = VolumeLock.take(place.directory, 'r+')
    undo(() => lock.release())
    if (fs.existsSync(place.store))
      throw new FaultlineError(
        'EEXIST',
        'createVolume',
        `${path} is a volume already; remove it first, or choose another place`,
      )
    makeData(place, plan)
    const { device, store } = await opened(context, place, 'r+', undo)
    const id = Number(BigInt.asUintN(53, crypto.getRandomValues(new BigUint64Array(1))[0]!))
    const args = makeArgs({ ...planOf(context, device, store), size: device.length, id })
    await perform(context, new Making(), args, `making of ${path}`, () => '')
    return { core: args.volume!, path, place, purpose: 'r+', noted: 0, store, device, lock }
  })
}

export async function mountVolume(context: Context, path: string, purpose: Purpose): Promise<Mounted> {
  const place = placeOf(checked(path, 'openVolume'))
  return guarded('openVolume', path, async undo => {
    if (!fs.existsSync(place.store))
      throw new FaultlineError(
        'ENOENT',
        'openVolume',
        `${path} is no volume: ${place.store} doesn't exist; make one with createVolume`,
      )
    const lock = VolumeLock.take(place.directory, purpose === 'r' ? 'r' : 'r+')
    undo(() => lock.release())
    const damage = notedDamage(place)
    const noted = damage.length
    const { device, store, flaw } = await opened(
      context,
      place,
      damage.length > 0 && purpose === 'r+' ? 'r' : purpose,
      undo,
    )
    if (flaw !== undefined) damage.push(flaw)
    const args = openArgs({ ...planOf(context, device, store), damage })
    await perform(context, new Opening(), args, `opening of ${path}`, () => args.why)
    return { core: args.volume!, path, place, purpose, noted, store, device, lock }
  })
}

/** The volume whose blocks are memory of the machine is served from there. */
function planOf({ engine, dax }: Context, host: HostFile, store: ClosableStore): MountPlan {
  const plan = { cache: engine.cache, io: engine.io, calls: engine.verbs, store }
  if (dax?.memory.data !== host.name) return { ...plan, device: host }
  return { ...plan, device: new MappedRegion(dax.region, host), region: dax.region }
}

/** The data and the metadata; a store whose tree is damaged to be read, with what is wrong with it. */
async function opened(context: Context, place: Place, purpose: Purpose, undo: Undo) {
  const { engine, driver, calls } = context
  const pump = () => driver.pump()
  const mode = purpose === 'r+' ? 'r+' : 'r'
  const device = HostFile.open(place.data, { mode, direct: false, allow: 'a block device', pump, calls })
  undo(() => device.close())
  let flaw: string | undefined
  let store: ClosableStore | undefined
  if (purpose === 'r+')
    try {
      store = await LmdbStore.open(place.directory, engine.scheduler, pump)
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      flaw = error.message
    }
  store ??= FileStore.open(place.store, purpose === 'repair' ? 'any transaction' : 'the last transaction')
  const { close } = store
  undo(() => void close.call(store))
  return { device, store, flaw }
}

/** The volume's data: a file as long as it is asked for, or a link to what is to hold it. */
function makeData({ data }: Place, { size, data: elsewhere }: CreatePlan): void {
  if (fs.lstatSync(data, { throwIfNoEntry: false }) !== undefined)
    throw new FaultlineError(
      'EEXIST',
      'createVolume',
      `${data} exists already; remove it first, or choose another place`,
    )
  if (elsewhere === undefined) makeFile(data, size)
  else {
    const kind = fs.statSync(elsewhere, { throwIfNoEntry: false })
    if (kind === undefined) makeFile(elsewhere, size)
    else refuseVolume(elsewhere)
    fs.symlinkSync(resolve(elsewhere), data)
  }
}

/** What holds a volume isn't overwritten with another. */
function refuseVolume(path: string): void {
  const bytes = new Uint8Array(64)
  const fd = fs.openSync(path, 'r')
  fs.readSync(fd, bytes, 0, bytes.length, 0)
  fs.closeSync(fd)
  if (blockSizeIn(bytes) !== undefined)
    throw new FaultlineError(
      'EEXIST',
      'createVolume',
      `${path} holds the data of a volume; overwrite its first bytes if that isn't needed`,
    )
}

/** All of the file gets its space now: a store to the volume must not find the host full. */
function makeFile(path: string, size: Bytes | undefined): void {
  if (size === undefined) throw invalid('createVolume', 'size: expected how many bytes of data it may hold')
  fs.closeSync(fs.openSync(path, 'wx'))
  try {
    allocate(path, size)
  } catch (error) {
    fs.rmSync(path)
    throw error
  }
}

/** Node has no fallocate; the program of that name has. Elsewhere zeros are written. */
function allocate(path: string, size: Bytes): void {
  if (spawnSync('fallocate', ['--length', String(size), path]).status === 0) return
  const fd = fs.openSync(path, 'r+')
  try {
    const zeros = new Uint8Array(2 ** 20)
    for (let at = 0; at < size; at += zeros.length)
      fs.writeSync(fd, zeros, 0, Math.min(zeros.length, size - at), at)
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

async function perform<Args>(
  { performer }: Context,
  verb: Verb<Args>,
  args: Args,
  name: string,
  why: () => string,
): Promise<void> {
  const task = performer.begin(verb, args, { name, group: ROOT })
  const error = await performer.finished(task, ended => ended.errno, undefined)
  if (error !== 0) throw refusal(error, name, why())
}

function refusal(error: Errno, name: string, why: string): FaultlineError {
  if (why === '') return fromErrno(error, 'openVolume', name)
  return new FaultlineError(errnoName(error), 'openVolume', `${name} failed with ${errnoName(error)}: ${why}`)
}

/** Undoes what was done, last first, if the rest fails (MT1); and says in one sentence what the host or the store meant. */
export async function guarded<T>(
  operation: string,
  path: string,
  act: (undo: Undo) => Promise<T>,
): Promise<T> {
  const steps: (() => void)[] = []
  try {
    return await act(step => void steps.push(step))
  } catch (error) {
    for (const step of steps.reverse()) step()
    throw translated(error, operation, path)
  }
}

function translated(error: unknown, operation: string, path: string): unknown {
  if (error instanceof FaultlineError) return error
  if (error instanceof Locked)
    return new FaultlineError('EBUSY', operation, `${operation} of ${path}: ${error.message}`, error)
  if (error instanceof LmdbMissing) return new FaultlineError('ENOSYS', operation, error.message, error)
  if (error instanceof BadPage)
    return new FaultlineError(
      'EUCLEAN',
      operation,
      `${operation} of ${path}: ${placeOf(path).store}, offset ${error.offset}: ${error.message}`,
      error,
    )
  const { code, message } = error as { code?: unknown; message: string }
  return typeof code === 'string'
    ? new FaultlineError(code, operation, `${operation} of ${path}: ${message}`, error)
    : error
}

function checked(path: unknown, operation: string): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw invalid(operation, `expected the path of a volume, got ${shown(path)}`)
  return path
}
