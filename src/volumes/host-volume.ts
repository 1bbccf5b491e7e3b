/**
 * Volumes of the host in a machine: making one, and opening one.
 *
 *     make    draft -> data, locked -> store -> first block, header -> the draft is a volume -> open
 *     open    lock -> data file -> store: to write LMDB's; to read, or where damage was found, only its file is read
 *                  -> header -> first block
 *
 * Invariants
 *   MT1 What fails leaves nothing open, and no lock.
 *   MT2 A volume that was found damaged, whenever that was, opens to be read until it has been repaired.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import type { Bytes } from '../base/index.ts'
import { aborted, type Context, FaultlineError, invalid, isAborted } from '../calls/index.ts'
import { shown } from '../group/index.ts'
import { HostFile, nameBeside } from '../host/index.ts'
import {
  allocateFile,
  contentOf,
  Draft,
  FileLock,
  FileStore,
  holdsVolume,
  LmdbStore,
  needLmdb,
  notedDamage,
  type Place,
  placeOf,
  VolumeLock,
} from '../store/index.ts'
import { Making, type MountPlan, makeArgs, Opening, openArgs, Unreadable } from '../volume/index.ts'
import { MappedRegion } from './dax-memory.ts'
import { guarded, perform, type Undo } from './guarded.ts'
import { HostGround } from './host-ground.ts'
import type { OpenVolume, Purpose } from './open-volume.ts'
import { now, planOf as owned } from './volume-attributes.ts'

export interface CreatePlan {
  /** Bytes for data; what is there already is taken as it is. */
  readonly size: Bytes | undefined
  /** A file or a block device that is to hold the data; undefined: a file in the volume's directory. */
  readonly data: string | undefined
  readonly signal: AbortSignal | undefined
}

type ClosableStore = LmdbStore | FileStore

/** Of these the first holds its header. */
const BLOCKS_MIN = 2
/** What a flush of the data finds to be written down is at most so much, and what came while that was. */
const FLUSH_EVERY: Bytes = 16 * 2 ** 20

/** Makes a volume, in a directory that holds none yet. */
export async function makeHostVolume(context: Context, path: string, plan: CreatePlan): Promise<OpenVolume> {
  const directory = checkedPlace(path, 'createVolume')
  const { data: elsewhere } = plan
  if (elsewhere !== undefined && !isPath(elsewhere))
    throw invalid('createVolume', `data: expected a path, got ${shown(elsewhere)}`)
  const stopIfAborted = () => {
    if (isAborted(plan.signal)) throw aborted('createVolume', path, plan.signal.reason)
  }
  return guarded('createVolume', path, async undo => {
    stopIfAborted()
    await needLmdb()
    const draft = await Draft.begin(directory)
    undo(() => draft.discard())
    const data = await makeData(draft, plan).catch((error: unknown) => {
      stopIfAborted()
      throw error
    })
    undo(() => data.release())
    await format(context, draft, path)
    stopIfAborted()
    draft.finish()
    const lock = await VolumeLock.take(draft.place, 'r+', data)
    undo(() => lock.release())
    return openLocked(context, path, draft.place, 'r+', lock, undo)
  })
}

export async function openHostVolume(context: Context, path: string, purpose: Purpose): Promise<OpenVolume> {
  const place = placeOf(checkedPlace(path, 'openVolume'))
  return guarded('openVolume', path, async undo => {
    if (fs.statSync(path, { throwIfNoEntry: false })?.isFile() === true)
      throw new FaultlineError(
        'ENOTDIR',
        'openVolume',
        `${shown(path)} is a file, and a volume is a directory; expected one that createVolume has made`,
      )
    if (!fs.existsSync(place.store))
      throw new FaultlineError(
        'ENOENT',
        'openVolume',
        `${shown(path)} is no volume: ${shown(place.store)} doesn't exist`,
      )
    checkParts(path, place)
    const lock = await VolumeLock.take(place, purpose === 'r' ? 'r' : 'r+')
    undo(() => lock.release())
    return openLocked(context, path, place, purpose, lock, undo)
  })
}

/** What other things than files and disks stand in for is not looked at: a read of a FIFO would wait for its writer. */
function checkParts(path: string, { store, data }: Place): void {
  if (!fs.statSync(store).isFile())
    throw new FaultlineError(
      'EINVAL',
      'openVolume',
      `${shown(path)} is no volume: ${shown(store)} is no file; expected the one that createVolume has made`,
    )
  const stat = fs.statSync(data, { throwIfNoEntry: false })
  if (stat === undefined)
    throw new FaultlineError(
      'ENOENT',
      'openVolume',
      `the data of ${shown(path)} is gone: ${shown(data)} doesn't exist; bring it back to its place`,
    )
  if (!stat.isFile() && !stat.isBlockDevice())
    throw new FaultlineError(
      'EINVAL',
      'openVolume',
      `the data of ${shown(path)} is no file and no disk: ${shown(data)}; expected what createVolume has made`,
    )
}

async function openLocked(
  context: Context,
  path: string,
  place: Place,
  purpose: Purpose,
  lock: VolumeLock,
  undo: Undo,
): Promise<OpenVolume> {
  const damage = notedDamage(place)
  const noted = damage.length
  const { device, store, flaws } = await opened(
    context,
    place,
    damage.length > 0 && purpose === 'r+' ? 'r' : purpose,
    undo,
  )
  damage.push(...flaws.filter(flaw => !damage.includes(flaw)))
  const args = openArgs({ ...planOf(context, device, store), damage, length: device.length })
  await perform(context, new Opening(), args, `opening of ${path}`, () => args.why)
  const core = args.volume!
  return { core, path, purpose, noted, ground: new HostGround(core, place, store, device, lock) }
}

/** Writes the first block and the first records of a volume. */
async function format(context: Context, { place, directory }: Draft, path: string): Promise<void> {
  await guarded('createVolume', path, async undo => {
    const { device, store } = await opened(context, { ...placeOf(directory), data: place.data }, 'r+', undo)
    const { pageSize } = context.engine.memory.frames
    if (device.length < BLOCKS_MIN * pageSize)
      throw invalid(
        'createVolume',
        `createVolume of ${path}: size: expected at least ${BLOCKS_MIN} blocks of ${pageSize} bytes for its data, got ${device.length} bytes`,
      )
    const id = Number(BigInt.asUintN(53, crypto.getRandomValues(new BigUint64Array(1))[0]!))
    const root = owned('directory', {}, 'createVolume')
    const args = makeArgs({ ...planOf(context, device, store), size: device.length, id, root, now: now() })
    await perform(context, new Making(), args, `making of ${path}`, () => '')
    await store.close()
    await device.close()
  })
}

/** The volume whose blocks are memory of the machine is served from there. */
function planOf({ engine, dax }: Context, host: HostFile, store: ClosableStore): MountPlan {
  const plan = { cache: engine.cache, io: engine.io, calls: engine.verbs, store }
  if (dax?.data !== host.name) return { ...plan, device: host }
  return { ...plan, device: new MappedRegion(dax.region, host), region: dax.region }
}

/** The data and the metadata; a store whose tree is damaged to be read, with what is wrong with it. */
async function opened(context: Context, place: Place, purpose: Purpose, undo: Undo) {
  const { engine, driver, calls } = context
  const pump = () => driver.pump()
  const mode = purpose === 'r+' ? 'r+' : 'r'
  const device = HostFile.open(place.data, {
    mode,
    direct: false,
    allow: 'a block device',
    flushEvery: FLUSH_EVERY,
    pump,
    calls,
  })
  undo(() => device.close())
  let store: ClosableStore | undefined
  if (purpose === 'r+')
    try {
      store = await LmdbStore.open(place.directory, engine.scheduler, pump)
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
    }
  store ??= FileStore.open(place.store)
  const { close } = store
  undo(() => close.call(store))
  return { device, store, flaws: store instanceof FileStore ? store.found : [] }
}

/** The volume's data: a file as long as it is asked for, or a link to what is to hold it. Returns their lock. */
async function makeData(draft: Draft, { size, data: elsewhere, signal }: CreatePlan): Promise<FileLock> {
  const path = elsewhere ?? draft.place.data
  const isThere = elsewhere !== undefined && fs.existsSync(elsewhere)
  if (!isThere) {
    if (size === undefined) throw invalid('createVolume', 'size: expected how many bytes of data it may hold')
    // A draft that is given up takes it along; elsewhere it has a name that nobody else takes.
    const beside =
      elsewhere === undefined
        ? join(draft.directory, 'data')
        : nameBeside(elsewhere, `.${crypto.randomUUID().slice(0, 8)}.part`)
    await allocateFile(path, beside, size, signal)
    draft.took(path)
  } else refuseContent(path)
  const lock = await FileLock.take(path, 'exclusive')
  try {
    // Its owner may have filled it, and gone, before this one had the lock.
    if (isThere) refuseContent(path)
    if (elsewhere !== undefined) draft.link(elsewhere)
    return lock
  } catch (error) {
    lock.release()
    throw error
  }
}

/** What holds something isn't overwritten. */
function refuseContent(path: string): void {
  const holds = holdsVolume(path) ? 'the data of a volume' : contentOf(path)
  if (holds === undefined) return
  const remedy = fs.statSync(path).isFile()
    ? 'remove it, or choose another file'
    : "if nobody needs that, 'wipefs --all' or zeros over its start make it free; else choose another device"
  throw new FaultlineError(
    'EEXIST',
    'createVolume',
    `${shown(path)} holds ${holds}, and is not overwritten; ${remedy}`,
  )
}

function isPath(path: unknown): path is string {
  return typeof path === 'string' && path !== '' && !path.includes('\0')
}

export function checkedPlace(path: unknown, operation: string): string {
  if (!isPath(path)) throw invalid(operation, `expected the path of a volume, got ${shown(path)}`)
  return path
}
