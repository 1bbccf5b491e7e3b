/**
 * The reading half of a store on disk: pages of records (record-page.ts) in an LMDB file (lmdb-file.ts), some of them kept
 * decoded. LMDB itself isn't asked, so nothing that the file says can end the process.
 *
 *     get, range -> the page that covers the key -> kept? -> else the tree leads to it -> checksum, stamp, fences -> kept
 *                                                            tree damaged: what salvage.ts found leads to it
 *
 * Invariants   ST2 (volume/store.ts)
 *   PS1 A key is said to be absent only by a sound page of the last commit that covers it.
 *   PS2 What a read hands out is what the last commit that ended left.
 */
import type { Bytes } from '../base/index.ts'
import {
  after,
  type Entry,
  type Lease,
  lower,
  type News,
  SOLE,
  SortedMap,
  Unreadable,
} from '../volume/index.ts'
import { BadPage, type Found, type Gap, LmdbFile } from './lmdb-file.ts'
import { decodePage, KEYS_END, type RecordPage } from './record-page.ts'
import { rootTally, STAMPS, salvage, type Tile } from './salvage.ts'
import { isRoot, RECORDS_END, RECORDS_START, type Stamped, Tally } from './tally.ts'

/** Pages that are kept decoded: some 15 MB. */
const KEPT_MAX = 1024

/** What the tree leads to, as a whole. */
export interface Survey {
  /** What is wrong with it. */
  readonly flaws: readonly BadPage[]
  readonly tally: Tally
  /** Whether pages have layout 0: without stamps, nothing tells whether they are the last ones. */
  readonly layout: 'old' | 'new'
}

interface Salvaged {
  /** In order, and their high fences. */
  readonly tiles: readonly Tile[]
  readonly highs: readonly string[]
  readonly flaw: string
}

export class PagedStore {
  /** The path of the file. */
  readonly name: string
  readonly lease: Lease = SOLE
  readonly onCommit: (news: News) => void = () => {}
  protected readonly file: LmdbFile
  private readonly fd: number
  private kept = new SortedMap<RecordPage>()
  /** Where the tree can't be gone by: what can be believed without it, and why it can't. */
  private salvaged: Salvaged | undefined

  constructor(path: string, fd: number) {
    this.name = path
    this.fd = fd
    this.file = new LmdbFile(fd)
  }

  /** The number of LMDB's transaction. */
  get at(): number {
    return this.file.transaction
  }

  get horizon(): number {
    return this.file.transaction
  }

  advance(): void {
    // Nobody else commits: the lock of the volume sees to that.
  }

  get(key: string): Uint8Array | undefined {
    const page = this.covering(key)
    if (page === undefined) return undefined
    const at = page.lower(key)
    return at < page.count && page.compare(at, key) === 0 ? page.value(at) : undefined
  }

  *range(start: string, end: string): Generator<Entry> {
    const stop = end < RECORDS_END ? end : RECORDS_END
    for (let from = start > RECORDS_START ? start : RECORDS_START; from < stop; ) {
      const page = this.covering(from)
      if (page === undefined) return
      for (let at = page.lower(from); at < page.count; at++) {
        const key = page.key(at)
        if (key >= stop) return
        yield { key, value: page.value(at) }
      }
      from = page.high
    }
  }

  first(start: string, end: string): Entry | undefined {
    const stop = end < RECORDS_END ? end : RECORDS_END
    for (let from = start > RECORDS_START ? start : RECORDS_START; from < stop; ) {
      const page = this.covering(from)
      if (page === undefined) return undefined
      const at = page.lower(from)
      if (at < page.count)
        return page.compare(at, stop) < 0 ? { key: page.key(at), value: page.value(at) } : undefined
      from = page.high
    }
    return undefined
  }

  /** Looks through the tree, and whether it leads to all pages of the last commit and to no older ones. Records aren't read. */
  survey(): Survey {
    const flaws: BadPage[] = []
    const pages: Stamped[] = []
    let roots: Found[] = []
    let layout: Survey['layout'] = 'new'
    for (const found of this.file.survey())
      if ('what' in found) flaws.push(new BadPage(found.offset, found.what))
      else if (found.stamp === undefined) layout = 'old'
      else if (isRoot(found.high)) roots = [...roots, found]
      else pages.push({ high: found.high, stamp: found.stamp })
    const tally = Tally.of(pages)
    if (layout === 'new' && pages.length + roots.length > 0) flaws.push(...this.unproven(tally, roots))
    return { flaws, tally, layout }
  }

  /** What is wrong with the tree that leads to the records, in words, by offset. */
  flaws(): readonly string[] {
    return this.survey().flaws.map(flaw => this.where(flaw))
  }

  /** Why the pages that were found aren't known to be those of the last commit. */
  private *unproven(tally: Tally, roots: readonly Found[]): Generator<BadPage> {
    const { transaction } = this.file
    let proof: Tally | undefined
    for (const { offset, high, stamp } of roots)
      try {
        const page = this.decode(offset, { high, stamp }, high === RECORDS_START ? '' : RECORDS_END)
        if (Math.floor(stamp! / STAMPS) === transaction) proof ??= rootTally(page)
        else yield new BadPage(offset, `the root page there is older than transaction ${transaction}`)
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error
        yield new BadPage(offset, 'the root page there is damaged')
      }
    if (proof === undefined) yield new BadPage(0, 'no root page is left that tells what the last commit was')
    else if (!tally.matches(proof))
      yield new BadPage(
        0,
        `${tally.pages} pages of records are led to, ${proof.pages} were left by the last commit, and in ${tally.differing(proof)} of their parts they aren't the same`,
      )
  }

  /** Reads by what can be believed without the tree, for what is wrong with it. Throws BadPage if that is too little. */
  protected salvage(flaw: string): void {
    const tiles = salvage(this.fd, this.file)
    this.salvaged = { tiles, highs: tiles.map(({ high }) => high), flaw }
  }

  protected get isSalvaged(): boolean {
    return this.salvaged !== undefined
  }

  /** The page that covers `key`; undefined: nothing was ever committed. Throws Unreadable. */
  protected covering(key: string): RecordPage | undefined {
    const kept = this.kept.ceiling(after(key), after(KEYS_END))?.value
    if (kept !== undefined && kept.low <= key) return kept
    const page = this.salvaged === undefined ? this.fromTree(key) : this.fromTiles(key)
    if (page === undefined) return undefined
    if (this.kept.size === KEPT_MAX) this.kept = new SortedMap()
    this.kept.set(page.high, page)
    return page
  }

  /** Sees what was committed: the pages with these high fences are new, or gone. */
  protected renew(highs: readonly string[]): void {
    this.file.renew()
    for (const high of highs) this.kept.delete(high)
  }

  /** Sees what is there, whatever was believed. */
  protected renewAll(): void {
    this.file.renew()
    this.kept = new SortedMap()
  }

  /** Where the pages that are in use end. */
  protected get end(): Bytes {
    return this.file.end
  }

  private fromTree(key: string): RecordPage | undefined {
    const found = this.file.above(key)
    if (found === undefined) {
      if (this.isEmpty()) return undefined
      throw this.unreadable({ start: key, end: KEYS_END, offset: 0, what: 'nothing covers the last keys' })
    }
    if ('what' in found) throw this.unreadable({ ...found, start: key })
    return this.decode(found.offset, found, key)
  }

  private fromTiles(key: string): RecordPage {
    const { tiles, highs, flaw } = this.salvaged!
    const place = lower(highs, after(key))
    const next = tiles[place]
    if (next !== undefined && next.low <= key)
      return this.decode(next.offset, { high: next.high, stamp: 'any' }, key)
    const start = tiles[place - 1]?.high ?? RECORDS_START
    const end = next?.low ?? RECORDS_END
    const range = { start: key, end: end > key ? end : after(key) }
    throw new Unreadable(`${flaw}; the records from ${start} on and below ${end} are lost`, range)
  }

  private isEmpty(): boolean {
    return this.file.above('') === undefined
  }

  /** The page at `offset`, if it is the one that is expected, and covers `key`. */
  private decode(
    offset: number,
    { high, stamp }: { readonly high: string; readonly stamp: number | undefined | 'any' },
    key: string,
  ): RecordPage {
    const gap = { start: key, end: high, offset }
    let bytes: Buffer
    try {
      bytes = stamp === 'any' ? this.file.body(offset) : this.file.value(offset)
    } catch (error) {
      if (!(error instanceof BadPage)) throw error
      throw this.unreadable({ ...gap, offset: error.offset, what: error.message })
    }
    const page = decodePage(bytes)
    if (typeof page === 'string') throw this.unreadable({ ...gap, what: `the page of records there ${page}` })
    const isOther = page.high !== high || (stamp !== 'any' && page.mark?.stamp !== stamp)
    if (isOther || page.low > key)
      throw this.unreadable({ ...gap, what: 'the page of records there is another than the tree leads to' })
    return page
  }

  private unreadable({ start, end, offset, what }: Gap): Unreadable {
    return new Unreadable(this.where({ offset, message: what }), {
      start,
      end: end > start ? end : after(start),
    })
  }

  protected where({ offset, message }: Pick<BadPage, 'offset' | 'message'>): string {
    return `${this.name}, offset ${offset}: ${message}`
  }
}
