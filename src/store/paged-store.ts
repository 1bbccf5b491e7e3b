/**
 * The reading half of a store on disk: pages of records (record-page.ts) in an LMDB file (lmdb-file.ts), some of them kept
 * decoded. LMDB itself isn't asked, so nothing that the file says can end the process.
 *
 *     get, range -> the page that covers the key -> kept? -> else the tree leads to it -> checksum, fences -> kept
 *
 * Invariants   ST2 (volume/store.ts)
 *   PS1 A key is said to be absent only by a sound page that covers it.
 *   PS2 What a read hands out is what the last commit that ended left.
 */
import type { Bytes } from '../base/index.ts'
import { after, type Entry, lower, SortedMap, Unreadable } from '../volume/index.ts'
import { BadPage, type Belief, type Gap, LmdbFile } from './lmdb-file.ts'
import { decodePage, KEYS_END, type RecordPage } from './record-page.ts'

/** Pages that are kept decoded: some 15 MB. */
const KEPT_MAX = 1024

export class PagedStore {
  /** The path of the file. */
  readonly name: string
  private readonly file: LmdbFile
  private kept = new SortedMap<RecordPage>()

  /** Throws BadPage if there is no store in the file. */
  constructor(path: string, fd: number, belief?: Belief) {
    this.name = path
    this.file = new LmdbFile(fd, belief)
  }

  get(key: string): Uint8Array | undefined {
    const page = this.covering(key)
    if (page === undefined) return undefined
    const place = lower(page.keys, key)
    return page.keys[place] === key ? page.values[place] : undefined
  }

  *range(start: string, end: string): Generator<Entry> {
    for (let from = start; from < end; ) {
      const page = this.covering(from)
      if (page === undefined) return
      const { keys, values, high } = page
      for (let place = lower(page.keys, from); place < keys.length && keys[place]! < end; place++)
        yield { key: keys[place]!, value: values[place]! }
      from = high
    }
  }

  /** What is wrong with the tree that leads to the records, in words, by offset. */
  *flaws(): Generator<string> {
    for (const { offset, what } of this.file.survey()) yield this.where(offset, what)
  }

  /** The page that covers `key`; undefined: nothing was ever committed. Throws Unreadable. */
  protected covering(key: string): RecordPage | undefined {
    const kept = this.kept.ceiling(after(key), after(KEYS_END))?.value
    if (kept !== undefined && kept.low <= key) return kept
    const found = this.file.above(key)
    if (found === undefined) {
      if (this.isEmpty()) return undefined
      throw this.unreadable({ start: key, end: KEYS_END, offset: 0, what: 'nothing covers the last keys' })
    }
    if ('what' in found) throw this.unreadable({ ...found, start: key })
    const page = this.decode(found.offset, key, found.key)
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

  private isEmpty(): boolean {
    return this.file.above('') === undefined
  }

  private decode(offset: number, key: string, high: string): RecordPage {
    const gap = { start: key, end: high, offset }
    let bytes: Buffer
    try {
      bytes = this.file.value(offset)
    } catch (error) {
      if (!(error instanceof BadPage)) throw error
      throw this.unreadable({ ...gap, offset: error.offset, what: error.message })
    }
    const page = decodePage(bytes)
    if (typeof page === 'string') throw this.unreadable({ ...gap, what: `the page of records there ${page}` })
    if (page.low > key || page.high !== high)
      throw this.unreadable({ ...gap, what: 'the page of records there is another than the tree leads to' })
    return page
  }

  private unreadable({ start, end, offset, what }: Gap): Unreadable {
    return new Unreadable(this.where(offset, what), { start, end: end > start ? end : after(start) })
  }

  private where(offset: number, what: string): string {
    return `${this.name}, offset ${offset}: ${what}`
  }
}
