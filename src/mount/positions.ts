/**
 * Positions in a directory: numbers that the kernel keeps, and comes back with, for names that were told. They are the directory's, not
 * an opening's: the kernel answers one opening from what it was told through another.
 *
 *     name -> its position        told for the first time: the next one      a name that came later, and belongs before: one of its own
 *     position -> its name        whether it is still there or not
 *
 * Names are kept as the volume orders them, ASCII one behind the other: a million of 12 bytes take 16 MB, and 32 while it grows.
 *
 * Invariants
 *   DPO1 A name has one position, and a position one name, for as long as any of them may be asked for.
 *   DPO2 `sorted` is in order.
 */
import { spelt, unspelt } from '../volume/index.ts'

/** Where positions of names begin that came later; fewer than this are in order. */
const LATER = 2 ** 30

export class Positions {
  private bytes = Buffer.alloc(0)
  /** Where the n-th name ends. */
  private ends = new Uint32Array(0)
  private sorted = 0
  private readonly later: string[] = []
  private readonly laterAt = new Map<string, number>()

  get size(): number {
    return this.sorted + this.later.length
  }

  /** From 0. */
  of(name: string): number {
    const ascii = spelt(name)
    const key = Buffer.from(ascii, 'latin1')
    if (this.sorted === 0 || this.compare(this.sorted - 1, key) < 0) return this.append(key)
    const at = this.find(key)
    if (at !== undefined) return at
    const known = this.laterAt.get(ascii)
    if (known !== undefined) return LATER + known
    this.laterAt.set(ascii, this.later.length)
    return LATER + this.later.push(ascii) - 1
  }

  nameAt(position: number): string | undefined {
    if (position >= LATER) {
      const later = this.later[position - LATER]
      return later === undefined ? undefined : unspelt(later)
    }
    if (position >= this.sorted) return undefined
    return unspelt(this.bytes.toString('latin1', this.start(position), this.ends[position]))
  }

  private append(key: Uint8Array): number {
    const start = this.start(this.sorted)
    const end = start + key.length
    if (end > this.bytes.length) this.bytes = Buffer.concat([this.bytes], Math.max(256, 2 * end))
    if (this.sorted === this.ends.length) {
      const longer = new Uint32Array(Math.max(16, 2 * this.ends.length))
      longer.set(this.ends)
      this.ends = longer
    }
    this.bytes.set(key, start)
    this.ends[this.sorted] = end
    return this.sorted++
  }

  private find(key: Uint8Array): number | undefined {
    let [from, to] = [0, this.sorted]
    while (from < to) {
      const middle = (from + to) >>> 1
      const order = this.compare(middle, key)
      if (order === 0) return middle
      if (order < 0) from = middle + 1
      else to = middle
    }
    return undefined
  }

  /** As Buffer.compare: the n-th name against a key. */
  private compare(at: number, key: Uint8Array): number {
    return this.bytes.compare(key, 0, key.length, this.start(at), this.ends[at])
  }

  private start(at: number): number {
    return at === 0 ? 0 : this.ends[at - 1]!
  }
}

interface Told {
  positions: Positions
  openings: number
}

/** Of closed directories so many are kept: what the kernel has of them is used again. */
const CLOSED_MAX = 1024
/** One with more names is told anew when it is opened again. */
const NAMES_MAX = 4096

/**
 * The positions of directories, by inode. Those of an open one are kept, whatever it takes, and begin anew when its only opening does:
 * cursors from before rewinddir(3) mean nothing behind it.
 */
export class ToldDirectories {
  private readonly open = new Map<number, Told>()
  /** What was closed last stands last. */
  private readonly closed = new Map<number, Told>()

  /** An opening more. What is answered: whether the kernel may use what it has of the directory. */
  opened(ino: number): 'known' | 'new' {
    const before = this.open.get(ino) ?? this.closed.get(ino)
    this.closed.delete(ino)
    const told = before ?? { positions: new Positions(), openings: 0 }
    told.openings++
    this.open.set(ino, told)
    return before === undefined ? 'new' : 'known'
  }

  released(ino: number): void {
    const told = this.open.get(ino)
    if (told === undefined || --told.openings > 0) return
    this.open.delete(ino)
    if (told.positions.size > NAMES_MAX) return
    this.closed.set(ino, told)
    if (this.closed.size > CLOSED_MAX) this.closed.delete(this.closed.keys().next().value!)
  }

  rewound(ino: number): void {
    const told = this.open.get(ino)
    if (told?.openings === 1) told.positions = new Positions()
  }

  positions(ino: number): Positions {
    return this.open.get(ino)!.positions
  }
}
