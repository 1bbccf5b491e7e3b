/**
 * What the kernel keeps and a change from elsewhere has made wrong: names, attributes, pages. It is told by a thread that answers
 * nobody, for it waits for locks of whoever waits for us.
 *
 * Invariants
 *   MNO1 Who asked for a change is answered when the kernel knows nothing any more that isn't so.
 */
import { type Aside, invalidateEntry, invalidateInode } from '../fuse/index.ts'
import { bytesOf, type Changed, type Place } from '../volume/index.ts'

export class Notifications {
  private readonly aside: Aside
  private readonly fd: number

  constructor(aside: Aside, fd: number) {
    this.aside = aside
    this.fd = fd
  }

  /** The attributes of an inode and all that it holds. What is dirty in the kernel is written first. */
  async inode(ino: number): Promise<void> {
    await this.tell(invalidateInode(ino, 0, 0))
  }

  /** A name that has come, or means something else now, and the directory that it is in. */
  async entry({ directory, name }: Place): Promise<void> {
    await this.tell(invalidateEntry(directory, bytesOf(name)))
    await this.inode(directory)
  }

  /** What others have committed. Where it isn't known what, `known` is what the kernel may have; the names in it are kept for a moment. */
  async followed(changed: Changed, known: readonly number[]): Promise<void> {
    const { inodes, places } = changed === 'everything' ? { inodes: known, places: [] } : changed
    for (const ino of inodes) await this.inode(ino)
    for (const place of places) await this.entry(place)
  }

  /** Of what the kernel doesn't know there is nothing to be told (ENOENT). */
  private async tell(message: Uint8Array): Promise<void> {
    await this.aside.call({ what: 'notify', fd: this.fd, message })
  }
}
