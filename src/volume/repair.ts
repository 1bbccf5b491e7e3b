/**
 * The repair of a volume: from what can still be read of the metadata, the metadata that it should have. Nothing is guessed: what
 * can be worked out is worked out anew (references, free blocks, counts, links), what is lost is given up, by name.
 *
 *     read what is sound -> names and inodes (repair-names.ts) -> extents -> blocks -> new records
 *
 *     lost                        becomes
 *     checksum of a page          pages that are LOST: reading them fails with EIO, writing them anew heals them
 *     a page that doesn't match   the same
 *     extents                     LOST where they may have been: between what is known before and behind
 *     an inode                    directory: made anew; file: as long as its last block tells. How many bytes of that block are the
 *                                 file's isn't known, so its page is LOST, and the block is /lost+found/<inode>.end
 *     names                       what they led to is found below /lost+found, by number
 *     runs of blocks, the state   worked out anew from the extents
 *
 * Invariants
 *   RR1 The check finds nothing wrong with what comes out of it.
 *   RR2 A page that isn't known to be what was written is never read as data, nor as a hole, nor as the end of a file.
 *   RR3 What could be read before can be read after.
 *   RR4 Whatever of a file or of a name isn't kept is told.
 */
import type { Bytes } from '../base/index.ts'
import { type Edge, freeRuns, sharedRuns } from './block-edges.ts'
import { LOST, UNWRITTEN, WRITTEN } from './extents.ts'
import { Damage, Unreadable } from './failure.ts'
import { decodeInode, EPOCH, encodeInode, type Inode, type Kind, newInode, planned } from './inode.ts'
import type { Overlay, Record } from './overlay.ts'
import {
  CHUNK_BLOCKS,
  chunkKey,
  decodeLink,
  decodeNumbers,
  decodeState,
  encodeHeader,
  encodeLink,
  encodeNumbers,
  encodeState,
  FORMAT,
  HEADER_KEY,
  type Header,
  hex,
  inodeKey,
  inoIn,
  linkKey,
  nameIn,
  numberIn,
  STATE_KEY,
  u64,
  viewOf,
} from './records.ts'
import { LongValuesLeft } from './repair-long-values.ts'
import { LOST_AND_FOUND, type NameRecord, repairNames } from './repair-names.ts'
import type { Run } from './runs.ts'

export interface Repaired {
  readonly records: readonly Record[]
  /** What couldn't be kept, a sentence each. */
  readonly givenUp: readonly string[]
}

export interface RepairScope {
  readonly header: Header
  /** Blocks whose data isn't what their checksums say. */
  readonly bad: ReadonlySet<number>
  /** Blocks that the device has, if it has become shorter. */
  readonly present: number
}

/** undefined: nothing that a file or a directory is known by is left. */
export function repair(overlay: Overlay, scope: RepairScope): Repaired | undefined {
  return new Repair(overlay, scope).run()
}

class Repair {
  private readonly header: Header
  private readonly bad: ReadonlySet<number>
  private readonly present: number
  private readonly givenUp: string[] = []
  private readonly gaps: Unreadable[] = []
  private readonly inodes = new Map<number, Inode>()
  private readonly names: NameRecord[] = []
  private readonly orphans = new Set<number>()
  private readonly extents = new Map<number, Run[]>()
  private readonly chunks = new Map<number, Uint8Array>()
  /** Files whose inodes are lost, and directories. */
  private readonly restored = new Set<number>()
  private readonly remade = new Set<number>()
  /** Names below /lost+found of inodes that have none; of others it is their number. */
  private readonly found = new Map<number, string>()
  private nextIno = 1
  private generation = 0
  private readonly longs = new LongValuesLeft()

  constructor(overlay: Overlay, { header, bad, present }: RepairScope) {
    this.header = header
    this.bad = bad
    this.present = present
    for (const record of overlay.survey('', '~', gap => this.gaps.push(gap)))
      try {
        this.note(record)
      } catch (error) {
        if (!(error instanceof Damage)) throw error
        this.gaps.push(new Unreadable(error.message, { start: record.key, end: `${record.key}\0` }))
      }
  }

  run(): Repaired | undefined {
    if (this.inodes.size + this.names.length + this.extents.size === 0) return undefined
    this.restoreInodes()
    for (const ino of this.restored) this.endFile(ino)
    this.longs.mend(this.inodes)
    const names = repairNames({
      inodes: this.inodes,
      names: this.names,
      orphans: this.orphans,
      restored: this.restored,
      found: this.found,
      nextIno: this.nextIno,
      givenUp: this.givenUp,
    })
    this.nextIno = names.nextIno
    for (const ino of this.restored)
      if (this.inodes.has(ino)) this.givenUp.push(this.endOf(ino, names.pathOf(ino)))
    for (const ino of [...this.remade, ...this.restored])
      if (this.inodes.has(ino))
        this.givenUp.push(
          `${names.pathOf(ino)} (inode ${ino}): its owner, mode and times, and whether it was sealed; only root may use it now`,
        )
    this.givenUp.push(...this.longs.givenUp(this.inodes, names.pathOf))
    for (const { start, end } of this.gaps.filter(gap => gap.start < 'b' && gap.end > 'a'))
      this.givenUp.push(`extended attributes, from the record ${start} on and before ${end}`)
    this.tellOfNamesLost()
    for (const ino of this.extents.keys()) if (!this.inodes.has(ino)) this.extents.delete(ino)
    for (const [ino, inode] of this.inodes)
      if (inode.kind === 'file') this.mendFile(ino, inode, names.pathOf(ino))
      else this.extents.delete(ino)
    return { records: [...this.records(names.links)], givenUp: this.givenUp }
  }

  private note({ key, value }: Record): void {
    switch (key[0]) {
      case 'i':
        this.inodes.set(numberIn(key), decodeInode(value, numberIn(key)))
        break
      case 'd':
        this.names.push({ directory: inoIn(key), name: nameIn(key), ...decodeLink(value, key) })
        break
      case 'o':
        this.orphans.add(numberIn(key))
        break
      case 'a':
      case 'y':
        this.longs.take(key, value)
        break
      case 'e':
        this.noteExtent(key, value)
        break
      case 'c':
        if (value.length === 8 * CHUNK_BLOCKS) this.chunks.set(numberIn(key), value.slice())
        break
      case 's':
        ;({ nextIno: this.nextIno, generation: this.generation } = decodeState(value))
        break
    }
  }

  private noteExtent(key: string, bytes: Uint8Array): void {
    const [start, value, tag] = decodeNumbers(bytes, 3, `the run ${key}`)
    const end = numberIn(key) + 1
    if (!(start! < end) || tag! > LOST) throw new Damage(`the run ${key} has no sense`)
    const runs = this.extents.get(inoIn(key)) ?? []
    runs.push({ start: start!, end, value: value!, tag: tag! })
    this.extents.set(inoIn(key), runs)
  }

  /** Inodes that names or extents tell of, and whose records are lost. */
  private restoreInodes(): void {
    const told = new Map<number, Kind>()
    for (const { ino, kind } of this.names) told.set(ino, kind)
    for (const { directory } of this.names) told.set(directory, 'directory')
    for (const ino of this.extents.keys()) if (!told.has(ino)) told.set(ino, 'file')
    for (const [ino, kind] of told) {
      this.nextIno = Math.max(this.nextIno, ino + 1)
      if (this.inodes.has(ino) || this.gapAt(inodeKey(ino)) === undefined) continue
      // Which device it was nobody knows.
      if (kind === 'block device' || kind === 'char device') continue
      this.inodes.set(ino, this.anew(kind))
      ;(kind === 'file' ? this.restored : this.remade).add(ino)
    }
    for (const ino of [...this.inodes.keys(), ...this.orphans]) this.nextIno = Math.max(this.nextIno, ino + 1)
  }

  /** The size of a file whose inode is lost: its last page may be cut anywhere, so it can't be read (RR2). */
  private endFile(ino: number): void {
    const runs = this.extents.get(ino) ?? []
    const last = runs.findLast(({ tag }) => tag !== UNWRITTEN)
    const end = last?.end ?? 1
    const kept = runs.filter(run => run.end <= end && run !== last)
    if (last !== undefined) {
      const { start, value, tag } = last
      if (start < end - 1) kept.push({ start, end: end - 1, value, tag })
      const block = tag === LOST ? undefined : value + end - 1 - start
      if (block !== undefined && this.tagOf(last, end - 1) !== LOST) this.keepEnd(ino, block, tag)
    }
    kept.push({ start: end - 1, end, value: 0, tag: LOST })
    this.extents.set(ino, kept)
    this.inodes.set(ino, { ...this.anew('file'), size: end * this.header.blockSize })
  }

  private blocksOf(ino: number): number {
    let blocks = 0
    for (const { start, end, tag } of this.extents.get(ino) ?? []) if (tag !== LOST) blocks += end - start
    return blocks
  }

  /** An inode whose record is lost: nobody but root may change it, until somebody says more. */
  private anew(kind: Kind): Inode {
    const plan = planned(kind)
    const mode = kind === 'symlink' ? plan.mode : plan.mode & 0o700
    return newInode({ ...plan, mode }, { generation: this.generation + 1, links: 1, now: EPOCH })
  }

  /** A file of its own for the last block of a file whose inode is lost. */
  private keepEnd(of: number, block: number, tag: number): void {
    const ino = this.nextIno++
    this.inodes.set(ino, { ...this.anew('file'), links: 0, size: this.header.blockSize })
    this.extents.set(ino, [{ start: 0, end: 1, value: block, tag }])
    this.found.set(ino, `${of}.end`)
  }

  private endOf(ino: number, path: string): string {
    const { size } = this.inodes.get(ino)!
    const at = size - this.header.blockSize
    const kept = [...this.found.values()].includes(`${ino}.end`)
    return `${path} (inode ${ino}): how many bytes it has is lost, and with it all from byte ${at} on${kept ? `; the block that it ends in is ${LOST_AND_FOUND}/${ino}.end` : ''}`
  }

  /** Names and inodes of one file can be lost together: then nothing else tells of it. */
  private tellOfNamesLost(): void {
    const names = this.gaps.filter(gap => gap.start < 'e' && gap.end > 'd')
    if (!this.gaps.some(gap => gap.start < 'j' && gap.end > 'i')) return
    for (const { start, end } of names)
      this.givenUp.push(
        `the names from ${spelt(start)} on and before ${spelt(end)}: inodes are lost too, so it isn't known which`,
      )
  }

  /** The extents of a file, without what can't be believed. */
  private mendFile(ino: number, inode: Inode, path: string): void {
    const pages = Math.ceil(inode.size / this.header.blockSize)
    const mended: Run[] = []
    const lose = (start: number, end: number, why: string) => {
      if (start >= end) return
      mended.push({ start, end, value: 0, tag: LOST })
      const bytes = (page: number): Bytes => Math.min(page * this.header.blockSize, inode.size)
      this.givenUp.push(`${path} (inode ${ino}), bytes ${bytes(start)} to ${bytes(end) - 1}: ${why}`)
    }
    let at = 0
    for (const run of this.extents.get(ino) ?? []) {
      lose(at, this.lostUpTo(ino, at, Math.min(run.start, pages)), 'its extents are lost')
      at = Math.max(at, run.start)
      const end = run.tag === UNWRITTEN ? run.end : Math.min(run.end, pages)
      for (const part of this.parts(run, at, end))
        if (part.tag !== LOST || run.tag === LOST) mended.push(part)
        else lose(part.start, part.end, 'its data is lost, or its checksums')
      at = Math.max(at, run.end)
    }
    lose(at, this.lostUpTo(ino, at, pages), 'its extents are lost')
    this.extents.set(ino, mended)
  }

  /** [start, end) of a run in parts that can be believed, and parts that are LOST. */
  private *parts(run: Run, start: number, end: number): Generator<Run> {
    let from = start
    let tag = start < end ? this.tagOf(run, start) : run.tag
    for (let page = start + 1; page <= end; page++) {
      const next = page < end ? this.tagOf(run, page) : undefined
      if (next === tag) continue
      const value = tag === LOST ? 0 : run.value + from - run.start
      yield { start: from, end: page, value, tag }
      from = page
      tag = next ?? run.tag
    }
  }

  private tagOf({ start, value, tag }: Run, page: number): number {
    if (tag === LOST) return LOST
    const block = value + page - start
    if (block < 1 || block >= this.header.blocks || (block >= this.present && tag !== UNWRITTEN)) return LOST
    return tag === WRITTEN && (this.bad.has(block) || !this.hasSum(block)) ? LOST : tag
  }

  private hasSum(block: number): boolean {
    const chunk = this.chunks.get(Math.floor(block / CHUNK_BLOCKS))
    return chunk !== undefined && u64(viewOf(chunk), 8 * (block % CHUNK_BLOCKS)) !== 0
  }

  /** Where what may be lost of pages [first, end) ends: a lost extent has its last page in a gap. `first`: nowhere. */
  private lostUpTo(ino: number, first: number, end: number): number {
    const key = (page: number) => `e${hex(ino)}${hex(page)}`
    let upTo = first
    for (const gap of this.gaps) {
      if (first >= end || gap.start > key(end - 1) || gap.end <= key(first)) continue
      if (gap.end > key(end - 1)) return end
      const page = Number.parseInt(gap.end.slice(key(0).length - hex(0).length, key(0).length), 16)
      upTo = Math.max(upTo, key(page) < gap.end ? page + 1 : page)
    }
    return upTo
  }

  private gapAt(key: string): Unreadable | undefined {
    return this.gaps.find(gap => gap.start <= key && key < gap.end)
  }

  private *records(links: readonly NameRecord[]): Generator<Record> {
    const { blocks } = this.header
    const edges: Edge[] = []
    yield { key: HEADER_KEY, value: encodeHeader({ ...this.header, format: FORMAT }) }
    for (const [ino, inode] of this.inodes)
      yield { key: inodeKey(ino), value: encodeInode({ ...inode, blocks: this.blocksOf(ino) }) }
    yield* this.longs.records(this.inodes)
    for (const { directory, name, ino, kind } of links)
      yield { key: linkKey(directory, name), value: encodeLink({ ino, kind }) }
    for (const [ino, runs] of this.extents)
      for (const { start, end, value, tag } of runs) {
        yield { key: `e${hex(ino)}${hex(end - 1)}`, value: encodeNumbers(start, value, tag) }
        if (tag !== LOST) edges.push({ block: value, change: 1 }, { block: value + end - start, change: -1 })
      }
    for (const [chunk, value] of this.chunks) yield { key: chunkKey(chunk), value }
    edges.sort((a, b) => a.block - b.block)
    let free = 0
    for (const { start, end } of freeRuns(edges, blocks)) {
      free += end - start
      yield { key: `f${hex(end - 1)}`, value: encodeNumbers(start, 0, 0) }
    }
    for (const { start, end, value } of sharedRuns(edges))
      yield { key: `r${hex(end - 1)}`, value: encodeNumbers(start, value, 0) }
    yield {
      key: STATE_KEY,
      value: encodeState({ nextIno: this.nextIno, free, deferred: 0, generation: this.generation + 1 }),
    }
  }
}

/** A key of a name, or what lies beside them, in words. */
function spelt(key: string): string {
  if (key <= 'd') return 'the first'
  if (key >= 'e') return 'the end'
  return `"${nameIn(key.replace('\0', ''))}" in directory ${inoIn(key)}`
}
