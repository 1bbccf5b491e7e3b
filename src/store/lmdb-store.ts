/**
 * The store on disk that a volume writes to: LMDB, of the package `lmdb`. Its transactions are what makes a commit atomic and
 * durable; what they put are pages of records (record-page.ts), each under its high fence. Reads are PagedStore's.
 *
 *     commit:  the pages that cover the changed keys -> changed, split, or joined with the next -> room for them
 *              -> one transaction, synced -> the reading half sees it -> the ticket completes
 *
 * LMDB finds out that the host is full when half a transaction is written, and says so on the terminal. So a commit first
 * sees to it that the file has space for more than it can need; where there is none nothing has begun. A database that has
 * failed is opened anew before the next commit: after a failure LMDB may take no more, and what it has written of that
 * transaction, all or nothing, is what the next one begins with.
 *
 * Invariants   ST1 to ST3 (volume/store.ts), PS1, PS2 (paged-store.ts)
 *   LS1 The pages cover all keys, each once: fence meets fence.
 *   LS2 Nothing is committed to a file whose tree is damaged: it is looked through when it is opened.
 *   LS3 A commit that failed ends with the host's errno, and keeps none after it from succeeding.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Bytes, type Errno, errno } from '../base/index.ts'
import type { Scheduler, Ticket } from '../sched/index.ts'
import { type Change, type Entry, type Store, Unreadable } from '../volume/index.ts'
import { PagedStore } from './paged-store.ts'
import { encodePage, KEYS_END, PAGE_BYTES, type RecordPage, recordBytes, roomBetween } from './record-page.ts'

/** A page with less than this is joined with the next one. */
const JOIN_BYTES = PAGE_BYTES / 4

/** LMDB's own errors, beside the host's (lmdb.h). */
const MDB_MAP_FULL = -30792

const LMDB_PAGE: Bytes = 4096
/** LMDB's own lock file: its header and its table of readers, of which there are none. */
const LOCK_FILE = 'lock.mdb'
const LOCK_BYTES: Bytes = 4 * 4096

const write = promisify(fs.write)

export const STORE_FILE = 'data.mdb'

type Lmdb = typeof import('lmdb')
type Database = import('lmdb').RootDatabase<Buffer, Buffer>

/** The package `lmdb` isn't installed. */
export class LmdbMissing extends Error {}

/** Whether the last of the keys that a page is given was put behind all that it had. */
type Order = 'rising' | 'anyhow'

/** What a commit does to the pages: new ones, and the high fences of those that go. */
interface Batch {
  readonly put: { readonly high: string; readonly bytes: Buffer }[]
  readonly gone: string[]
}

export class LmdbStore extends PagedStore implements Store {
  readonly readOnly = false
  private readonly scheduler: Scheduler
  private readonly pump: () => void
  private readonly directory: string
  private readonly fd: number
  /** undefined: it has failed, and is to be opened anew. */
  private database: Database | undefined

  private constructor(
    directory: string,
    fd: number,
    database: Database,
    scheduler: Scheduler,
    pump: () => void,
  ) {
    super(join(directory, STORE_FILE), fd)
    this.directory = directory
    this.fd = fd
    this.database = database
    this.scheduler = scheduler
    this.pump = pump
  }

  /**
   * Opens the store in a directory, or makes an empty one. `pump` runs what an end has made ready. Throws LmdbMissing, the
   * host's errors, BadPage if the file isn't a store; Unreadable if it is damaged: FileStore reads what is left of it.
   */
  static async open(directory: string, scheduler: Scheduler, pump: () => void): Promise<LmdbStore> {
    const path = join(directory, STORE_FILE)
    if (fs.existsSync(path)) checkTree(path)
    const database = await openDatabase(directory)
    let fd: number | undefined
    try {
      fd = fs.openSync(path, 'r+')
      return new LmdbStore(directory, fd, database, scheduler, pump)
    } catch (error) {
      if (fd !== undefined) fs.closeSync(fd)
      await database.close()
      throw error
    }
  }

  commit(changes: readonly Change[]): Ticket {
    const ticket = this.scheduler.ticket('commit of the metadata')
    void this.write(changes).then(error => {
      this.scheduler.complete(ticket, error)
      this.pump()
    })
    return ticket
  }

  async close(): Promise<void> {
    await this.database?.close()
    fs.closeSync(this.fd)
  }

  private async write(changes: readonly Change[]): Promise<Errno> {
    try {
      const database = this.database ?? (await this.openAnew())
      const { put, gone } = this.batch([...changes].sort((a, b) => (a.key < b.key ? -1 : 1)))
      await this.makeRoom(put.length, put.length + gone.length)
      await this.transact(database, { put, gone })
      this.renew([...gone, ...put.map(({ high }) => high)])
      return errno.OK
    } catch (error) {
      return errnoOf(error)
    }
  }

  private async transact(database: Database, { put, gone }: Batch): Promise<void> {
    const each: Promise<unknown>[] = []
    try {
      await database.batch(() => {
        for (const high of gone) each.push(database.remove(Buffer.from(high, 'latin1')))
        for (const { high, bytes } of put) each.push(database.put(Buffer.from(high, 'latin1'), bytes))
      })
    } catch (error) {
      this.database = undefined
      for (const part of each) part.catch(() => {})
      const reason = await reasonOf(error)
      await database.close().catch(() => {})
      throw reason
    }
  }

  private async openAnew(): Promise<Database> {
    this.database = await openDatabase(this.directory)
    this.renewAll()
    return this.database
  }

  /**
   * Sees to it that the file has space for a transaction that puts so many pages and changes so many keys. Throws what the
   * host says if it has none.
   */
  private async makeRoom(put: number, changed: number): Promise<void> {
    // Each changed key may be in a leaf of its own, below a branch of its own; of free pages a list is kept.
    const pages = put + 2 * changed + Math.ceil(this.end / LMDB_PAGE / 256) + 16
    const { size } = fs.fstatSync(this.fd)
    const zeros = Buffer.alloc(Math.max(0, this.end + pages * LMDB_PAGE - size))
    for (let done = 0; done < zeros.length; )
      done += (await write(this.fd, zeros, done, zeros.length - done, size + done)).bytesWritten
  }

  /** `changes` in order of key. */
  private batch(changes: readonly Change[]): Batch {
    const batch: Batch = { put: [], gone: [] }
    for (let at = 0; at < changes.length; ) {
      const first = this.covering(changes[at]!.key)
      const records = new Map<string, Uint8Array>()
      take(first, records)
      const lastKey = first?.keys.at(-1) ?? ''
      let high = first?.high ?? KEYS_END
      for (;;) {
        for (; at < changes.length && changes[at]!.key < high; at++) {
          const { key, value } = changes[at]!
          if (value === null) records.delete(key)
          else records.set(key, value)
        }
        if (high === KEYS_END || bytesOf(records) >= JOIN_BYTES) break
        const next = this.covering(high)!
        batch.gone.push(high)
        high = next.high
        take(next, records)
      }
      const sorted = [...records].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => ({ key, value }))
      const order = changes[at - 1]!.key > lastKey ? 'rising' : 'anyhow'
      split(first?.low ?? '', high, sorted, order, batch)
    }
    return batch
  }
}

function take(page: RecordPage | undefined, records: Map<string, Uint8Array>): void {
  page?.keys.forEach((key, place) => {
    records.set(key, page.values[place]!)
  })
}

/**
 * Puts the records into as many pages as they need: of one size, or, where keys come in order, full but for the last.
 */
function split(low: string, high: string, records: readonly Entry[], order: Order, batch: Batch): void {
  const fence = records.reduce((most, { key }) => Math.max(most, key.length), high.length)
  const room = roomBetween('', '') - 2 * fence
  const total = records.reduce((sum, record) => sum + recordBytes(record), 0)
  const wanted = order === 'rising' ? room : total / Math.ceil(total / room)
  let start = low
  let part: Entry[] = []
  let bytes = 0
  for (const record of records) {
    const more = recordBytes(record)
    if (part.length > 0 && (bytes >= wanted || bytes + more > room)) {
      batch.put.push({ high: record.key, bytes: encodePage(start, record.key, part) })
      start = record.key
      part = []
      bytes = 0
    }
    part.push(record)
    bytes += more
  }
  batch.put.push({ high, bytes: encodePage(start, high, part) })
}

function bytesOf(records: ReadonlyMap<string, Uint8Array>): Bytes {
  let bytes = 0
  for (const [key, value] of records) bytes += recordBytes({ key, value })
  return bytes
}

/** Throws Unreadable for the first flaw of the tree. */
function checkTree(path: string): void {
  const fd = fs.openSync(path, 'r')
  try {
    for (const flaw of new PagedStore(path, fd).flaws())
      throw new Unreadable(flaw, { start: '', end: KEYS_END })
  } finally {
    fs.closeSync(fd)
  }
}

/** Throws LmdbMissing if volumes can't be written here. */
export async function needLmdb(): Promise<void> {
  await loadLmdb()
}

async function openDatabase(directory: string): Promise<Database> {
  const { open } = await loadLmdb()
  fs.mkdirSync(directory, { recursive: true })
  makeLockFile(join(directory, LOCK_FILE))
  return open<Buffer, Buffer>({
    path: directory,
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
    pageSize: LMDB_PAGE,
    maxDbs: 1,
    // A commit that has ended is on the device: lmdb would otherwise sync it later.
    overlappingSync: false,
  })
}

/** LMDB maps its lock file: were there no space for a page of it, a store there would end the process. */
function makeLockFile(path: string): void {
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644)
  try {
    for (let at = 0; at < LOCK_BYTES; )
      at += fs.writeSync(fd, Buffer.alloc(LOCK_BYTES), at, LOCK_BYTES - at, at)
  } finally {
    fs.closeSync(fd)
  }
}

/** Why a batch failed: what the package hands out tells of that in a promise of its own. */
async function reasonOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> }
  if (commitError === undefined) return error
  const reason = commitError.then(
    () => error,
    (why: unknown) => why,
  )
  return Promise.race([reason, setImmediate(error)])
}

async function loadLmdb(): Promise<Lmdb> {
  try {
    return await import('lmdb')
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new LmdbMissing("the package lmdb isn't installed; a volume is written with it: npm install lmdb")
  }
}

/** Damage that a commit meets, what the host refused, or EIO for the rest. */
function errnoOf(error: unknown): Errno {
  if (error instanceof Unreadable) return error.errno
  // The host's errors have a number below 0, LMDB's one above, or an own one (lmdb.h).
  const { code, errno: number } = error as { code?: unknown; errno?: unknown }
  if (code === MDB_MAP_FULL) return errno.ENOSPC
  if (typeof number === 'number' && number < 0) return -number
  return typeof code === 'number' && code > 0 ? code : errno.EIO
}
