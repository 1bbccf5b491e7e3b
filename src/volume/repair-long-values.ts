/** What is left of the targets of symbolic links, and of extended attributes: whole ones are kept, others are given up (RR4). */
import type { Bytes } from '../base/index.ts'
import type { Inode } from './inode.ts'
import { pieceOf } from './long-values.ts'
import type { Record } from './overlay.ts'
import { inoIn, nameIn, targetPrefix } from './records.ts'

interface Left {
  readonly ino: number
  readonly records: Record[]
  bytes: Bytes
  total: Bytes
}

export class LongValuesLeft {
  private readonly values = new Map<string, Left>()

  /** Records come in order of key. */
  take(key: string, value: Uint8Array): void {
    const { prefix, number, bytes, total } = pieceOf(key, value)
    const left: Left = this.values.get(prefix) ?? { ino: inoIn(key), records: [], bytes: 0, total: Infinity }
    if (number === 0) left.total = total
    if (number === left.records.length) left.bytes += bytes
    left.records.push({ key, value: value.slice() })
    this.values.set(prefix, left)
  }

  hasTarget(ino: number): boolean {
    return this.isWhole(targetPrefix(ino))
  }

  /** Symbolic links are as long as their targets; those that lead nowhere go. */
  mend(inodes: Map<number, Inode>): void {
    for (const [ino, inode] of inodes) {
      if (inode.kind !== 'symlink') continue
      if (!this.hasTarget(ino)) inodes.delete(ino)
      else inodes.set(ino, { ...inode, size: this.values.get(targetPrefix(ino))!.total })
    }
  }

  /** Attributes that can't be kept, in words. */
  *givenUp(inodes: ReadonlyMap<number, Inode>, pathOf: (ino: number) => string): Generator<string> {
    for (const [prefix, { ino }] of this.values)
      if (prefix.startsWith('a') && inodes.has(ino) && !this.isWhole(prefix))
        yield `${pathOf(ino)} (inode ${ino}): its attribute "${nameIn(prefix)}"`
  }

  *records(inodes: ReadonlyMap<number, Inode>): Generator<Record> {
    for (const [prefix, { ino, records }] of this.values) {
      const inode = inodes.get(ino)
      if (inode === undefined || !this.isWhole(prefix)) continue
      if (prefix.startsWith('a') || inode.kind === 'symlink') yield* records
    }
  }

  private isWhole(prefix: string): boolean {
    const left = this.values.get(prefix)
    return left !== undefined && left.bytes === left.total
  }
}
