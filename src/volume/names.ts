/**
 * Inodes and the tree of names that leads to them. Each function is part of an edit, and fails as its namesake of
 * POSIX does.
 *
 *     path    /a/b/c: names between slashes, each of 1 to 255 bytes of UTF-8, none of them "." or ".."
 *
 * Invariants
 *   N1  A file's `links` are the entries that name it; one with none is an orphan, or gone.
 *   N2  A directory has one entry that names it (the root none), and no path leads through it to itself.
 *   N3  An inode that is gone has no extent.
 *   N4  No name below a sealed directory is changed, nor given to another place; the directory itself may be renamed or go.
 */
import { errno } from '../base/index.ts'
import { Damage, Failure } from './failure.ts'
import type { Journal } from './journal.ts'
import {
  decodeInode,
  decodeLink,
  decodeState,
  encodeInode,
  encodeLink,
  encodeState,
  type Inode,
  inodeKey,
  type Link,
  linkKey,
  linkKeys,
  NAME_BYTES_MAX,
  nameIn,
  orphanKey,
  ROOT_INO,
  SEALED,
  STATE_KEY,
} from './records.ts'

/** Where a path leads: the directory that has its last name, and what is there. */
interface Place {
  readonly directory: number
  readonly name: string
  readonly link: Link | undefined
  /** The directories on the way, the root first. */
  readonly way: readonly number[]
}

/** A name of a directory, and what it leads to. */
interface Entry extends Pick<Place, 'directory' | 'name'> {
  readonly link: Link
}

/** An entry of a directory. */
export interface Named extends Link {
  /** Its name in the directory. */
  readonly name: string
}

export class Names {
  private readonly journal: Journal
  /** An inode that no name leads to any more. */
  private readonly onUnlinked: (ino: number) => void

  constructor(journal: Journal, onUnlinked: (ino: number) => void) {
    this.journal = journal
    this.onUnlinked = onUnlinked
  }

  /** The root of a new volume. */
  format(): void {
    this.newInode('directory', 1)
  }

  inode(ino: number): Inode {
    return decodeInode(this.journal.get(inodeKey(ino)), ino)
  }

  setInode(ino: number, inode: Inode): void {
    this.journal.put(inodeKey(ino), encodeInode(inode))
  }

  /** What is at the path; fails with ENOENT if nothing is. */
  find(path: string): Link {
    if (path === '/') return { ino: ROOT_INO, kind: 'directory' }
    const { link } = this.place(path)
    if (link === undefined) throw new Failure(errno.ENOENT)
    return link
  }

  *list(path: string): Generator<Named> {
    const { ino, kind } = this.find(path)
    if (kind !== 'directory') throw new Failure(errno.ENOTDIR)
    yield* this.entries(ino)
  }

  /** What a directory holds, in order. */
  *entries(ino: number): Generator<Named> {
    const { start, end } = linkKeys(ino)
    for (const { key, value } of this.journal.range(start, end))
      yield { name: nameIn(key), ...decodeLink(value, key) }
  }

  create(path: string, kind: Inode['kind']): number {
    const { directory, name, link } = this.placeToChange(path)
    if (link !== undefined) throw new Failure(errno.EEXIST)
    return this.createIn(directory, name, kind)
  }

  /** The same, under a name that the directory doesn't have. */
  createIn(directory: number, name: string, kind: Inode['kind']): number {
    const ino = this.newInode(kind, 1)
    this.journal.put(linkKey(directory, name), encodeLink({ ino, kind }))
    return ino
  }

  /** A file that no name leads to. */
  createUnnamed(): number {
    const ino = this.newInode('file', 0)
    this.keepOrphan(ino)
    return ino
  }

  /** Gives a file without names its first; a file that has the name already loses it, if it may be replaced. */
  publish(ino: number, path: string, existing: 'stays' | 'is replaced'): void {
    const { directory, name, link } = this.placeToChange(path)
    if (link !== undefined && existing === 'stays') throw new Failure(errno.EEXIST)
    if (link?.kind === 'directory') throw new Failure(errno.EISDIR)
    this.setInode(ino, { ...this.inode(ino), links: 1 })
    this.journal.delete(orphanKey(ino))
    this.journal.put(linkKey(directory, name), encodeLink({ ino, kind: 'file' }))
    if (link !== undefined) this.unlinked(link)
  }

  /** One name more for a file. */
  link(from: string, to: string): void {
    const { ino, kind } = this.find(from)
    if (kind === 'directory') throw new Failure(errno.EPERM)
    this.believeOpen(from)
    const { directory, name, link } = this.placeToChange(to)
    if (link !== undefined) throw new Failure(errno.EEXIST)
    const inode = this.inode(ino)
    this.setInode(ino, { ...inode, links: inode.links + 1 })
    this.journal.put(linkKey(directory, name), encodeLink({ ino, kind }))
  }

  /** Takes away the name of a file, or that of an empty directory. */
  unlink(path: string): void {
    const { directory, name, link } = this.placeToChange(path)
    if (link === undefined) throw new Failure(errno.ENOENT)
    this.removable(link)
    this.journal.delete(linkKey(directory, name))
    this.unlinked(link)
  }

  /**
   * Takes away the name of a file, or of a directory with all names below it: up to `most` of them, those below first. Says
   * whether some are left.
   */
  removeTree(path: string, most: number): 'some are left' | 'gone' {
    const { directory, name, link } = this.placeToChange(path)
    if (link === undefined) throw new Failure(errno.ENOENT)
    const way: Entry[] = [{ directory, name, link }]
    for (let left = most; left > 0; ) {
      const at = way.at(-1)
      if (at === undefined) return 'gone'
      const below = at.link.kind === 'directory' ? this.firstBelow(at.link.ino) : undefined
      if (below === undefined) {
        this.journal.delete(linkKey(at.directory, at.name))
        this.unlinked(at.link)
        way.pop()
        left--
      } else {
        if (way.some(({ link: { ino } }) => ino === below.link.ino))
          throw new Damage(`directory ${below.link.ino} lies below itself`)
        way.push(below)
      }
    }
    return way.length === 0 ? 'gone' : 'some are left'
  }

  /** Nothing below the directory is changed from now on (N4). */
  seal(ino: number): void {
    this.setInode(ino, { ...this.inode(ino), size: SEALED })
  }

  /** Fails with EROFS if what is at the path can't be changed. */
  believeOpen(path: string): void {
    if (path !== '/') this.placeToChange(path)
  }

  /** Gives what is at `from` the name `to`, in place of a file or an empty directory that had it. */
  rename(from: string, to: string): void {
    const source = this.placeToChange(from)
    const target = this.placeToChange(to)
    const { link } = source
    if (link === undefined) throw new Failure(errno.ENOENT)
    if (link.kind === 'directory' && target.way.includes(link.ino)) throw new Failure(errno.EINVAL)
    if (target.link?.ino === link.ino) return
    if (target.link !== undefined) {
      if (link.kind === 'directory' && target.link.kind === 'file') throw new Failure(errno.ENOTDIR)
      if (link.kind === 'file' && target.link.kind === 'directory') throw new Failure(errno.EISDIR)
      this.removable(target.link)
    }
    this.journal.delete(linkKey(source.directory, source.name))
    this.journal.put(linkKey(target.directory, target.name), encodeLink(link))
    if (target.link !== undefined) this.unlinked(target.link)
  }

  keepOrphan(ino: number): void {
    this.journal.put(orphanKey(ino), new Uint8Array(0))
  }

  forgetInode(ino: number): void {
    this.journal.delete(inodeKey(ino))
    if (this.journal.get(orphanKey(ino)) !== undefined) this.journal.delete(orphanKey(ino))
  }

  private newInode(kind: Inode['kind'], links: number): number {
    const state = decodeState(this.journal.get(STATE_KEY))
    this.journal.put(STATE_KEY, encodeState({ ...state, nextIno: state.nextIno + 1 }))
    this.setInode(state.nextIno, { kind, links, size: 0 })
    return state.nextIno
  }

  private placeToChange(path: string): Place {
    const place = this.place(path)
    for (const ino of place.way) if (this.inode(ino).size === SEALED) throw new Failure(errno.EROFS)
    return place
  }

  private firstBelow(directory: number): Entry | undefined {
    const { start, end } = linkKeys(directory)
    const first = this.journal.first(start, end)
    if (first === undefined) return undefined
    return { directory, name: nameIn(first.key), link: decodeLink(first.value, first.key) }
  }

  private place(path: string): Place {
    if (!path.startsWith('/') || path === '/') throw new Failure(errno.EINVAL)
    const names = path.slice(1).split('/')
    const last = names.pop()!
    const way = [ROOT_INO]
    for (const name of names) {
      const link = this.entry(way.at(-1)!, name)
      if (link === undefined) throw new Failure(errno.ENOENT)
      if (link.kind !== 'directory') throw new Failure(errno.ENOTDIR)
      way.push(link.ino)
    }
    const directory = way.at(-1)!
    return { directory, name: last, link: this.entry(directory, last), way }
  }

  private entry(directory: number, name: string): Link | undefined {
    checkName(name)
    const key = linkKey(directory, name)
    const bytes = this.journal.get(key)
    return bytes === undefined ? undefined : decodeLink(bytes, key)
  }

  private removable({ ino, kind }: Link): void {
    if (kind === 'file') return
    const { start, end } = linkKeys(ino)
    if (this.journal.first(start, end) !== undefined) throw new Failure(errno.ENOTEMPTY)
  }

  private unlinked({ ino }: Link): void {
    const inode = this.inode(ino)
    if (inode.links < 1) throw new Damage(`inode ${ino} has a name and no links`)
    this.setInode(ino, { ...inode, links: inode.links - 1 })
    if (inode.links === 1) this.onUnlinked(ino)
  }
}

function checkName(name: string): void {
  if (name === '' || name === '.' || name === '..' || name.includes('\0') || !name.isWellFormed())
    throw new Failure(errno.EINVAL)
  const bytes = encodeURIComponent(name).replace(/%[0-9A-F]{2}/g, '.').length
  if (bytes > NAME_BYTES_MAX) throw new Failure(errno.ENAMETOOLONG)
}
