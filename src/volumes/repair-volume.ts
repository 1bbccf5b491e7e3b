/**
 * The repair of a volume on this computer, and a look at its records. What comes out of a repair is a store of its own,
 * which takes the place of the damaged one when it is whole: a repair that is interrupted, or refused, has changed nothing.
 *
 *     read to be mended -> check, with all data -> new records (volume/repair.ts) -> a new store -> renamed into place
 *                                              -> first block of the device written anew, and its length -> the note of damage goes
 *
 * Invariants
 *   VR1 A device that isn't surely the volume's isn't written to.
 */

import fs from 'node:fs'
import { join } from 'node:path'
import type { RepairReport, TransferOptions } from '../api/index.ts'
import { type Bytes, errnoName } from '../base/index.ts'
import { type Context, FaultlineError } from '../calls/index.ts'
import { closeDescriptor } from '../host/index.ts'
import { FileStore, LmdbStore, placeOf, STORE_FILE } from '../store/index.ts'
import {
  blockSizeIn,
  describeRecord,
  FORMAT,
  HEADER_KEY,
  type Header,
  headerBlock,
  idIn,
  MIX53,
  Overlay,
  type Repaired,
  repair,
} from '../volume/index.ts'
import { guarded } from './guarded.ts'
import { checkedPlace, openHostVolume } from './host-volume.ts'
import { Volume } from './volume.ts'

/** Records of one commit. */
const COMMIT_RECORDS = 20_000
const BLOCK_SIZE_DEFAULT: Bytes = 4096

export async function repairVolume(
  context: Context,
  path: string,
  options: TransferOptions,
): Promise<RepairReport> {
  checkedPlace(path, 'repairVolume')
  try {
    return await repairOpened(context, path, options)
  } catch (error) {
    if (!(error instanceof FaultlineError) || error.code === 'ABORT_ERR') throw error
    const { code, message } = error
    throw new FaultlineError(
      code,
      'repairVolume',
      `${path} isn't repaired, and nothing was changed: ${message}`,
      error,
    )
  }
}

async function repairOpened(context: Context, path: string, options: TransferOptions): Promise<RepairReport> {
  const place = placeOf(path)
  const opened = await openHostVolume(context, path, 'repair')
  const volume = new Volume(context, opened, () => {})
  try {
    const { report, bad } = await volume.inspect({ ...options, data: 'with data' })
    const wrong = [...new Set([...volume.damage, ...report.wrong])]
    if (wrong.length === 0) return { wrong, givenUp: [] }
    const { header, parts } = volume.core
    refuseOther(place.data, header, report.compared > 0 && bad.size >= report.compared)
    const repaired = repair(parts.overlay, { header, bad, present: parts.space.present })
    if (repaired === undefined)
      throw refused(`too little is left of its metadata: no file and no directory; ${wrong[0]}`)
    await guarded('repairVolume', path, async undo => {
      const beside = join(place.directory, `repair.${process.pid}`)
      undo(() => fs.rmSync(beside, { recursive: true, force: true }))
      await fill(context, beside, repaired)
      mendDevice(place.data, { ...header, format: FORMAT })
      fs.renameSync(join(beside, STORE_FILE), place.store)
      fs.rmSync(beside, { recursive: true })
      syncDirectory(place.directory)
      fs.rmSync(place.damage, { force: true })
    })
    return { wrong, givenUp: repaired.givenUp }
  } finally {
    await volume.close()
  }
}

/** Refuses a device that is another volume's, or that nothing of this one is on (VR1). */
function refuseOther(path: string, header: Header, isAllBad: boolean): void {
  const block = Buffer.alloc(header.blockSize)
  const fd = fs.openSync(path, 'r')
  try {
    fs.readSync(fd, block, 0, block.length, 0)
  } finally {
    closeDescriptor(fd)
  }
  const id = idIn(block, MIX53)
  if (id === header.id) return
  if (id !== undefined)
    throw refused(`${path} holds the data of volume ${id}, and the metadata is of volume ${header.id}`)
  if (isAllBad) throw refused(`${path} holds none of the data that the metadata tells of`)
}

function refused(why: string): FaultlineError {
  return new FaultlineError('EUCLEAN', 'repairVolume', `the repair is refused: ${why}`)
}

/** The first block, and all blocks that the volume has. They are the same whether the old metadata is used or the new. */
function mendDevice(path: string, header: Header): void {
  const fd = fs.openSync(path, 'r+')
  try {
    const length = header.blocks * header.blockSize
    const stat = fs.fstatSync(fd)
    if (stat.isFile() && stat.size < length) fs.ftruncateSync(fd, length)
    fs.writeSync(fd, headerBlock(header, MIX53), 0, header.blockSize, 0)
    fs.fsyncSync(fd)
  } finally {
    closeDescriptor(fd)
  }
}

/** Every record of a volume's metadata in words, and what can't be read of it. */
export function* dumpVolume(
  path: string,
): Generator<{ readonly key: string; readonly what: string } | { readonly damage: string }> {
  const place = placeOf(path)
  if (!fs.existsSync(place.store))
    throw new FaultlineError('ENOENT', 'dumpVolume', `${path} is no volume: ${place.store} doesn't exist`)
  const store = FileStore.open(place.store)
  try {
    const damage: string[] = []
    for (const record of new Overlay(store, MIX53).survey('', '~', ({ message }) => damage.push(message))) {
      for (const what of damage.splice(0)) yield { damage: what }
      yield { key: record.key, what: describeRecord(record) }
    }
    for (const what of damage) yield { damage: what }
  } finally {
    void store.close()
  }
}

/** The page size that a machine needs to open the volume: what its first block says, or else its metadata. */
export function volumeBlockSize(path: string): Bytes {
  const place = placeOf(path)
  try {
    const bytes = new Uint8Array(64)
    const fd = fs.openSync(place.data, 'r')
    fs.readSync(fd, bytes, 0, bytes.length, 0)
    closeDescriptor(fd)
    const told = blockSizeIn(bytes)
    if (told !== undefined) return told
    const store = FileStore.open(place.store)
    const header = store.get(HEADER_KEY)
    void store.close()
    return (header && blockSizeIn(header)) ?? BLOCK_SIZE_DEFAULT
  } catch {
    // What opens the volume says what is wrong.
    return BLOCK_SIZE_DEFAULT
  }
}

async function fill(
  { engine, driver, performer }: Context,
  directory: string,
  { records }: Repaired,
): Promise<void> {
  const store = await LmdbStore.open(directory, engine.scheduler, () => driver.pump())
  try {
    const overlay = new Overlay(store, MIX53)
    for (let at = 0; at < records.length; at += COMMIT_RECORDS) {
      overlay.edit(() => {
        for (const { key, value } of records.slice(at, at + COMMIT_RECORDS)) overlay.put(key, value)
      })
      overlay.seal()
      const ticket = store.commit(overlay.changes('', Infinity))
      await performer.completed(ticket)
      if (ticket.errno !== 0)
        throw new FaultlineError(
          errnoName(ticket.errno),
          'repairVolume',
          `the new metadata can't be written to ${directory}; nothing was changed`,
        )
      overlay.settled('durable')
    }
  } finally {
    await store.close()
  }
}

function syncDirectory(directory: string): void {
  const fd = fs.openSync(directory, 'r')
  fs.fsyncSync(fd)
  closeDescriptor(fd)
}
