/**
 * The file of an LMDB environment, read without LMDB: every bound is looked at before it is used, so that no flipped bit can
 * lead a read out of the file or end the process, and whatever is wrong is told by its offset.
 *
 *     page 0, 1       the two headers; the one of the later transaction counts
 *     header          -> root of the free pages, root of the main tree
 *     branch page     | header | pointers … | nodes: child page, least key of the child |
 *     leaf page       | header | pointers … | nodes: key, page that holds the value     |
 *     key             high fence of a page of records, a zero, and the page's stamp in 7 bytes, the greatest first
 *     value           a page of its own: LMDB's header and PAGE_BYTES (record-page.ts)
 *
 * Here each value fills a page of its own, so leaves hold keys and page numbers only: a hundredth of the file.
 * Layout as LMDB's mdb.c has it for data version 2, as the package `lmdb` writes it; free lists as that package does, where
 * -n stands before the first of n pages in a row.
 *
 * Invariants
 *   LM1 No read goes by a number of the file that wasn't compared with what it may be.
 */
import type { Bytes } from '../base/index.ts'
import { readAt } from './read-at.ts'
import { PAGE_BYTES, u64 } from './record-page.ts'

export const LMDB_PAGE: Bytes = 4096
const LMDB_MAGIC = 0xbeefc0de
const LMDB_DATA_VERSION = 2
export const PAGE_HEADER: Bytes = 24
const NODE_HEADER: Bytes = 8
const BRANCH = 1
const LEAF = 2
const OVERFLOW = 4
const BIG_DATA = 1
/** MDB_CURSOR's stack: no tree is deeper. */
const DEPTH_MAX = 32
const NO_PAGE = 2 ** 64
/** In a header: the two tables, and the number of its transaction. */
const TABLES: Bytes = PAGE_HEADER + 24
const TRANSACTION: Bytes = TABLES + 104
const STAMP_BYTES = 7
/** Above every key of LMDB. */
const RAW_END = '\x7f'
/** Branch and leaf pages that are kept. */
const KEPT_MAX = 256

/** Something in the file isn't what it must be. */
export class BadPage extends Error {
  readonly offset: Bytes

  constructor(offset: Bytes, what: string) {
    super(what)
    this.offset = offset
  }
}

/** What the tree says of a page of records. */
export interface Found {
  readonly high: string
  /** undefined: it has layout 0. */
  readonly stamp: number | undefined
  readonly offset: Bytes
}

/** The tree can't tell of keys from `start` on and below `end`, for what stands at `offset`. */
export interface Gap {
  readonly start: string
  readonly end: string
  readonly offset: Bytes
  readonly what: string
}

/** The key of LMDB that leads to a page of records. */
export function encodeKey(high: string, stamp: number | undefined): Buffer {
  const key = Buffer.alloc(high.length + (stamp === undefined ? 0 : 1 + STAMP_BYTES))
  key.write(high, 'latin1')
  if (stamp === undefined) return key
  key.writeUIntBE(Math.floor(stamp / 2 ** 32), high.length + 1, STAMP_BYTES - 4)
  key.writeUInt32BE(stamp % 2 ** 32, high.length + STAMP_BYTES - 3)
  return key
}

function decodeKey(key: Buffer): Pick<Found, 'high' | 'stamp'> {
  const length = key.indexOf(0)
  if (length === -1) return { high: key.toString('latin1'), stamp: undefined }
  const high = key.toString('latin1', 0, length)
  if (key.length !== length + 1 + STAMP_BYTES) return { high, stamp: 0 }
  const upper = key.readUIntBE(length + 1, STAMP_BYTES - 4)
  return { high, stamp: upper * 2 ** 32 + key.readUInt32BE(length + STAMP_BYTES - 3) }
}

interface Snapshot {
  readonly transaction: number
  readonly lastPage: number
  readonly freeRoot: number
  readonly root: number
}

interface Node {
  readonly at: number
  readonly flags: number
  readonly key: Buffer
  /** Of the value, or of the child. */
  readonly page: number
}

/** Keys that a page may hold: [start, end). */
interface Bounds {
  readonly start: string
  readonly end: string
}

export class LmdbFile {
  private readonly fd: number
  private readonly kept = new Map<number, Buffer>()
  private snapshot: Snapshot

  /** What is wrong with its headers. */
  readonly headerFlaws: BadPage[] = []
  /** Whether its headers tell which transaction was the last. */
  isCertain = true

  constructor(fd: number) {
    this.fd = fd
    this.snapshot = this.latest()
  }

  /** The transaction whose tree is read. */
  get transaction(): number {
    return this.snapshot.transaction
  }

  /** Sees what was committed since. */
  renew(): void {
    this.kept.clear()
    this.snapshot = this.latest()
  }

  /** Where the pages end that the last transaction knows. */
  get end(): Bytes {
    return (this.snapshot.lastPage + 1) * LMDB_PAGE
  }

  /** The first page of records whose high fence is above `key`. */
  above(key: string): Found | Gap | undefined {
    const { root } = this.snapshot
    if (root === NO_PAGE) return undefined
    return this.seek(root, Buffer.from(`${key}\x01`, 'latin1'), { start: '', end: RAW_END }, 0)
  }

  /** The bytes of a value's page, without LMDB's header. */
  value(offset: Bytes): Buffer {
    const page = this.read(offset / LMDB_PAGE)
    if (page.readUInt16LE(18) !== OVERFLOW || page.readUInt32LE(20) !== 1)
      throw new BadPage(offset, 'a page of records is expected, and its header tells of something else')
    return page.subarray(PAGE_HEADER)
  }

  /** The same, whatever LMDB's header says. */
  body(offset: Bytes): Buffer {
    return this.readRun(offset / LMDB_PAGE, 1).subarray(PAGE_HEADER)
  }

  /**
   * Goes through all of the tree and all free pages, and yields the pages of records that it leads to, and what is wrong with it.
   * Pages of records aren't read.
   */
  *survey(): Generator<Found | Gap> {
    for (const flaw of this.headerFlaws) yield gapOf(flaw, { start: '', end: '' })
    const { root, freeRoot, lastPage } = this.snapshot
    const seen = new Uint8Array(Math.ceil((lastPage + 1) / 8))
    const claim = (page: number, offset: Bytes) => {
      if (page > lastPage || page < 2)
        throw new BadPage(offset, `page ${page} is named; the file ends with page ${lastPage}`)
      const bit = 1 << (page & 7)
      if ((seen[page >>> 3]! & bit) !== 0) throw new BadPage(offset, `page ${page} is in use twice`)
      seen[page >>> 3]! |= bit
    }
    if (root !== NO_PAGE) yield* this.surveyTree(root, { start: '', end: RAW_END }, claim)
    if (freeRoot !== NO_PAGE) yield* this.surveyFree(freeRoot, claim, 0)
  }

  private *surveyTree(
    number: number,
    bounds: Bounds,
    claim: (page: number, offset: Bytes) => void,
    depth = 0,
  ): Generator<Found | Gap> {
    let page: Buffer
    let children: readonly number[] = []
    let found: Found[] = []
    try {
      if (depth > DEPTH_MAX) throw new BadPage(number * LMDB_PAGE, 'the tree has no end')
      claim(number, number * LMDB_PAGE)
      page = this.treePage(number)
      const nodes = this.inOrder(page, number, bounds)
      if (page.readUInt16LE(18) === BRANCH) children = nodes.map(node => node.page)
      else {
        for (const node of nodes) claim(node.page, number * LMDB_PAGE)
        found = nodes.map(({ key, page: value }) => ({ ...decodeKey(key), offset: value * LMDB_PAGE }))
      }
    } catch (error) {
      yield gapOf(error, bounds)
      return
    }
    yield* found
    for (const [place, child] of children.entries())
      yield* this.surveyTree(child, this.boundsOf(page, number, place, bounds), claim, depth + 1)
  }

  /** The nodes of a page. Throws unless its keys rise, inside its bounds. */
  private inOrder(page: Buffer, number: number, { start, end }: Bounds): Node[] {
    const isBranch = page.readUInt16LE(18) === BRANCH
    const count = page.readUInt16LE(20) >>> 1
    const last = Buffer.from(end, 'latin1')
    let before: Buffer = Buffer.from(start, 'latin1')
    const nodes: Node[] = []
    // hot: once for each page of records when a volume is opened
    for (let place = 0; place < count; place++) {
      const node = this.node(page, number, place)
      const { at, key } = node
      nodes.push(node)
      if (isBranch && place === 0) continue
      const order = before.compare(key)
      if (order > 0 || (order === 0 && place > 0) || key.compare(last) > 0)
        throw new BadPage(number * LMDB_PAGE + at, 'its keys are out of order')
      before = key
    }
    return nodes
  }

  /** Which keys node `place` of a branch leads to. */
  private boundsOf(page: Buffer, number: number, place: number, { start, end }: Bounds): Bounds {
    const count = page.readUInt16LE(20) >>> 1
    const keyOf = (at: number) => this.node(page, number, at).key.toString('latin1')
    return { start: place === 0 ? start : keyOf(place), end: place + 1 === count ? end : keyOf(place + 1) }
  }

  /** Free pages are in no tree, and free once. A list is told to be wrong as a whole: no keys are lost by it. */
  private *surveyFree(
    number: number,
    claim: (page: number, offset: Bytes) => void,
    depth: number,
  ): Generator<Gap> {
    try {
      if (depth > DEPTH_MAX) throw new BadPage(number * LMDB_PAGE, 'the tree of free pages has no end')
      claim(number, number * LMDB_PAGE)
      const page = this.treePage(number)
      for (const node of this.nodes(page, number, 'free pages'))
        if (page.readUInt16LE(18) === BRANCH) yield* this.surveyFree(node.page, claim, depth + 1)
        else this.claimList(page, number, node, claim)
    } catch (error) {
      yield gapOf(error, { start: '', end: '' })
    }
  }

  private claimList(
    page: Buffer,
    number: number,
    { at, flags, page: first }: Node,
    claim: (page: number, offset: Bytes) => void,
  ): void {
    const offset = number * LMDB_PAGE + at
    const size = page.readUInt32LE(at)
    let list = page.subarray(
      at + NODE_HEADER + page.readUInt16LE(at + 6),
      at + NODE_HEADER + page.readUInt16LE(at + 6) + size,
    )
    if ((flags & BIG_DATA) !== 0) {
      const pages = Math.ceil((PAGE_HEADER + size) / LMDB_PAGE)
      for (let more = 0; more < pages; more++) claim(first + more, offset)
      list = this.readRun(first, pages).subarray(PAGE_HEADER, PAGE_HEADER + size)
    }
    if (list.length !== size || size < 8 || size % 8 !== 0 || u64(list, 0) * 8 + 8 > size)
      throw new BadPage(offset, 'a list of free pages has no sense')
    for (let entry = 8; entry < 8 + 8 * u64(list, 0); entry += 8) {
      const run = -list.readBigInt64LE(entry)
      if (run <= 0n) {
        if (run !== 0n) claim(u64(list, entry), offset)
        continue
      }
      entry += 8
      for (let more = 0; more < Number(run); more++) claim(u64(list, entry) + more, offset)
    }
  }

  private seek(number: number, target: Buffer, bounds: Bounds, depth: number): Found | Gap | undefined {
    try {
      if (depth > DEPTH_MAX) throw new BadPage(number * LMDB_PAGE, 'the tree has no end')
      const page = this.treePage(number)
      const isBranch = page.readUInt16LE(18) === BRANCH
      const count = page.readUInt16LE(20) >>> 1
      let low = isBranch ? 1 : 0
      let high = count
      while (low < high) {
        const middle = (low + high) >>> 1
        if (this.node(page, number, middle).key.compare(target) < 0) low = middle + 1
        else high = middle
      }
      if (!isBranch) {
        if (low === count) return undefined
        const { key, page: value } = this.node(page, number, low)
        return { ...decodeKey(key), offset: value * LMDB_PAGE }
      }
      for (let place = low - 1; place < count; place++) {
        const start = place === 0 ? bounds.start : this.node(page, number, place).key.toString('latin1')
        const end =
          place + 1 === count ? bounds.end : this.node(page, number, place + 1).key.toString('latin1')
        const found = this.seek(this.node(page, number, place).page, target, { start, end }, depth + 1)
        if (found !== undefined) return found
      }
      return undefined
    } catch (error) {
      return gapOf(error, bounds)
    }
  }

  private nodes(page: Buffer, number: number, of: 'records' | 'free pages' = 'records'): Node[] {
    const count = page.readUInt16LE(20) >>> 1
    return Array.from({ length: count }, (_, place) => this.node(page, number, place, of))
  }

  private node(page: Buffer, number: number, place: number, of: 'records' | 'free pages' = 'records'): Node {
    const bad = (what: string) => new BadPage(number * LMDB_PAGE + PAGE_HEADER + 2 * place, what)
    const at = PAGE_HEADER + page.readUInt16LE(PAGE_HEADER + 2 * place)
    if (at % 2 !== 0 || at + NODE_HEADER > LMDB_PAGE) throw bad('a node lies outside of its page')
    const keyLength = page.readUInt16LE(at + 6)
    const end = at + NODE_HEADER + keyLength
    if (end > LMDB_PAGE) throw bad('a key lies outside of its page')
    const key = page.subarray(at + NODE_HEADER, end)
    if (page.readUInt16LE(18) === BRANCH)
      return { at, flags: 0, key, page: page.readUInt32LE(at) + page.readUInt16LE(at + 4) * 2 ** 32 }
    const flags = page.readUInt16LE(at + 4)
    const isBig = flags === BIG_DATA
    if (of === 'records' && (!isBig || page.readUInt32LE(at) !== PAGE_BYTES))
      throw bad('a value has a length that no page of records has')
    if (flags > BIG_DATA || (isBig && end + 8 > LMDB_PAGE)) throw bad('a node has no sense')
    return { at, flags, key, page: isBig ? u64(page, end) : 0 }
  }

  private treePage(number: number): Buffer {
    const known = this.kept.get(number)
    if (known !== undefined) return known
    const page = this.read(number)
    const flags = page.readUInt16LE(18)
    const lower = page.readUInt16LE(20)
    const upper = page.readUInt16LE(22)
    const room = LMDB_PAGE - PAGE_HEADER
    if (
      (flags !== BRANCH && flags !== LEAF) ||
      lower % 2 !== 0 ||
      lower > upper ||
      upper > room ||
      lower < 2 ||
      (flags === BRANCH && lower < 4)
    )
      throw new BadPage(number * LMDB_PAGE, 'a page of the tree is expected, and its header has no sense')
    if (this.kept.size === KEPT_MAX) this.kept.clear()
    this.kept.set(number, page)
    return page
  }

  private read(number: number): Buffer {
    const { lastPage, transaction } = this.snapshot
    const offset = number * LMDB_PAGE
    if (number < 2 || number > lastPage)
      throw new BadPage(offset, `page ${number} is named; the file ends with page ${lastPage}`)
    const page = this.readRun(number, 1)
    if (u64(page, 0) !== number || u64(page, 8) > transaction)
      throw new BadPage(offset, 'its header tells of another page')
    return page
  }

  private readRun(number: number, pages: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(pages * LMDB_PAGE)
    const got = readAt(this.fd, bytes, number * LMDB_PAGE)
    if (got < bytes.length) throw new BadPage(number * LMDB_PAGE + got, 'the file ends here')
    return bytes
  }

  /**
   * What the header of the later transaction says. The headers are written in turn, so they are one transaction apart. With
   * one of them damaged the other is surely the last if the damaged one still tells of the transaction before it.
   */
  private latest(): Snapshot {
    this.headerFlaws.length = 0
    this.isCertain = true
    const page = Buffer.alloc(LMDB_PAGE)
    const headers: Snapshot[] = []
    const told: number[] = []
    for (const which of [0, 1])
      try {
        if (readAt(this.fd, page, which * LMDB_PAGE) < LMDB_PAGE)
          throw new BadPage(which * LMDB_PAGE, 'the file ends within its headers')
        told.push(u64(page, TRANSACTION))
        headers.push(headerIn(page, which))
      } catch (error) {
        if (!(error instanceof BadPage)) throw error
        this.headerFlaws.push(error)
      }
    const [one, other] = headers
    if (one === undefined || other === undefined) {
      this.isCertain = one !== undefined && told.includes(one.transaction - 1)
      return one ?? { transaction: 0, lastPage: 1, freeRoot: NO_PAGE, root: NO_PAGE }
    }
    if (Math.abs(one.transaction - other.transaction) > 1) {
      this.isCertain = false
      this.headerFlaws.push(
        new BadPage(
          TRANSACTION,
          `its headers are of transactions ${one.transaction} and ${other.transaction}, expected two in a row`,
        ),
      )
    }
    return one.transaction > other.transaction ? one : other
  }
}

function gapOf(error: unknown, { start, end }: Bounds): Gap {
  if (!(error instanceof BadPage)) throw error
  return { start: highOf(start), end: highOf(end), offset: error.offset, what: error.message }
}

function highOf(raw: string): string {
  return raw.split('\0')[0]!
}

function headerIn(page: Buffer, which: number): Snapshot {
  const offset = which * LMDB_PAGE
  if (page.readUInt32LE(PAGE_HEADER) !== LMDB_MAGIC)
    throw new BadPage(offset + PAGE_HEADER, "its header isn't that of an LMDB file")
  const version = page.readUInt32LE(PAGE_HEADER + 4)
  if (version !== LMDB_DATA_VERSION)
    throw new BadPage(
      offset + PAGE_HEADER + 4,
      `LMDB's data has version ${version}; this program reads version ${LMDB_DATA_VERSION}`,
    )
  const pageSize = page.readUInt32LE(TABLES)
  if (pageSize !== LMDB_PAGE)
    throw new BadPage(offset + TABLES, `its pages have ${pageSize} bytes, expected ${LMDB_PAGE}`)
  const transaction = u64(page, TRANSACTION)
  if (transaction > 1 && transaction % 2 !== which)
    throw new BadPage(offset + TRANSACTION, `transaction ${transaction} has written the wrong header`)
  return {
    transaction,
    lastPage: u64(page, TABLES + 96),
    freeRoot: u64(page, TABLES + 40),
    root: u64(page, TABLES + 88),
  }
}
