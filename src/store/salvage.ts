/**
 * The pages of records of a damaged store, found by looking at all of its file instead of down the tree.
 *
 *     file  -> pages with a checksum, of all commits that left traces   (seen)
 *     tree  -> what it still says of pages                              (told)
 *     the last commit   its stamp, the sum of its pages, and in a root page their sums by bucket
 *     newest            of what is seen and told, page by page, whatever nothing later covers
 *
 *     what the tree tells has the sum?   then it is so
 *     else what is newest has it?        then that
 *     else neither is believed           for this bucket; where there is no root page, for all
 *
 * A page that is told of and not seen is lost, and with it the keys that no other page covers.
 *
 * Invariants
 *   SG1 A page is used only if it is one that the last commit left (TA1).
 */
import type { Bytes } from '../base/index.ts'
import { SortedMap } from '../volume/index.ts'
import { BadPage, type Found, LMDB_PAGE, type LmdbFile, PAGE_HEADER } from './lmdb-file.ts'
import { readAt } from './read-at.ts'
import { decodePage, type Mark, type RecordPage } from './record-page.ts'
import { isRoot, type Stamped, Tally } from './tally.ts'

/** Keys from `low` on and below `high` are in the page of records at `offset`. */
export interface Tile {
  readonly low: string
  readonly high: string
  readonly offset: Bytes
}

/** A sound page of records, somewhere in the file. */
interface Seen extends Tile, Stamped {
  readonly mark: Mark
  /** What a root page says. */
  readonly tally: Tally | undefined
}

/** A page, with its low fence if it has been seen. */
interface Candidate extends Stamped {
  readonly low: string | undefined
}

/** Stamps of one transaction of LMDB. */
export const STAMPS = 2 ** 20
const SLAB_PAGES = 256

/** The tiles that can be believed, in order. Throws BadPage if the file has too little left. */
export function salvage(fd: number, file: LmdbFile): Tile[] {
  const told: Found[] = []
  for (const found of file.survey()) if (!('what' in found)) told.push(found)
  if (told.some(({ stamp }) => stamp === undefined)) return ofOldLayout(fd, file, told)
  const seen = [...scan(fd)]
  const last = lastCommit(file, seen)
  const ofTree = told.flatMap(({ high, stamp }) => (isRoot(high) ? [] : [{ high, stamp: stamp! }]))
  const names = believed(ofTree, seen, last)
  const tiles = seen.filter(({ high, stamp }) => names.has(nameOf({ high, stamp })))
  if (tiles.length === 0) throw tooLittle('no page of records is left that is surely of the last commit')
  const unique = new Map(tiles.map(({ low, high, offset }) => [high, { low, high, offset }]))
  return [...unique.values()].sort((a, b) => (a.low < b.low ? -1 : 1))
}

function* scan(fd: number): Generator<Seen> {
  const slab = Buffer.alloc(SLAB_PAGES * LMDB_PAGE)
  for (let start = 0; ; start += slab.length) {
    const length = readAt(fd, slab, start)
    for (let at = 0; at + LMDB_PAGE <= length; at += LMDB_PAGE) {
      const page = decodePage(slab.subarray(at + PAGE_HEADER, at + LMDB_PAGE))
      if (typeof page === 'string' || page.mark === undefined) continue
      const { low, high, mark } = page
      yield { low, high, mark, stamp: mark.stamp, offset: start + at, tally: rootTally(page) }
    }
    if (length < slab.length) return
  }
}

/** What a root page says; undefined: it is another page. */
export function rootTally(page: RecordPage): Tally | undefined {
  const { high, mark, count } = page
  return isRoot(high) && mark !== undefined && count === 1 ? Tally.decode(page.value(0), mark) : undefined
}

/** What is known of the last commit. Its stamp is of the last transaction; if that isn't known, the greatest. */
function lastCommit(file: LmdbFile, seen: readonly Seen[]): Seen {
  const { isCertain, transaction } = file
  const ofLast = isCertain ? seen.filter(({ stamp }) => Math.floor(stamp / STAMPS) === transaction) : seen
  const stamp = ofLast.reduce((most, page) => Math.max(most, page.stamp), 0)
  const pages = ofLast.filter(page => page.stamp === stamp)
  const last = pages.find(({ tally }) => tally !== undefined) ?? pages[0]
  if (last === undefined) throw tooLittle('nothing that the last commit wrote is left')
  return last
}

/** The names of the pages that the last commit left, as far as they can be told. */
function believed(ofTree: readonly Stamped[], seen: readonly Seen[], last: Seen): Set<string> {
  const newest = newestOf(ofTree, seen, last.stamp)
  const all = { tree: Tally.of(ofTree), newest: Tally.of(newest) }
  if (all.tree.matches(last.mark)) return new Set(ofTree.map(nameOf))
  if (all.newest.matches(last.mark)) return new Set(newest.map(nameOf))
  const { tally } = last
  if (tally === undefined)
    throw tooLittle('its tree is damaged, and nothing is left that tells old pages of records from new ones')
  const names = new Set<string>()
  for (const page of ofTree) if (all.tree.agrees(tally, page.high)) names.add(nameOf(page))
  for (const page of newest)
    if (!all.tree.agrees(tally, page.high) && all.newest.agrees(tally, page.high)) names.add(nameOf(page))
  return names
}

/** Later pages first, each that nothing later lies over. What was told and not seen covers the key below its high fence. */
function newestOf(told: readonly Stamped[], seen: readonly Seen[], most: number): Stamped[] {
  const candidates = new Map<string, Candidate>()
  for (const { high, stamp } of told)
    if (stamp <= most) candidates.set(nameOf({ high, stamp }), { high, stamp, low: undefined })
  for (const { low, high, stamp } of seen)
    if (stamp <= most && !isRoot(high)) candidates.set(nameOf({ high, stamp }), { high, stamp, low })
  const chosen = new SortedMap<Candidate>()
  for (const page of [...candidates.values()].sort((a, b) => b.stamp - a.stamp)) {
    const { low, high } = page
    const over = chosen.ceiling(low === undefined ? high : `${low}\0`, '\x7f')?.value
    const lies = over !== undefined && (over.low === undefined ? over.high <= high : over.low < high)
    if (!lies) chosen.set(high, page)
  }
  return [...chosen].map(([, page]) => page)
}

/** Pages of layout 0 have no stamps: those count that the tree of the last transaction leads to. */
function ofOldLayout(fd: number, { isCertain }: LmdbFile, told: readonly Found[]): Tile[] {
  if (!isCertain) throw tooLittle("its headers don't tell which of its trees is the last")
  const bytes = Buffer.alloc(LMDB_PAGE)
  const tiles: Tile[] = []
  for (const { high, offset } of told) {
    if (readAt(fd, bytes, offset) < LMDB_PAGE) continue
    const page = decodePage(bytes.subarray(PAGE_HEADER))
    const start = tiles.at(-1)?.high ?? ''
    if (typeof page !== 'string' && page.high === high && page.low >= start)
      tiles.push({ low: page.low, high, offset })
  }
  if (tiles.length === 0) throw tooLittle('no page of records is left')
  return tiles
}

function nameOf({ high, stamp }: Stamped): string {
  return `${high}\0${stamp}`
}

function tooLittle(why: string): BadPage {
  return new BadPage(0, `too little is left of the metadata: ${why}`)
}
