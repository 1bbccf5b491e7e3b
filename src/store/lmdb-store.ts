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
 *   LS5 Nothing is said of what the store holds after a failure but what is read anew: it may hold all of that commit.
 *   LS4 Each commit writes both root pages, and its stamp is in the key of each page that it writes (tally.ts). No two commits have
 *       one stamp, though one of them wasn't finished: it is the number of LMDB's transaction and a chance number of the opening.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { AssertionError, type Bytes, codeOf, type Errno, errno, numberOf } from '../base/index.ts'
import { closeDescriptor, makeDirectories } from '../host/index.ts'
import type { Scheduler, Ticket } from '../sched/index.ts'
import { type Change, type Entry, Failure, type Store, Unreadable } from '../volume/index.ts'
import { encodeKey, LMDB_PAGE } from './lmdb-file.ts'
import { PagedStore, type Survey } from './paged-store.ts'
import { quietly } from './quiet.ts'
import { encodePage, KEYS_END, PAGE_BYTES, type RecordPage, recordBytes, roomBetween } from './record-page.ts'
import { STAMPS } from './salvage.ts'
import { RECORDS_END, RECORDS_START, Tally } from './tally.ts'

/** A page with less than this is joined with the next one. */
const JOIN_BYTES = PAGE_BYTES / 4

/** LMDB's own errors, beside the host's (lmdb.h). */
const MDB_MAP_FULL = -30792

/** LMDB's own lock file: its header and its table of readers, of which there are none. */
const LOCK_FILE = 'lock.mdb'
const LOCK_BYTES: Bytes = 4 * 4096
/** More than the headers of a new store and its first commit. */
const ROOM_BYTES: Bytes = 64 * 4096

const write = promisify(fs.write)

export const STORE_FILE = 'data.mdb'

/** How long the end of the process waits for a commit that LMDB has been given. */
const OUTCOME_TRIES = 400
const OUTCOME_PAUSE_MS = 5

type Lmdb = typeof import('lmdb')
type Database = import('lmdb').RootDatabase<Buffer, Buffer>

/** The package `lmdb` isn't installed. */
export class LmdbMissing extends Error {}

const NOTHING: Survey = { flaws: [], tally: new Tally(), layout: 'new' }

/** Whether the last of the keys that a page is given was put behind all that it had. */
type Order = 'rising' | 'anyhow'

/** A page of records that a commit makes. */
interface Made {
  readonly low: string
  readonly high: string
  readonly records: readonly Entry[]
}

interface Running {
  readonly changes: readonly Change[]
  readonly ticket: Ticket
  readonly after: number
  /** LMDB's own thread has been given all of it: it ends without us. */
  isGiven: boolean
}

/** What a commit does to LMDB's records. */
interface Plan {
  readonly put: readonly { readonly key: Buffer; readonly bytes: Buffer }[]
  readonly removed: readonly Buffer[]
  readonly tally: Tally
  /** The high fences of pages that are new, or gone. */
  readonly highs: readonly string[]
}

/** Work on a page of records after another: between two the event loop may turn. */
type Steps<T> = Generator<undefined, T>

const CHANGES_A_STEP = 64
/** How long it goes on before the event loop turns. */
const TURN_MS = 2

const ZEROS = new Uint8Array(2 ** 20)

async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    for (const until = performance.now() + TURN_MS; performance.now() < until; ) {
      const next = steps.next()
      if (next.done === true) return next.value
    }
    await setImmediate()
  }
}

function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const next = steps.next()
    if (next.done === true) return next.value
  }
}

/** What a commit does to the pages. */
interface Batch {
  readonly made: Made[]
  readonly gone: RecordPage[]
}

export class LmdbStore extends PagedStore implements Store {
  readonly readOnly = false
  private readonly scheduler: Scheduler
  private readonly pump: () => void
  private readonly directory: string
  private readonly descriptor: number
  /** undefined: it has failed, and is to be opened anew. */
  private database: Database | undefined
  /** Whether a commit has failed that may be there all the same. */
  private isUnsure = false
  /** Told apart by it are commits of one number: one that was never finished, and the one after it. */
  private life = chance()
  /** Of the last commit. */
  private tally: Tally
  /** The commit that is on its way, and the transaction that it comes after. */
  private running: Running | undefined
  private isEnding = false

  private constructor(
    directory: string,
    fd: number,
    tally: Tally,
    database: Database,
    scheduler: Scheduler,
    pump: () => void,
  ) {
    super(join(directory, STORE_FILE), fd)
    this.directory = directory
    this.descriptor = fd
    this.tally = tally
    this.database = database
    this.scheduler = scheduler
    this.pump = pump
  }

  /**
   * Opens the store in a directory, or makes an empty one. `pump` runs what an end has made ready. Throws LmdbMissing, the
   * host's errors; Unreadable if it is damaged: FileStore reads what is left of it. Pages of the old layout are written anew.
   */
  static async open(directory: string, scheduler: Scheduler, pump: () => void): Promise<LmdbStore> {
    const path = join(directory, STORE_FILE)
    const { tally, layout } = fs.existsSync(path) ? looked(path) : NOTHING
    const database = await openDatabase(directory)
    let fd: number | undefined
    try {
      fd = fs.openSync(path, 'r+')
      const store = new LmdbStore(directory, fd, tally, database, scheduler, pump)
      if (layout === 'old') await store.upgrade()
      return store
    } catch (error) {
      if (fd !== undefined) closeDescriptor(fd)
      await database.close()
      throw error
    }
  }

  commit(changes: readonly Change[]): Ticket {
    const ticket = this.scheduler.ticket('commit of the metadata')
    if (this.isEnding) {
      this.scheduler.complete(ticket, this.writeNow(changes))
      return ticket
    }
    this.running = { changes, ticket, after: this.file.transaction, isGiven: false }
    void this.write(changes).then(error => {
      this.running = undefined
      if (error === errno.OK) this.tell(changes)
      this.scheduler.complete(ticket, error)
      this.pump()
    })
    return ticket
  }

  /**
   * The process ends, and no event loop turns any more: commits are made at once from here on. One that LMDB's own thread has been
   * given ends without us; if it doesn't, nothing is committed any more.
   */
  leave(): void {
    this.isEnding = true
    const { running } = this
    if (running === undefined) return
    this.running = undefined
    const error = running.isGiven ? this.outcomeOf(running) : this.writeNow(running.changes)
    this.scheduler.complete(running.ticket, error)
  }

  async close(): Promise<void> {
    await this.database?.close()
    closeDescriptor(this.descriptor)
  }

  private tell(changes: readonly Change[]): void {
    this.onCommit({ kind: 'commit', at: this.at, keys: changes.map(({ key }) => key) })
  }

  private async write(changes: readonly Change[]): Promise<Errno> {
    try {
      if (this.database === undefined) await this.openAnew()
      await this.apply(await inTurns(this.batch(sorted(changes))))
      return errno.OK
    } catch (error) {
      return errnoOf(error)
    }
  }

  private async openAnew(): Promise<void> {
    const { tally } = looked(this.name)
    this.database = await openDatabase(this.directory)
    this.renewAll()
    this.isUnsure = false
    this.tally = tally
    this.life = chance()
  }

  /**
   * Sees to it that the file has space for a transaction that puts so many pages and changes so many keys. Throws what the
   * host says if it has none.
   */
  private async makeRoom(plan: Plan): Promise<void> {
    const { from, to } = this.roomFor(plan)
    for (let at = from; at < to; )
      at += (await write(this.descriptor, ZEROS, 0, Math.min(ZEROS.length, to - at), at)).bytesWritten
  }

  /** The bytes that the file lacks: to be written as zeros. */
  private roomFor({ put, removed }: Plan): { readonly from: Bytes; readonly to: Bytes } {
    const changed = put.length + removed.length
    // Each changed key may be in a leaf of its own, below a branch of its own; of free pages a list is kept.
    const pages = put.length + 2 * changed + Math.ceil(this.end / LMDB_PAGE / 256) + 16
    const { size } = fs.fstatSync(this.descriptor)
    return { from: size, to: this.end + pages * LMDB_PAGE }
  }

  /** One transaction. */
  private async apply(batch: Batch): Promise<void> {
    const plan = await inTurns(this.plan(batch))
    await this.makeRoom(plan)
    const { running } = this
    const committed = this.transact(this.database!, database => [
      ...plan.removed.map(key => database.remove(key)),
      ...plan.put.map(({ key, bytes }) => database.put(key, bytes)),
    ])
    // lmdb-js hands a turn's writes over in a setImmediate of its own, which it has asked for before this one.
    if (running !== undefined) setImmediate(() => Object.assign(running, { isGiven: true }))
    await committed
    this.tally = plan.tally
    try {
      this.renew(plan.highs)
    } catch (error) {
      await this.giveUp()
      throw error
    }
  }

  private writeNow(changes: readonly Change[]): Errno {
    const { database } = this
    if (database === undefined) return errno.EIO
    try {
      const plan = atOnce(this.plan(atOnce(this.batch(sorted(changes)))))
      const { from, to } = this.roomFor(plan)
      for (let at = from; at < to; )
        at += fs.writeSync(this.descriptor, ZEROS, 0, Math.min(ZEROS.length, to - at), at)
      database.transactionSync(() => {
        for (const key of plan.removed) database.removeSync(key)
        for (const { key, bytes } of plan.put) database.putSync(key, bytes)
      })
      this.tally = plan.tally
      this.renew(plan.highs)
      return errno.OK
    } catch (error) {
      this.database = undefined
      return errnoOf(error)
    }
  }

  /** Waits, without the event loop, until the transaction of a commit is there. */
  private outcomeOf({ after }: Running): Errno {
    const clock = new Int32Array(new SharedArrayBuffer(4))
    try {
      for (let tries = 0; tries < OUTCOME_TRIES; tries++) {
        this.renewAll()
        if (this.file.transaction > after) {
          this.tally = looked(this.name).tally
          return errno.OK
        }
        Atomics.wait(clock, 0, 0, OUTCOME_PAUSE_MS)
      }
    } catch {
      // It can't be told.
    }
    this.database = undefined
    return errno.EIO
  }

  private *plan({ made, gone }: Batch): Steps<Plan> {
    const stamp = (this.file.transaction + 1) * STAMPS + this.life
    const tally = new Tally(this.tally)
    for (const { high, mark } of gone) if (mark !== undefined) tally.remove({ high, stamp: mark.stamp })
    for (const { high } of made) {
      tally.add({ high, stamp })
      yield
    }
    const { pages, sum } = tally
    const [first, last] = tally.encode()
    const roots = [
      { low: '', high: RECORDS_START, records: [first] },
      { low: RECORDS_END, high: KEYS_END, records: [last] },
    ]
    const put: { readonly key: Buffer; readonly bytes: Buffer }[] = []
    for (const { low, high, records } of [...made, ...roots]) {
      put.push({
        key: encodeKey(high, stamp),
        bytes: encodePage(low, high, records, { stamp, pages, sum }),
      })
      yield
    }
    const removed = [...gone, ...this.roots()].map(({ high, mark }) => encodeKey(high, mark?.stamp))
    return { put, removed, tally, highs: [...gone, ...made, ...roots].map(({ high }) => high) }
  }

  /** The next commit opens the database anew, and what is read until then is what the failed one has left (LS5). */
  private async giveUp(): Promise<void> {
    const { database } = this
    this.database = undefined
    this.isUnsure = true
    await database?.close().catch(() => {})
  }

  protected override covering(key: string): RecordPage | undefined {
    if (this.isUnsure) this.renewAll()
    this.isUnsure = false
    return super.covering(key)
  }

  private async transact(
    database: Database,
    change: (database: Database) => readonly Promise<unknown>[],
  ): Promise<void> {
    let each: readonly Promise<unknown>[] = []
    try {
      await quietly(() =>
        database.batch(() => {
          each = change(database)
        }),
      )
    } catch (error) {
      for (const part of each) part.catch(() => {})
      const reason = await reasonOf(error)
      await this.giveUp()
      throw reason
    }
  }

  /** The root pages of the last commit; none: nothing was ever committed, or in the old layout. */
  private roots(): RecordPage[] {
    const pages = [this.covering(''), this.covering(RECORDS_END)]
    return pages.flatMap(page => (page === undefined || page.mark === undefined ? [] : [page]))
  }

  /** Writes all pages anew, with stamps. */
  private async upgrade(): Promise<void> {
    const gone: RecordPage[] = []
    for (let low = ''; low !== KEYS_END; low = gone.at(-1)!.high) gone.push(this.covering(low)!)
    const batch: Batch = { gone, made: [] }
    for (const page of gone) {
      const low = page.low === '' ? RECORDS_START : page.low
      const high = page.high === KEYS_END ? RECORDS_END : page.high
      atOnce(split({ low, high, records: page.records() }, 'rising', batch))
    }
    await this.apply(batch)
  }

  /** `changes` in order of key. */
  private *batch(changes: readonly Change[]): Steps<Batch> {
    const batch: Batch = { made: [], gone: [] }
    if (changes.length === 0 && this.covering('') === undefined)
      batch.made.push({ low: RECORDS_START, high: RECORDS_END, records: [] })
    for (let at = 0; at < changes.length; ) {
      const first = this.covering(changes[at]!.key)
      const lastKey = first === undefined || first.count === 0 ? '' : first.key(first.count - 1)
      const records: Entry[] = []
      let bytes = 0
      const keep = (record: Entry) => {
        records.push(record)
        bytes += recordBytes(record)
      }
      let high: string
      for (let page = first; ; page = this.covering(high)!) {
        high = page?.high ?? RECORDS_END
        const old = page === undefined ? [] : page.records()
        if (page !== undefined) batch.gone.push(page)
        let place = 0
        // Both are in order: what a page holds, and what changes.
        for (; at < changes.length && changes[at]!.key < high; at++) {
          const { key, value } = changes[at]!
          for (; place < old.length && old[place]!.key <= key; place++)
            if (old[place]!.key !== key) keep(old[place]!)
          if (value !== null) keep({ key, value })
          if (at % CHANGES_A_STEP === 0) yield
        }
        for (; place < old.length; place++) keep(old[place]!)
        if (high === RECORDS_END || bytes >= JOIN_BYTES) break
      }
      const order = changes[at - 1]!.key > lastKey ? 'rising' : 'anyhow'
      yield* split({ low: first?.low ?? RECORDS_START, high, records }, order, batch)
    }
    return batch
  }
}

/**
 * Puts the records into as many pages as they need: of one size, or, where keys come in order, full but for the last.
 */
function* split({ low, high, records }: Made, order: Order, { made }: Batch): Steps<void> {
  let fence = Math.max(low.length, high.length)
  let total = 0
  for (const [place, record] of records.entries()) {
    fence = Math.max(fence, record.key.length)
    total += recordBytes(record)
    if (place % CHANGES_A_STEP === 0) yield
  }
  const room = roomBetween('', '') - 2 * fence
  const wanted = order === 'rising' ? room : total / Math.ceil(total / room)
  let start = low
  let part: Entry[] = []
  let bytes = 0
  for (const record of records) {
    const more = recordBytes(record)
    if (part.length > 0 && (bytes >= wanted || bytes + more > room)) {
      yield
      made.push({ low: start, high: record.key, records: part })
      start = record.key
      part = []
      bytes = 0
    }
    part.push(record)
    bytes += more
  }
  made.push({ low: start, high, records: part })
}

/** A volume's are in order already: to sort a million of them anew would hold up the event loop. */
function sorted(changes: readonly Change[]): readonly Change[] {
  for (let at = 1; at < changes.length; at++)
    if (changes[at - 1]!.key > changes[at]!.key) return [...changes].sort((a, b) => (a.key < b.key ? -1 : 1))
  return changes
}

function chance(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! % STAMPS
}

/** What the tree leads to. Throws Unreadable for the first flaw. */
function looked(path: string): Survey {
  const fd = fs.openSync(path, 'r')
  try {
    const store = new PagedStore(path, fd)
    const survey = store.survey()
    for (const { offset, message } of survey.flaws)
      throw new Unreadable(`${path}, offset ${offset}: ${message}`, { start: '', end: KEYS_END })
    return survey
  } finally {
    closeDescriptor(fd)
  }
}

/** Throws LmdbMissing if volumes can't be written here. */
export async function needLmdb(): Promise<void> {
  await loadLmdb()
}

async function openDatabase(directory: string): Promise<Database> {
  const { open } = await loadLmdb()
  makeDirectories(directory)
  writeZeros(join(directory, LOCK_FILE), LOCK_BYTES)
  if (!fs.existsSync(join(directory, STORE_FILE))) probeRoom(join(directory, 'room'))
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

/** Throws what the host says if there is no space for a new store: LMDB, making one, would end the process then. */
function probeRoom(path: string): void {
  try {
    writeZeros(path, ROOM_BYTES)
  } finally {
    fs.rmSync(path, { force: true })
  }
}

/** LMDB maps its lock file: were there no space for a page of it, a store there would end the process. */
function writeZeros(path: string, length: Bytes): void {
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644)
  try {
    for (let at = 0; at < length; ) at += fs.writeSync(fd, Buffer.alloc(length - at), 0, length - at, at)
  } finally {
    closeDescriptor(fd)
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
    if (codeOf(error) !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new LmdbMissing("the package lmdb isn't installed; a volume is written with it: npm install lmdb")
  }
}

/**
 * Damage that a commit meets, what the host refused, or EIO for the rest. A rule of ours that broke goes on by itself to whoever
 * hears what nobody catches, as one in an attempt does.
 */
function errnoOf(error: unknown): Errno {
  if (error instanceof Failure) return error.errno
  if (error instanceof AssertionError) {
    process.nextTick(() => {
      throw error
    })
    return errno.ENOTRECOVERABLE
  }
  // The host's errors have a number below 0, LMDB's one above, or an own one (lmdb.h).
  const { code } = error as { code?: unknown }
  if (code === MDB_MAP_FULL) return errno.ENOSPC
  const number = numberOf(error)
  if (number !== undefined && number < 0) return -number
  return typeof code === 'number' && code > 0 ? code : errno.EIO
}
