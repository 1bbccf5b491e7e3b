/**
 * A volume that is being made. There is no volume until `finish` gives its metadata their name:
 *
 *     VOLUME/creating/            the metadata meanwhile; locked by whoever makes it
 *     VOLUME/data                 made after it, so what is there beside `creating` and no metadata is a draft's too
 *
 *     begin -> data -> metadata -> finish: renamed into place, durable
 *                              '-> discard: nothing of it is left
 *
 * Invariants
 *   DR1 Whenever it ends, there is a volume or none; a draft that nobody makes any more is in nobody's way.
 *   DR2 What wasn't made here is neither changed nor removed.
 */
import fs from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { makeDirectories, syncDirectory } from '../host/index.ts'
import { FileLock, Taken } from './file-lock.ts'
import { STORE_FILE } from './lmdb-store.ts'
import { type Place, placeOf } from './place.ts'

/** Why there can be no draft: a code as the host's are, and a sentence. */
export class Undraftable extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

const CREATING = 'creating'

export class Draft {
  /** Where it is to lie. */
  readonly place: Place
  /** Where its metadata lie as long as it is a draft. */
  readonly directory: string
  private readonly lock: FileLock
  /** The first of the directories that had to be made. */
  private readonly made: string | undefined
  private readonly files: string[] = []

  private constructor(place: Place, directory: string, lock: FileLock, made: string | undefined) {
    this.place = place
    this.directory = directory
    this.lock = lock
    this.made = made
  }

  /** Throws Undraftable, or what the host says. */
  static async begin(path: string): Promise<Draft> {
    const place = placeOf(path)
    const directory = join(path, CREATING)
    refuseWhole(place)
    const made = makeDirectories(path)
    const left = makeDirectories(directory) === undefined
    if (!left && exists(place.data)) {
      fs.rmdirSync(directory)
      throw new Undraftable(
        'EEXIST',
        `${place.data} exists already; remove it first, or choose another place`,
      )
    }
    const lock = await lockOf(directory, left)
    const draft = new Draft(place, directory, lock, made)
    try {
      // Somebody may have finished, or gone, just before this one had the lock.
      refuseWhole(place)
      if (left) draft.empty()
      return draft
    } catch (error) {
      draft.lock.release()
      throw error
    }
  }

  /** A file that was made for it goes with it. */
  took(path: string): void {
    this.files.push(path)
  }

  /** Lets the data lie elsewhere: in a file or a block device that is there. */
  link(data: string): void {
    fs.symlinkSync(resolve(data), this.place.data)
  }

  /** From here on it is a volume. Its metadata are closed. */
  finish(): void {
    syncDirectory(this.directory)
    fs.renameSync(join(this.directory, STORE_FILE), this.place.store)
    fs.rmSync(this.directory, { recursive: true })
    const path = this.place.directory
    syncDirectory(path)
    syncDirectory(dirname(this.made ?? path))
    this.lock.release()
  }

  discard(): void {
    try {
      if (exists(this.place.store)) return
      this.empty()
      for (const path of this.files) fs.rmSync(path, { force: true })
      fs.rmdirSync(this.directory)
      this.removeMade()
    } finally {
      // What couldn't be removed is in nobody's way (DR1).
      this.lock.release()
    }
  }

  private empty(): void {
    fs.rmSync(this.place.data, { force: true })
    for (const name of fs.readdirSync(this.directory))
      fs.rmSync(join(this.directory, name), { recursive: true })
  }

  /** The directories that were made for it, unless others have put something there. */
  private removeMade(): void {
    if (this.made === undefined) return
    for (let path = resolve(this.place.directory); ; path = dirname(path)) {
      if (fs.readdirSync(path).length > 0) return
      fs.rmdirSync(path)
      if (path === resolve(this.made)) return
    }
  }
}

function refuseWhole({ directory, store }: Place): void {
  if (exists(store))
    throw new Undraftable(
      'EEXIST',
      `${directory} is a volume already; remove it first, or choose another place`,
    )
}

async function lockOf(directory: string, left: boolean): Promise<FileLock> {
  const lock = await FileLock.take(directory, 'exclusive').catch((error: unknown) => {
    if (error instanceof Taken)
      throw new Undraftable('EBUSY', `somebody else is making a volume there: ${directory} is theirs`)
    throw error
  })
  if (!left || lock.kept === 'by the kernel') return lock
  lock.release()
  throw new Undraftable(
    'EEXIST',
    `somebody makes a volume there, or was killed while he did; if so, remove ${directory}, and data beside it`,
  )
}

function exists(path: string): boolean {
  return fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined
}
