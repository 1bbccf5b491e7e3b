/** The check of values that lie in pieces: targets of symbolic links, and extended attributes (PV1, N3). */
import type { Bytes } from '../base/index.ts'
import { Damage } from './failure.ts'
import type { Inode } from './inode.ts'
import { type Piece, pieceOf } from './long-values.ts'
import { inoIn } from './records.ts'

/** A value whose pieces come one after another. */
interface Whole {
  readonly prefix: string
  readonly expected: Bytes
  pieces: number
  bytes: Bytes
}

export class LongValues {
  private readonly found: string[] = []
  private readonly targets = new Map<number, Bytes>()
  private readonly attributed = new Set<number>()
  private last: Whole | undefined

  /** Records come in order of key. */
  take(key: string, value: Uint8Array): void {
    const piece = pieceOf(key, value)
    if (piece.number === 0) this.begin(piece)
    else if (this.last?.prefix !== piece.prefix || this.last.pieces !== piece.number)
      throw new Damage(`piece ${piece.number} of ${piece.prefix} has none before it`)
    else this.last.pieces++
    this.last!.bytes += piece.bytes
    const ino = inoIn(key)
    if (key[0] === 'y') this.targets.set(ino, this.last!.expected)
    else this.attributed.add(ino)
  }

  /** What is wrong, a sentence each, once all have come. */
  wrong(inodes: ReadonlyMap<number, Inode>): string[] {
    this.end()
    for (const ino of this.attributed)
      if (!inodes.has(ino)) this.found.push(`inode ${ino} has attributes, and there is no such inode`)
    for (const [ino, length] of this.targets) {
      const inode = inodes.get(ino)
      if (inode?.kind !== 'symlink') this.found.push(`inode ${ino} leads somewhere, and is no symbolic link`)
      else if (inode.size !== length)
        this.found.push(`symbolic link ${ino} leads to ${length} bytes, and ${inode.size} are written down`)
    }
    for (const [ino, { kind }] of inodes)
      if (kind === 'symlink' && !this.targets.has(ino)) this.found.push(`symbolic link ${ino} leads nowhere`)
    return this.found
  }

  private begin({ prefix, total }: Piece): void {
    this.end()
    this.last = { prefix, expected: total, pieces: 1, bytes: 0 }
  }

  private end(): void {
    if (this.last !== undefined && this.last.bytes !== this.last.expected)
      this.found.push(`${this.last.prefix} has ${this.last.bytes} bytes, expected ${this.last.expected}`)
    this.last = undefined
  }
}
