/**
 * The check of a volume: recomputes everything from the extents and the names, and says in words where what is written
 * down differs. It reads the metadata once, changes nothing, and goes on past damage.
 *
 *     what is recomputed            from             compared with
 *     references of each block      extents          runs of shared, free and pending free blocks (VS2, VS4)
 *     free and deferred blocks      their runs       state (VS1)
 *     links of each inode           directories      inodes and orphans (N1, N2)
 *     each record                   -                its checksum (J2)
 *     pages of each file            -                its size, and that data has checksums (E2)
 *     blocks of each inode          extents          inodes (E3)
 *     directory of each directory   directories      inodes (N5), and that sealed ones hold what is sealed (N4)
 *     targets and attributes        their pieces     what their first piece says (PV1), and that their inodes are there (N3)
 */
import { BlockSweep, SortedParts } from './check-blocks.ts'
import { LongValues } from './check-long-values.ts'
import { chunkOf, LOST, UNWRITTEN, WRITTEN } from './extents.ts'
import { Damage } from './failure.ts'
import { decodeRun } from './fields.ts'
import { decodeInode, formatOfInode, type Inode, type Kind } from './inode.ts'
import type { Overlay, Record } from './overlay.ts'
import {
  CHUNK_BLOCKS,
  decodeLink,
  decodeNumbers,
  decodeState,
  type Header,
  inodeKey,
  inoIn,
  isZero,
  linkKey,
  nameIn,
  numberIn,
  ROOT_INO,
  STATE_KEY,
  viewOf,
} from './records.ts'
import type { Blocks } from './space.ts'

/** What a check found. */
export interface CheckReport {
  /** What is wrong, a sentence each. */
  readonly wrong: readonly string[]
  /** How many files there are. */
  readonly files: number
  /** How many directories there are, with the root. */
  readonly directories: number
  /** How many symbolic links, FIFOs, sockets and devices there are. */
  readonly others: number
  /** How many runs of blocks the files lie in. */
  readonly extents: number
  /** Pages that a repair gave up: they are read with EIO. */
  readonly lost: number
  /** Blocks that were read and compared with their checksums. */
  readonly compared: number
}

/** What came of the metadata, and where the data lies that has checksums: in order, each block once. */
export interface Checked {
  readonly report: CheckReport
  readonly data: readonly Blocks[]
}

/** How many names lead to an inode, and what the first of them says. */
interface NamesOfInode {
  count: number
  readonly from: number
  readonly name: string
  readonly kind: Kind
}

/** At once. */
export function check(overlay: Overlay, header: Header): Checked {
  const check = new Check(overlay, header)
  for (;;) {
    const checked = check.goOn(Infinity)
    if (checked !== undefined) return checked
  }
}

/** A check that goes on some records at a time. The metadata doesn't change from its first step to its last. */
export class Check {
  private readonly overlay: Overlay
  private readonly header: Header
  private readonly wrong: string[] = []
  private readonly inodes = new Map<number, Inode>()
  private readonly names = new Map<number, NamesOfInode>()
  private readonly orphans = new Set<number>()
  private readonly longs = new LongValues()
  /** Directories in each directory, and blocks that the extents of each inode have. */
  private readonly below = new Map<number, number>()
  private readonly blocks = new Map<number, number>()
  private readonly sweep = new BlockSweep()
  private free = 0
  private freed = 0
  private extents = 0
  /** The inode that was asked for last. */
  private latest: { readonly ino: number; readonly inode: Inode | undefined } | undefined
  private lost = 0
  /** Up to where there is data, by where it begins. */
  private readonly data = new SortedParts<number>()
  private readonly steps: Generator<undefined, Checked>

  constructor(overlay: Overlay, header: Header) {
    this.overlay = overlay
    this.header = header
    this.steps = this.checked()
  }

  /** About so many steps. What came of it, with the last one; Absent is thrown: it begins anew when the record is here. */
  goOn(most: number): Checked | undefined {
    for (let left = most; left > 0; left--) {
      const next = this.steps.next()
      if (next.done === true) return next.value
    }
    return undefined
  }

  private *checked(): Generator<undefined, Checked> {
    for (const record of this.overlay.survey('', '~', ({ message }) => this.wrong.push(message))) {
      yield* this.take(record)
      yield
    }
    yield* this.checkInodes()
    yield* this.checkState()
    for (const sentence of this.sweep.wrong(this.header.blocks)) {
      if (sentence !== '') this.wrong.push(sentence)
      yield
    }
    let [files, directories] = [0, 0]
    for (const { kind } of this.inodes.values()) {
      if (kind === 'file') files++
      if (kind === 'directory') directories++
    }
    const report = {
      wrong: this.wrong,
      files,
      directories,
      others: this.inodes.size - files - directories,
      extents: this.extents,
      lost: this.lost,
      compared: 0,
    }
    return { report, data: yield* merged(this.data) }
  }

  private *take(record: Record): Generator<undefined, void> {
    try {
      if (record.key[0] === 'e') yield* this.noteExtent(record.key, record.value)
      else this.note(record)
    } catch (error) {
      if (!(error instanceof Damage)) throw error
      this.wrong.push(error.message)
    }
  }

  private note({ key, value }: Record): void {
    switch (key[0]) {
      case 'i':
        this.inodes.set(numberIn(key), decodeInode(value, numberIn(key)))
        if (formatOfInode(value) !== this.header.format)
          this.wrong.push(
            `inode ${numberIn(key)} is of format ${formatOfInode(value)}, in a volume of format ${this.header.format}`,
          )
        break
      case 'd': {
        const { ino, kind } = decodeLink(value, key)
        const from = inoIn(key)
        if (linkKey(from, nameIn(key)) !== key)
          this.wrong.push(
            `the name "${nameIn(key)}" in directory ${from} is spelt in another way than its own`,
          )
        if (kind === 'directory') this.below.set(from, (this.below.get(from) ?? 0) + 1)
        const known = this.names.get(ino)
        if (known === undefined) this.names.set(ino, { count: 1, from, name: nameIn(key), kind })
        else known.count++
        break
      }
      case 'o':
        this.orphans.add(numberIn(key))
        break
      case 'a':
      case 'y':
        this.longs.take(key, value)
        break
      case 'f':
      case 'l':
      case 'r':
        this.noteRun(key, value)
        break
      case 'h':
      case 's':
      case 'c':
      case 'p':
        break
      default:
        this.wrong.push(`the record ${key} is of no known kind`)
    }
  }

  private noteRun(key: string, value: Uint8Array): void {
    const [start, count, tag] = decodeNumbers(value, 3, `the run ${key}`)
    const end = numberIn(key) + 1
    if (key[0] === 'f') {
      this.free += end - start!
      this.sweep.add('free', start!, end)
    } else if (key[0] === 'l') {
      if (tag !== 0) this.freed += end - start!
      this.sweep.add('pendingFree', start!, end)
    } else this.sweep.add('shared', start!, end, count)
  }

  private *noteExtent(key: string, value: Uint8Array): Generator<undefined, void> {
    const { start, end, value: block, tag } = decodeRun(key, value, numberIn(key) + 1)
    const ino = inoIn(key)
    this.extents++
    if (tag === LOST) this.lost += end - start
    else {
      this.sweep.add('extents', block, block + end - start)
      this.blocks.set(ino, (this.blocks.get(ino) ?? 0) + end - start)
    }
    // What was lost of the inode makes its data no less worth reading.
    if (tag === WRITTEN) {
      const last = Math.min(block + end - start, this.header.blocks)
      this.data.set(block, Math.max(last, this.data.get(block) ?? 0))
    }
    const inode = this.inodeNow(ino)
    const what = `pages ${start} to ${end - 1} of inode ${ino}`
    if (inode === undefined) this.wrong.push(`${what} have blocks, and there is no such inode`)
    else if (tag !== UNWRITTEN && end > Math.ceil(inode.size / this.header.blockSize))
      this.wrong.push(`${what} lie past its end at ${inode.size} bytes`)
    if (tag !== WRITTEN) return
    yield* this.checkSums(block, Math.min(block + end - start, this.header.blocks), what)
  }

  /** Records come in order of key, extents before inodes, and those of one inode after another. */
  private inodeNow(ino: number): Inode | undefined {
    if (this.latest?.ino !== ino) {
      const bytes = this.overlay.get(inodeKey(ino))
      this.latest = { ino, inode: bytes === undefined ? undefined : decodeInode(bytes, ino) }
    }
    return this.latest.inode
  }

  private *checkSums(start: number, end: number, what: string): Generator<undefined, void> {
    for (let block = start; block < end; ) {
      const chunk = Math.floor(block / CHUNK_BLOCKS)
      const bytes = chunkOf(this.overlay, chunk)
      const sums = bytes && viewOf(bytes)
      const stop = Math.min(end, (chunk + 1) * CHUNK_BLOCKS)
      for (; block < stop; block++)
        if (sums === undefined || isZero(sums, 8 * (block % CHUNK_BLOCKS))) {
          this.wrong.push(`${what} are data, and block ${block} has no checksum`)
          return
        }
      yield
    }
  }

  private *checkInodes(): Generator<undefined, void> {
    const reached = new Set([ROOT_INO, ...this.orphans])
    for (const ino of this.inodes.keys()) {
      this.reach(ino, reached)
      yield
    }
    for (const [ino, inode] of this.inodes) {
      const named = this.names.get(ino)?.count ?? 0
      this.checkLinks(ino, inode, named)
      const blocks = this.blocks.get(ino) ?? 0
      if (this.header.format > 1 && inode.blocks !== blocks)
        this.wrong.push(`inode ${ino} has ${blocks} blocks, and ${inode.blocks} are written down`)
      if (named === 0 && ino !== ROOT_INO && !this.orphans.has(ino))
        this.wrong.push(`inode ${ino} can't be reached: no name leads to it, and it isn't an orphan`)
      if (inode.kind === 'directory' && named > 1) this.wrong.push(`directory ${ino} has ${named} names`)
      if (named > 0 && !reached.has(ino))
        this.wrong.push(`inode ${ino} can't be reached: its names lead in a circle`)
      yield
    }
    for (const [ino, { name, kind, from }] of this.names) {
      const inode = this.inodes.get(ino)
      if (inode === undefined)
        this.wrong.push(`the name "${name}" leads to inode ${ino}, which doesn't exist`)
      else if (inode.kind !== kind)
        this.wrong.push(`the name "${name}" leads to a ${kind}, and inode ${ino} is a ${inode.kind}`)
      else if (this.header.format > 1 && this.inodes.get(from)?.sealed === true && !inode.sealed)
        this.wrong.push(`inode ${ino} lies in directory ${from}, which is sealed, and isn't sealed`)
      yield
    }
    if (this.inodes.get(ROOT_INO)?.kind !== 'directory') this.wrong.push('there is no root directory')
    this.wrong.push(...this.longs.wrong(this.inodes))
  }

  private checkLinks(ino: number, inode: Inode, named: number): void {
    const { kind, links, parent } = inode
    if (kind !== 'directory') {
      if (links !== named) this.wrong.push(`inode ${ino} has ${named} names, and ${links} are written down`)
      return
    }
    if (this.header.format === 1) return
    const up = ino === ROOT_INO ? ROOT_INO : this.names.get(ino)?.from
    // A directory that no name leads to has gone, and is kept by those who know its number, or is to become a snapshot.
    const isMade = up !== undefined || (this.orphans.has(ino) && links > 0)
    const expected = isMade ? 2 + (this.below.get(ino) ?? 0) : 0
    if (links !== expected)
      this.wrong.push(`directory ${ino} has ${expected} links, and ${links} are written down`)
    if (up !== undefined && parent !== up)
      this.wrong.push(`directory ${ino} lies in directory ${up}, and ${parent} is written down`)
  }

  /** Follows names upwards until the root, or something that is known to be reached. */
  private reach(ino: number, reached: Set<number>): void {
    const trail = new Set<number>()
    let at = ino
    while (!reached.has(at) && !trail.has(at)) {
      trail.add(at)
      const up = this.names.get(at)
      if (up === undefined) return
      at = up.from
    }
    if (reached.has(at)) for (const each of trail) reached.add(each)
  }

  private *checkState(): Generator<undefined, void> {
    const state = this.overlay.ask(() => decodeState(this.overlay.get(STATE_KEY))).value
    if (state === undefined) {
      this.wrong.push('the state is missing or damaged')
      return
    }
    if (state.free !== this.free)
      this.wrong.push(`${this.free} blocks are free, and ${state.free} are written down`)
    if (state.deferred !== this.freed)
      this.wrong.push(`${this.freed} blocks wait for a commit, and ${state.deferred} are written down`)
    for (const ino of this.inodes.keys()) {
      if (ino >= state.nextIno) this.wrong.push(`inode ${ino} is beyond the next one, ${state.nextIno}`)
      yield
    }
  }
}

/** The same blocks, each once, in as few ranges as can be. */
function* merged(ranges: SortedParts<number>): Generator<undefined, Blocks[]> {
  const found: { start: number; end: number }[] = []
  for (const part of ranges.parts())
    for (const [start, end] of part) {
      const last = found.at(-1)
      if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end)
      else found.push({ start, end })
      yield
    }
  return found
}
