/**
 * What the kernel keeps and a change from elsewhere has made wrong: names, attributes, pages. It is told by a thread that answers
 * nobody, for it waits for locks of whoever waits for us.
 *
 * Invariants
 *   MNO1 Who asked for a change is answered when the kernel knows nothing any more that isn't so.
 *   MNO2 After `end` nothing is told: the descriptor's number may be another file's by then.
 */

import type { Bytes } from '../base/index.ts'
import { type Aside, invalidateEntry, invalidateInode } from '../fuse/index.ts'
import { bytesOf, type Changed, type Inodes, type Pages, type Place } from '../volume/index.ts'

/** More ranges of a file than these are told as one. */
const RANGES_MAX = 16
/** No pages: the attributes alone (fuse_reverse_inval_inode). */
const ATTRIBUTES_ALONE = -1

export class Notifications {
  private readonly aside: Aside
  private readonly fd: number
  private readonly blockSize: Bytes
  /** Calls are made in the order in which they were asked for: with this one all have been made. */
  private last: Promise<unknown> = Promise.resolve()
  private hasEnded = false

  constructor(aside: Aside, fd: number, blockSize: Bytes) {
    this.aside = aside
    this.fd = fd
    this.blockSize = blockSize
  }

  /** Settles when nothing is being told any more, and nothing will be. */
  async end(): Promise<void> {
    this.hasEnded = true
    await this.last
  }

  /** The attributes of an inode and all that it holds. What is dirty in the kernel is written first. */
  async inode(ino: number): Promise<void> {
    await this.tell(invalidateInode(ino, 0, 0))
  }

  /** A name that has come, or means something else now, and the directory that it is in. */
  async entry(place: Place): Promise<void> {
    await this.name(place)
    await this.inode(place.directory)
  }

  /** What others have committed. Where it isn't known what, each inode that the kernel has; the names that it knows it keeps for a moment. */
  async followed(changed: Changed, known: Pick<Inodes, 'heldNow'>): Promise<void> {
    if (changed === 'everything') {
      for (const ino of known.heldNow) await this.inode(ino)
      return
    }
    for (const place of changed.places) await this.name(place)
    for (const [ino, pages] of changed.inodes) await this.pages(ino, pages)
  }

  /** The attributes of an inode, and these pages of it. */
  private async pages(ino: number, pages: readonly Pages[]): Promise<void> {
    const { blockSize } = this
    if (pages.length === 0) await this.tell(invalidateInode(ino, ATTRIBUTES_ALONE, 0))
    const [first, last] = [pages[0], pages.at(-1)]
    const told = pages.length > RANGES_MAX ? [{ start: first!.start, end: last!.end }] : pages
    // A length of 0 is all that lies behind.
    for (const { start, end } of told)
      await this.tell(
        invalidateInode(ino, start * blockSize, end === Infinity ? 0 : (end - start) * blockSize),
      )
  }

  private async name({ directory, name }: Place): Promise<void> {
    await this.tell(invalidateEntry(directory, bytesOf(name)))
  }

  /** Of what the kernel doesn't know there is nothing to be told (ENOENT). */
  private async tell(message: Uint8Array): Promise<void> {
    if (this.hasEnded) return
    this.last = this.aside.call({ what: 'notify', fd: this.fd, message })
    await this.last
  }
}
