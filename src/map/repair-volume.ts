/**
 * The repair of a volume on this computer, and a look at its records. What comes out of a repair is a store of its own,
 * which takes the place of the damaged one when it is whole: a repair that is interrupted has changed nothing.
 *
 *     read to be mended -> check, with all data -> new records (volume/repair.ts) -> a new store -> renamed into place
 *                                              -> first block of the device written anew -> the note of damage goes
 */
import fs from 'node:fs'
import { join } from 'node:path'
import type { Bytes } from '../base/index.ts'
import { FileStore, LmdbStore, placeOf, STORE_FILE } from '../store/index.ts'
import {
  blockSizeIn,
  describeRecord,
  headerBlock,
  Journal,
  MIX53,
  type Repaired,
  repair,
} from '../volume/index.ts'
import type { Context } from './context.ts'
import { FaultlineError } from './error.ts'
import { guarded, mountVolume } from './mount.ts'
import { type CheckOptions, Volume } from './volume.ts'

export interface RepairReport {
  /** What was wrong, a sentence each. */
  readonly wrong: readonly string[]
  /** Of what was wrong, what couldn't be mended but by giving it up. */
  readonly givenUp: readonly string[]
}

/** Records of one commit. */
const COMMIT_RECORDS = 20_000
const BLOCK_SIZE_DEFAULT: Bytes = 4096

export async function repairVolume(
  context: Context,
  path: string,
  options: CheckOptions,
): Promise<RepairReport> {
  const place = placeOf(path)
  const mounted = await mountVolume(context, path, 'repair')
  const volume = new Volume(context, mounted, () => {})
  try {
    const { report, bad } = await volume.inspect(options)
    const wrong = [...new Set([...volume.damage, ...report.wrong])]
    if (wrong.length === 0) return { wrong, givenUp: [] }
    const { header, parts } = volume.core
    const repaired = repair(parts.journal, header, bad)
    await guarded('repairVolume', path, async undo => {
      const beside = join(place.directory, `repair.${process.pid}`)
      undo(() => fs.rmSync(beside, { recursive: true, force: true }))
      await fill(context, beside, repaired)
      fs.renameSync(join(beside, STORE_FILE), place.store)
      fs.rmSync(beside, { recursive: true })
      syncDirectory(place.directory)
      const fd = fs.openSync(place.data, 'r+')
      fs.writeSync(fd, headerBlock(header, MIX53), 0, header.blockSize, 0)
      fs.fsyncSync(fd)
      fs.closeSync(fd)
      fs.rmSync(place.damage, { force: true })
    })
    return { wrong, givenUp: repaired.givenUp }
  } finally {
    await volume.close()
  }
}

/** Every record of a volume's metadata in words, and what can't be read of it. */
export function* dumpVolume(
  path: string,
): Generator<{ readonly key: string; readonly what: string } | { readonly damage: string }> {
  const place = placeOf(path)
  if (!fs.existsSync(place.store))
    throw new FaultlineError('ENOENT', 'dumpVolume', `${path} is no volume: ${place.store} doesn't exist`)
  const store = FileStore.open(place.store, 'any transaction')
  try {
    const damage: string[] = []
    for (const record of new Journal(store, MIX53).survey('', '~', ({ message }) => damage.push(message))) {
      for (const what of damage.splice(0)) yield { damage: what }
      yield { key: record.key, what: describeRecord(record) }
    }
    for (const what of damage) yield { damage: what }
  } finally {
    void store.close()
  }
}

/** The page size that a machine needs to open the volume. */
export function volumeBlockSize(path: string): Bytes {
  const bytes = new Uint8Array(64)
  const { data } = placeOf(path)
  if (!fs.existsSync(data)) return BLOCK_SIZE_DEFAULT
  const fd = fs.openSync(data, 'r')
  fs.readSync(fd, bytes, 0, bytes.length, 0)
  fs.closeSync(fd)
  return blockSizeIn(bytes) ?? BLOCK_SIZE_DEFAULT
}

async function fill(
  { engine, driver, performer }: Context,
  directory: string,
  { records }: Repaired,
): Promise<void> {
  const store = await LmdbStore.open(directory, engine.scheduler, () => driver.pump())
  try {
    const journal = new Journal(store, MIX53)
    for (let at = 0; at < records.length; at += COMMIT_RECORDS) {
      journal.edit(() => {
        for (const { key, value } of records.slice(at, at + COMMIT_RECORDS)) journal.put(key, value)
      })
      const ticket = store.commit(journal.seal())
      await performer.completed(ticket)
      if (ticket.errno !== 0)
        throw new FaultlineError(
          'EIO',
          'repairVolume',
          `the new metadata can't be written to ${directory}; nothing was changed`,
        )
      journal.settled('durable')
    }
  } finally {
    await store.close()
  }
}

function syncDirectory(directory: string): void {
  const fd = fs.openSync(directory, 'r')
  fs.fsyncSync(fd)
  fs.closeSync(fd)
}
