/**
 * What may be found after a crash, told from outside: by what the program asked for and what it was promised.
 *
 * The volume says that a crash leaves it as it was at some commit. So there is a row of cuts, one for each operation since the
 * last promise, and what is found must be one of them:
 *
 *     cut        names, and for each file the sizes and, page by page, the versions that may be there
 *     write      a cut with one version more: its pages reach the device when they like
 *     change     a cut in which the ranges that it changed are exactly so: clone, truncate, punch, rename, …
 *     store      through a DAX mapping: goes to the device at once, whatever commit it is seen with; where a shift has moved the
 *                block, and the commit is older, in the page where the block was
 *     promise    the last cut alone is left, and what was promised of it is exactly so
 *
 * Invariants
 *   OR1 The last cut allows what the program sees now.
 *   OR2 A promise only takes away.
 */
import type { Bytes } from '../base/index.ts'
import { Block, keySum, sumOf, textSum } from './image.ts'
import { EMPTY, type Mode, PAGE, PAGES_MAX } from './stage.ts'

export const DIRECTORY = ''
/** What a file is that nobody has changed in any other way than by writing to it. */
export const ORDINARY = 'file 644'

/** Sums of pages, zeros behind the end. */
type Versions = readonly number[]

export interface MayHold {
  readonly sizes: readonly Bytes[]
  readonly pages: readonly Versions[]
  /** What else it is, in words (attributesInWords). */
  readonly attributes: string
  /** In which page of the file, as it is now, the block of each page lies; NOWHERE: in none. */
  readonly places: readonly number[]
}

export const NOWHERE = -1
const UNMOVED: readonly number[] = Array.from({ length: PAGES_MAX }, (_, page) => page)

/** Paths and what they lead to: the name of a file, or DIRECTORY. */
export type NamesOf = ReadonlyMap<string, string>

export interface Cut {
  readonly names: NamesOf
  readonly files: ReadonlyMap<string, MayHold>
}

/** Bytes [start, end) of a file. */
export interface Range {
  readonly start: Bytes
  readonly end: Bytes
}

export const WHOLE: Range = { start: 0, end: PAGES_MAX * PAGE }

export class Oracle {
  /** What each file holds now, for those who have it open. */
  readonly content = new Map<string, Uint8Array>()
  /** What else each file is that isn't an ordinary one. */
  private readonly attributes: Map<string, string>
  names: NamesOf
  /** Oldest first. */
  cuts: Cut[]
  /** Whether there may be no volume at all. */
  mayBeNothing = false
  readonly versions = new Map<number, Block>([[EMPTY.sum, EMPTY]])
  private readonly mode: Mode
  private keyed: number | undefined

  constructor(
    mode: Mode,
    names: NamesOf,
    content: ReadonlyMap<string, Uint8Array>,
    attributes: ReadonlyMap<string, string> = new Map(),
  ) {
    this.mode = mode
    this.attributes = new Map(attributes)
    this.names = names
    for (const [name, bytes] of content) this.content.set(name, bytes)
    const files = new Map([...content].map(([name]) => [name, this.exactly(name)]))
    this.cuts = [{ names, files }]
  }

  /** Tells oracles apart that allow different things. */
  get key(): number {
    this.keyed ??= sumOf(Float64Array.from(this.numbers()))
    return this.keyed
  }

  size(name: string): Bytes {
    return this.content.get(name)!.length
  }

  // ---- what the program asks for

  /** Bytes go to the cache, and from there to the device when it suits it; or, in DAX, to the device itself. */
  write(name: string, position: Bytes, bytes: Uint8Array): void {
    if (this.mode !== 'cache') this.store(name, position, bytes)
    else this.put(name, position, bytes)
    this.push(files => {
      const held = this.with(files.get(name)!, name, { start: position, end: position + bytes.length })
      files.set(name, { ...held, sizes: union(held.sizes, [this.size(name)]) })
    })
  }

  /** Bytes go to the device itself, and are seen whatever commit they are seen with. */
  store(name: string, position: Bytes, bytes: Uint8Array): void {
    this.put(name, position, bytes)
    const range = { start: position, end: position + bytes.length }
    this.replaceCuts(({ names, files }) => ({
      names,
      files: new Map(
        [...files].map(([file, held]) => [file, file === name ? this.stored(held, name, range) : held]),
      ),
    }))
  }

  /** One edit of the metadata: what `changes` tells of is exactly so in the new cut. */
  change(changes: () => void): void {
    this.push(() => {})
    changes()
    this.replaceLast(({ files }) => ({ names: this.names, files: this.withNew(files) }))
  }

  /** Inside `change`: the range of a file holds this, and nothing it held before. */
  set(name: string, position: Bytes, bytes: Uint8Array): void {
    this.put(name, position, bytes)
    const end = position + bytes.length
    this.exact(name, { start: position, end })
    this.sizes(name, size => Math.max(size, end))
  }

  /** Inside `change`: whatever a range of a file held, it is zero now. Its edges may hold old things outside of it. */
  zero(name: string, range: Range): void {
    this.clear(name, range, () => 'zeroed')
  }

  /** The same, but a page of the cache at an edge, or at the end of the file, may be dirty: then it is zeroed there, as by a write. */
  punch(name: string, range: Range): void {
    const last = Math.ceil(this.size(name) / PAGE) - 1
    this.clear(name, range, page => {
      const isWhole = range.start <= page * PAGE && range.end >= (page + 1) * PAGE
      return this.mode === 'cache' && (!isWhole || page === last) ? 'written' : 'zeroed'
    })
  }

  /** Inside `change`: the file is this long, and zero behind that. */
  resize(name: string, size: Bytes): void {
    const old = this.content.get(name)!
    this.zero(name, { start: size, end: WHOLE.end })
    const now = new Uint8Array(size)
    now.set(old.subarray(0, size))
    this.content.set(name, now)
    this.sizes(name, () => size)
  }

  /** Inside `change`: what was written to a range is part of it, and the file reaches so far. */
  exact(name: string, range: Range): void {
    const now = this.exactly(name)
    const reached = Math.min(range.end, this.size(name))
    this.eachPage(name, range, (_, page) => now.pages[page]!)
    this.sizes(name, size => Math.max(size, reached))
  }

  /** Inside `change`: it has these attributes, and no others. */
  attribute(name: string, attributes: string): void {
    this.attributes.set(name, attributes)
    this.replaceLast(({ names, files }) => {
      const held = files.get(name)
      return held === undefined
        ? { names, files }
        : { names, files: new Map(files).set(name, { ...held, attributes }) }
    })
  }

  attributesOf(name: string): string {
    return this.attributes.get(name) ?? ORDINARY
  }

  /** Inside `change`: each size that the file may have becomes another. */
  sizes(name: string, sizeOf: (size: Bytes) => Bytes): void {
    this.replaceLast(({ names, files }) => {
      const held = files.get(name)!
      const sizes = [...new Set(held.sizes.map(sizeOf))]
      return { names, files: new Map(files).set(name, { ...held, sizes }) }
    })
  }

  /** Inside `change`: the blocks of a file are at other pages now, and stores to them are seen where they were in older cuts. */
  moved(name: string, to: (page: number) => number): void {
    this.replaceCuts(({ names, files }) => {
      const held = files.get(name)
      if (held === undefined) return { names, files }
      const places = held.places.map(page => (page === NOWHERE ? NOWHERE : to(page)))
      return { names, files: new Map(files).set(name, { ...held, places }) }
    })
    this.replaceLast(({ names, files }) => ({
      names,
      files: new Map(files).set(name, { ...files.get(name)!, places: UNMOVED }),
    }))
  }

  // ---- what it was promised

  /** Everything that was changed is durable; data that was only written isn't. */
  promiseChanges(): void {
    this.cuts = this.cuts.slice(-1)
    this.mayBeNothing = false
    this.keyed = undefined
  }

  /** The same, and the data of a range of the file. */
  promise(name: string, range: Range = WHOLE): void {
    this.promiseChanges()
    if (range === WHOLE)
      this.replaceLast(({ names, files }) => ({ names, files: new Map(files).set(name, this.exactly(name)) }))
    else this.exact(name, range)
  }

  /** What was stored to a page is durable, whatever commit it is seen with. */
  promiseStored(name: string, position: Bytes, stored: Uint8Array): void {
    const page = Math.floor(position / PAGE)
    this.replaceCuts(({ names, files }) => {
      const held = files.get(name)
      if (held === undefined) return { names, files }
      const pages = held.pages.map((versions, number) => {
        if (held.places[number] !== page) return versions
        const now = versions.map(version => {
          const bytes = this.versions.get(version)!.bytes.slice()
          bytes.set(stored, position - page * PAGE)
          return this.know(bytes)
        })
        return [...new Set(now)]
      })
      return { names, files: new Map(files).set(name, { ...held, pages }) }
    })
  }

  // ---- inside

  /** All that it allows. */
  private *numbers(): Generator<number> {
    yield Number(this.mayBeNothing)
    for (const { names, files } of this.cuts) {
      yield partSum(names)
      yield files.size
      for (const [name, held] of files) {
        yield keySum(name)
        yield partSum(held)
      }
    }
  }

  private clear(name: string, { start, end }: Range, how: (page: number) => 'zeroed' | 'written'): void {
    const now = this.content.get(name)!.slice()
    now.fill(0, start, end)
    this.content.set(name, now)
    this.eachPage(name, { start, end }, (versions, page) => {
      const zeroed = versions.map(version => {
        const bytes = this.versions.get(version)!.bytes.slice()
        bytes.fill(0, Math.max(0, start - page * PAGE), Math.min(PAGE, end - page * PAGE))
        return this.know(bytes)
      })
      return how(page) === 'written' ? [...versions, ...zeroed] : zeroed
    })
  }

  private put(name: string, position: Bytes, bytes: Uint8Array): void {
    const old = this.content.get(name)!
    const now = new Uint8Array(Math.max(old.length, position + bytes.length))
    now.set(old)
    now.set(bytes, position)
    keepPages(old, now, { start: position, end: position + bytes.length })
    this.content.set(name, now)
  }

  private exactly(name: string): MayHold {
    const bytes = this.content.get(name)!
    const blocks = pagesOf(bytes)
    for (const block of blocks) this.versions.set(block.sum, block)
    const pages = Array.from({ length: PAGES_MAX }, (_, page) => [(blocks[page] ?? EMPTY).sum])
    return {
      sizes: [bytes.length],
      pages,
      attributes: this.attributes.get(name) ?? ORDINARY,
      places: UNMOVED,
    }
  }

  /** What the file holds now may be in the range too. */
  private with(held: MayHold, name: string, range: Range): MayHold {
    const now = this.exactly(name)
    const pages = held.pages.map((versions, page) =>
      overlaps(range, page) ? union(versions, now.pages[page]!) : versions,
    )
    return { ...held, pages }
  }

  /** The same of what lies on the device itself, wherever the blocks were. */
  private stored(held: MayHold, name: string, range: Range): MayHold {
    const now = this.exactly(name)
    const pages = held.pages.map((versions, page) => {
      const place = held.places[page]!
      return place !== NOWHERE && overlaps(range, place) ? union(versions, now.pages[place]!) : versions
    })
    return { ...held, pages }
  }

  private eachPage(name: string, range: Range, change: (versions: Versions, page: number) => Versions): void {
    this.replaceLast(({ names, files }) => {
      const held = files.get(name)!
      const pages = held.pages.map((versions, page) =>
        overlaps(range, page) ? [...new Set(change(versions, page))] : versions,
      )
      return { names, files: new Map(files).set(name, { ...held, pages }) }
    })
  }

  private push(change: (files: Map<string, MayHold>) => void): void {
    const files = new Map(this.cuts.at(-1)!.files)
    change(files)
    this.cuts = [...this.cuts, { names: this.names, files }]
    this.keyed = undefined
  }

  /** With the files that are new. */
  private withNew(files: Cut['files']): Cut['files'] {
    const all = new Map(files)
    for (const name of this.content.keys()) if (!all.has(name)) all.set(name, this.exactly(name))
    return all
  }

  private replaceLast(change: (cut: Cut) => Cut): void {
    this.cuts = [...this.cuts.slice(0, -1), change(this.cuts.at(-1)!)]
    this.keyed = undefined
  }

  private replaceCuts(change: (cut: Cut) => Cut): void {
    this.cuts = this.cuts.map(change)
    this.keyed = undefined
  }

  private know(bytes: Uint8Array): number {
    const block = new Block(bytes)
    this.versions.set(block.sum, block)
    return block.sum
  }

  /** Whether a page may be as found, which is none of the versions: stores go to a DAX page byte by byte. */
  isMixture(found: Uint8Array, versions: Versions): boolean {
    if (this.mode === 'cache') return false
    const known = versions.map(version => this.versions.get(version)!.bytes)
    return found.every((byte, at) => known.some(bytes => bytes[at] === byte))
  }
}

/** Of parts of cuts, which are replaced and never change. */
const PART_SUMS = new WeakMap<Cut['names'] | MayHold, number>()

function partSum(part: Cut['names'] | MayHold): number {
  let sum = PART_SUMS.get(part)
  if (sum === undefined) {
    sum = textSum(JSON.stringify(part instanceof Map ? [...part] : part))
    PART_SUMS.set(part, sum)
  }
  return sum
}

/** The pages of contents, which are replaced and never change. */
const PAGES = new WeakMap<Uint8Array, readonly Block[]>()

/** The pages of a file that holds this, zeros behind the end. */
export function pagesOf(content: Uint8Array): readonly Block[] {
  let pages = PAGES.get(content)
  if (pages === undefined) {
    pages = Array.from({ length: Math.ceil(content.length / PAGE) }, (_, page) => pageOf(content, page))
    PAGES.set(content, pages)
  }
  return pages
}

function pageOf(content: Uint8Array, page: number): Block {
  const whole = new Uint8Array(PAGE)
  whole.set(content.subarray(page * PAGE, (page + 1) * PAGE))
  return new Block(whole)
}

/** `now` differs from `old` in this range alone, and is no shorter: the other pages needn't be made again. */
function keepPages(old: Uint8Array, now: Uint8Array, range: Range): void {
  const before = pagesOf(old)
  const pages = Array.from({ length: Math.ceil(now.length / PAGE) }, (_, page) =>
    overlaps(range, page) ? pageOf(now, page) : (before[page] ?? EMPTY),
  )
  PAGES.set(now, pages)
}

function overlaps({ start, end }: Range, page: number): boolean {
  return start < (page + 1) * PAGE && end > page * PAGE
}

function union(some: readonly number[], others: readonly number[]): readonly number[] {
  return [...new Set([...some, ...others])]
}
