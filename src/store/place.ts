/**
 * Where the parts of a volume lie, all in one directory.
 *
 *     VOLUME/data            the device: a file, or a link to a file or a block device elsewhere
 *     VOLUME/data.mdb        the metadata, in LMDB (lock.mdb beside it is LMDB's own)
 *     VOLUME/locks/          who has it open
 *     VOLUME/creating/       what is to be its metadata, while it is being made
 *     VOLUME/damage          what was found damaged: until it is repaired it opens to be read
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { closeDescriptor } from '../host/index.ts'
import { STORE_FILE } from './lmdb-store.ts'

export interface Place {
  readonly data: string
  /** The directory of the metadata. */
  readonly directory: string
  readonly store: string
  readonly damage: string
}

const DATA_FILE = 'data'

/** Where the volume lies that is called so, whether it exists or not. */
export function placeOf(directory: string): Place {
  return {
    data: join(directory, DATA_FILE),
    directory,
    store: join(directory, STORE_FILE),
    damage: join(directory, 'damage'),
  }
}

/** Takes note, on the disk, of what was found damaged. */
export function noteDamage({ damage }: Place, sentences: readonly string[]): void {
  const fd = fs.openSync(damage, 'a')
  fs.writeSync(fd, sentences.map(sentence => `${sentence}\n`).join(''))
  fs.fsyncSync(fd)
  closeDescriptor(fd)
}

/** What was noted. */
export function notedDamage({ damage }: Place): string[] {
  if (!fs.existsSync(damage)) return []
  return fs
    .readFileSync(damage, 'utf8')
    .split('\n')
    .filter(line => line !== '')
}
