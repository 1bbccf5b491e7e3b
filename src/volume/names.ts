/**
 * Inodes and the tree of names that leads to them. Each function is part of an edit, and fails as its namesake of
 * POSIX does; what time it is it is told.
 *
 *     place   a directory by number, and a name in it: what a daemon of a filesystem asks about
 *     path    /a/b/c: names between slashes, each of 1 to 255 bytes, none of them "." or ".."; symbolic links on the way are followed
 *
 * Invariants
 *   N1  A file's `links` are the entries that name it; one with none is an orphan, or gone. A directory's are 2 and the directories in it.
 *   N2  A directory has one entry that names it (the root none), and no path leads through it to itself.
 *   N3  An inode that is gone has no extent, no target and no attribute.
 *   N4  No name in a sealed directory is changed, and nothing of a sealed inode; all in a sealed directory is sealed. The uppermost one
 *       lies in one that isn't, and may be renamed or go with all that is below it.
 *   N5  A directory's `parent` is the one that has its entry.
 */
import { errno } from '../base/index.ts'
import { Damage, Failure } from './failure.ts'
import {
  decodeInode,
  encodeInode,
  type Inode,
  type InodePlan,
  newInode,
  planned,
  SET_GID,
  type Time,
} from './inode.ts'
import { deleteLong, getLong, putLong } from './long-values.ts'
import type { Overlay } from './overlay.ts'
import {
  attributeKeys,
  decodeLink,
  decodeState,
  encodeLink,
  encodeState,
  inodeKey,
  type Link,
  linkKey,
  linkKeys,
  NAME_BYTES_MAX,
  nameIn,
  orphanKey,
  ROOT_INO,
  STATE_KEY,
  targetPrefix,
} from './records.ts'
import { after } from './sorted-map.ts'
import { bytesOf, bytesSpelt, spelt, textOf } from './spelling.ts'

/** Where a name is, or is to be. */
export interface Place {
  /** The number of a directory. */
  readonly directory: number
  readonly name: string
}

/** A name of a directory, and what it leads to. */
interface Entry extends Place {
  readonly link: Link
}

/** An entry of a directory. */
export interface Named extends Link {
  /** Its name in the directory: what of it isn't UTF-8 is a lone surrogate, U+DC00 + byte. */
  readonly name: string
}

/** Whether a symbolic link at the end of a path stands for what it leads to, or for itself. */
export type Last = 'followed' | 'itself'

/** What becomes of a name that the target of a rename has already. */
export type RenameHow = 'replace' | 'noreplace' | 'exchange'

/** Symbolic links that a path may lead through, as on Linux (MAXSYMLINKS). */
const FOLLOWED_MAX = 40
export const TARGET_BYTES_MAX = 4095
/** Inodes that are kept decoded, before all are forgotten. */
const DECODED_MAX = 8192
/** Names of one inode. */
const LINKS_MAX = 2 ** 31 - 1

export class Names {
  private readonly overlay: Overlay
  /** An inode that no name leads to any more. */
  private readonly onUnlinked: (ino: number) => void
  /** hot: inodes that were decoded lately, each with the bytes it was decoded from: those of a record never change. */
  private readonly inodes = new Map<number, { readonly bytes: Uint8Array; readonly inode: Inode }>()

  constructor(overlay: Overlay, onUnlinked: (ino: number) => void) {
    this.overlay = overlay
    this.onUnlinked = onUnlinked
  }

  /** The root of a new volume. */
  format(plan: InodePlan, now: Time): void {
    const ino = this.newInode(plan, 2, now)
    this.setInode(ino, { ...this.inode(ino), parent: ino })
  }

  /** Inodes that there have been. */
  get count(): number {
    return decodeState(this.overlay.get(STATE_KEY)).nextIno - 1
  }

  inode(ino: number): Inode {
    return this.decoded(this.overlay.get(inodeKey(ino)), ino)
  }

  /** The same for a number that somebody else has kept: ESTALE if it has gone meanwhile. */
  known(ino: number): Inode {
    const bytes = this.overlay.get(inodeKey(ino))
    if (bytes === undefined) throw new Failure(errno.ESTALE)
    return this.decoded(bytes, ino)
  }

  setInode(ino: number, inode: Inode): void {
    this.overlay.put(inodeKey(ino), encodeInode(inode))
  }

  private decoded(bytes: Uint8Array | undefined, ino: number): Inode {
    const before = this.inodes.get(ino)
    if (before !== undefined && before.bytes === bytes) return before.inode
    const inode = decodeInode(bytes, ino)
    if (this.inodes.size >= DECODED_MAX) this.inodes.clear()
    this.inodes.set(ino, { bytes: bytes!, inode })
    return inode
  }

  /** Changes an inode that may be changed: EROFS for one that is sealed. */
  change(ino: number, change: Partial<Inode>): void {
    const inode = this.known(ino)
    if (inode.sealed) throw new Failure(errno.EROFS)
    this.setInode(ino, { ...inode, ...change })
  }

  // ---- looking

  /** What has the name; undefined: nothing. */
  lookup({ directory, name }: Place): Link | undefined {
    if (this.known(directory).kind !== 'directory') throw new Failure(errno.ENOTDIR)
    return this.entry(directory, name)
  }

  /** What is at the path; fails with ENOENT if nothing is. */
  find(path: string, last: Last = 'followed'): Link {
    if (path === '/') return { ino: ROOT_INO, kind: 'directory' }
    const { link } = this.resolve(path, last)
    if (link === undefined) throw new Failure(errno.ENOENT)
    return link
  }

  /** Where the last name of a path is, or is to be. */
  place(path: string): Place {
    return this.resolve(path, 'itself')
  }

  /** What a directory holds, in order; of names behind `behind` only. */
  *entries(ino: number, behind?: string): Generator<Named> {
    const { start, end } = linkKeys(ino)
    const from = behind === undefined ? start : after(linkKey(ino, behind))
    for (const { key, value } of this.overlay.range(from, end))
      yield { name: nameIn(key), ...decodeLink(value, key) }
  }

  *list(path: string): Generator<Named> {
    const { ino, kind } = this.find(path)
    if (kind !== 'directory') throw new Failure(errno.ENOTDIR)
    yield* this.entries(ino)
  }

  /** Where a symbolic link leads. */
  target(ino: number): string {
    if (this.known(ino).kind !== 'symlink') throw new Failure(errno.EINVAL)
    const bytes = getLong(this.overlay, targetPrefix(ino))
    if (bytes === undefined) throw new Damage(`symbolic link ${ino} leads nowhere`)
    return textOf(bytes)
  }

  // ---- making

  create(place: Place, plan: InodePlan, now: Time): number {
    const parent = this.parentOf(place)
    if (this.entry(place.directory, place.name) !== undefined) throw new Failure(errno.EEXIST)
    return this.createIn(place, inherited(plan, parent), now)
  }

  /** The same, under a name that the directory doesn't have. */
  createIn(place: Place, plan: InodePlan, now: Time): number {
    const isDirectory = plan.kind === 'directory'
    const ino = this.newInode(plan, isDirectory ? 2 : 1, now)
    this.enter({ ...place, link: { ino, kind: plan.kind } }, now)
    return ino
  }

  /** A copy of an inode without what it holds, under a name that the directory doesn't have. */
  copyIn(place: Place, from: number, sealed: boolean): number {
    const source = this.inode(from)
    const plan = source.kind === 'symlink' ? { ...source, target: this.target(from) } : source
    const ino = this.createIn(place, plan, source.btime)
    this.resemble(ino, from, sealed)
    return ino
  }

  /** Lets an inode have the attributes of another, of both sorts. */
  resemble(ino: number, other: number, sealed: boolean): void {
    const { links, parent, generation, size, blocks } = this.inode(ino)
    this.setInode(ino, { ...this.inode(other), sealed, links, parent, generation, size, blocks })
    const [to, from] = [attributeKeys(ino), attributeKeys(other)]
    for (const { key, value } of [...this.overlay.range(from.start, from.end)])
      this.overlay.put(to.start + key.slice(from.start.length), value)
  }

  /** A file that no name leads to, as it would be made in the directory. */
  createUnnamed(directory: number, plan: InodePlan, now: Time): number {
    const inode = this.known(directory)
    if (inode.kind !== 'directory') throw new Failure(errno.ENOTDIR)
    if (inode.sealed) throw new Failure(errno.EROFS)
    const ino = this.newInode(inherited(plan, inode), 0, now)
    this.keepOrphan(ino)
    return ino
  }

  /** A directory that no name leads to yet. */
  createUnnamedDirectory(now: Time): number {
    const ino = this.newInode(planned('directory'), 2, now)
    this.keepOrphan(ino)
    return ino
  }

  /** Fails with EEXIST, or whatever else forbids that something is made there. */
  believeFree(place: Place): void {
    this.parentOf(place)
    if (this.entry(place.directory, place.name) !== undefined) throw new Failure(errno.EEXIST)
  }

  /** Gives such a directory its name. */
  nameDirectory(ino: number, place: Place, now: Time): void {
    this.believeFree(place)
    this.overlay.delete(orphanKey(ino))
    this.enter({ ...place, link: { ino, kind: 'directory' } }, now)
  }

  /** Gives a file without names its first; a file that has the name already loses it, if it may be replaced. */
  publish(ino: number, place: Place, existing: 'stays' | 'is replaced', now: Time): void {
    this.parentOf(place)
    const before = this.entry(place.directory, place.name)
    if (before !== undefined && existing === 'stays') throw new Failure(errno.EEXIST)
    if (before?.kind === 'directory') throw new Failure(errno.EISDIR)
    if (before !== undefined) this.leave({ ...place, link: before }, now)
    this.named(ino, place, now)
    if (before !== undefined) this.unlinked(before, now)
  }

  /** One name more for what isn't a directory. A file without names gets its first. */
  link(ino: number, place: Place, now: Time): void {
    const { kind, sealed, links } = this.known(ino)
    if (kind === 'directory') throw new Failure(errno.EPERM)
    this.parentOf(place)
    if (this.entry(place.directory, place.name) !== undefined) throw new Failure(errno.EEXIST)
    if (sealed) throw new Failure(errno.EROFS)
    if (links >= LINKS_MAX) throw new Failure(errno.EMLINK)
    this.named(ino, place, now)
  }

  // ---- taking away

  /** Takes away a name: of an empty directory, or of what is none. `what`: ENOTDIR or EISDIR is told of the other. */
  unlink(place: Place, what: 'file' | 'directory' | 'either', now: Time): void {
    this.parentOf(place)
    const link = this.entry(place.directory, place.name)
    if (link === undefined) throw new Failure(errno.ENOENT)
    if (what === 'file' && link.kind === 'directory') throw new Failure(errno.EISDIR)
    if (what === 'directory' && link.kind !== 'directory') throw new Failure(errno.ENOTDIR)
    this.removable(link)
    this.leave({ ...place, link }, now)
    this.unlinked(link, now)
  }

  /**
   * Takes away the name of a file, or of a directory with all names below it: up to `most` of them, those below first. Says
   * whether some are left.
   */
  removeTree(place: Place, most: number, now: Time): 'some are left' | 'gone' {
    this.parentOf(place)
    const link = this.entry(place.directory, place.name)
    if (link === undefined) throw new Failure(errno.ENOENT)
    const way: Entry[] = [{ ...place, link }]
    this.takeDown(way, most, now)
    return way.length === 0 ? 'gone' : 'some are left'
  }

  /** The same for a directory that no name leads to. */
  removeUnnamed(ino: number, most: number, now: Time): 'some are left' | 'gone' {
    for (let left = most; left > 0; ) {
      const first = this.firstBelow(ino)
      if (first === undefined) {
        this.forgetInode(ino)
        return 'gone'
      }
      left = this.takeDown([first], left, now)
    }
    return 'some are left'
  }

  /** Takes away the last entry of the way with what is below it, then the one before; returns how many of `most` names are left. */
  private takeDown(way: Entry[], most: number, now: Time): number {
    let left = most
    while (left > 0) {
      const at = way.at(-1)
      if (at === undefined) break
      const below = at.link.kind === 'directory' ? this.firstBelow(at.link.ino) : undefined
      if (below === undefined) {
        this.leave(at, now)
        this.unlinked(at.link, now)
        way.pop()
        left--
      } else {
        if (way.some(({ link: { ino } }) => ino === below.link.ino))
          throw new Damage(`directory ${below.link.ino} lies below itself`)
        way.push(below)
      }
    }
    return left
  }

  /** Gives what is at `from` the name `to`; what had that gives way, stays (EEXIST), or gets the other name. */
  rename(from: Place, to: Place, how: RenameHow, now: Time): void {
    this.parentOf(from)
    this.parentOf(to)
    const link = this.entry(from.directory, from.name)
    const before = this.entry(to.directory, to.name)
    if (link === undefined) throw new Failure(errno.ENOENT)
    if (before !== undefined && how === 'noreplace') throw new Failure(errno.EEXIST)
    if (before === undefined && how === 'exchange') throw new Failure(errno.ENOENT)
    this.believeOutside(link, to.directory)
    if (how === 'exchange') this.believeOutside(before!, from.directory)
    if (before?.ino === link.ino) return
    if (before !== undefined && how === 'replace') {
      if (link.kind === 'directory' && before.kind !== 'directory') throw new Failure(errno.ENOTDIR)
      if (link.kind !== 'directory' && before.kind === 'directory') throw new Failure(errno.EISDIR)
      this.removable(before)
    }
    this.leave({ ...from, link }, now)
    if (before !== undefined) this.leave({ ...to, link: before }, now)
    this.enter({ ...to, link }, now)
    this.touch(link.ino, now)
    if (before === undefined) return
    if (how === 'replace') this.unlinked(before, now)
    else {
      this.enter({ ...from, link: before }, now)
      this.touch(before.ino, now)
    }
  }

  /** Fails with EROFS if what is at the path can't be changed. */
  believeOpen(path: string): void {
    if (this.inode(this.find(path).ino).sealed) throw new Failure(errno.EROFS)
  }

  keepOrphan(ino: number): void {
    this.overlay.put(orphanKey(ino), new Uint8Array(0))
  }

  isOrphan(ino: number): boolean {
    return this.overlay.get(orphanKey(ino)) !== undefined
  }

  forgetInode(ino: number): void {
    this.overlay.delete(inodeKey(ino))
    if (this.isOrphan(ino)) this.overlay.delete(orphanKey(ino))
    deleteLong(this.overlay, targetPrefix(ino))
    const { start, end } = attributeKeys(ino)
    for (const { key } of this.overlay.range(start, end)) this.overlay.delete(key)
  }

  private newInode(plan: InodePlan, links: number, now: Time): number {
    const state = decodeState(this.overlay.get(STATE_KEY))
    const ino = state.nextIno
    this.overlay.put(STATE_KEY, encodeState({ ...state, nextIno: ino + 1 }))
    const inode = newInode(plan, { generation: state.generation, links, now })
    if (plan.kind !== 'symlink') {
      this.setInode(ino, inode)
      return ino
    }
    const target = bytesOf(plan.target ?? '')
    if (target.length === 0) throw new Failure(errno.ENOENT)
    if (target.length > TARGET_BYTES_MAX) throw new Failure(errno.ENAMETOOLONG)
    putLong(this.overlay, targetPrefix(ino), target)
    this.setInode(ino, { ...inode, size: target.length })
    return ino
  }

  /** The directory of a place, which may be changed: it is one, hasn't been removed, and isn't sealed. */
  private parentOf({ directory, name }: Place): Inode {
    const inode = this.known(directory)
    if (inode.kind !== 'directory') throw new Failure(errno.ENOTDIR)
    checkName(name)
    if (inode.links === 0) throw new Failure(errno.ENOENT)
    if (inode.sealed) throw new Failure(errno.EROFS)
    return inode
  }

  private firstBelow(directory: number): Entry | undefined {
    const { start, end } = linkKeys(directory)
    const first = this.overlay.first(start, end)
    if (first === undefined) return undefined
    return { directory, name: nameIn(first.key), link: decodeLink(first.value, first.key) }
  }

  private resolve(path: string, last: Last): Place & { readonly link: Link | undefined } {
    if (!path.startsWith('/') || path === '/') throw new Failure(errno.EINVAL)
    const todo = path.slice(1).split('/').reverse()
    for (const name of todo) checkName(name)
    let directory = ROOT_INO
    for (let followed = 0; ; ) {
      const name = todo.pop()
      if (name === undefined)
        // A target ended in a directory without saying its name.
        return { directory, name: '.', link: { ino: directory, kind: 'directory' } }
      if (name === '' || name === '.') continue
      if (name === '..') {
        directory = this.inode(directory).parent
        continue
      }
      const link = this.entry(directory, name)
      const isLast = todo.length === 0
      if (isLast && (link?.kind !== 'symlink' || last === 'itself')) return { directory, name, link }
      if (link === undefined) throw new Failure(errno.ENOENT)
      if (link.kind === 'symlink') {
        if (++followed > FOLLOWED_MAX) throw new Failure(errno.ELOOP)
        const target = this.target(link.ino)
        if (target.startsWith('/')) directory = ROOT_INO
        todo.push(...target.split('/').reverse())
      } else if (link.kind === 'directory') directory = link.ino
      else throw new Failure(errno.ENOTDIR)
    }
  }

  private entry(directory: number, name: string): Link | undefined {
    checkName(name)
    const key = linkKey(directory, name)
    const bytes = this.overlay.get(key)
    return bytes === undefined ? undefined : decodeLink(bytes, key)
  }

  /** What is moved to a directory isn't on the way there (N2). */
  private believeOutside({ ino, kind }: Link, directory: number): void {
    if (kind !== 'directory') return
    const way = new Set<number>()
    for (let at = directory; ; at = this.inode(at).parent) {
      if (at === ino) throw new Failure(errno.EINVAL)
      if (at === ROOT_INO) return
      if (way.has(at)) throw new Damage(`directory ${at} lies below itself`)
      way.add(at)
    }
  }

  private removable({ ino, kind }: Link): void {
    if (kind !== 'directory') return
    const { start, end } = linkKeys(ino)
    if (this.overlay.first(start, end) !== undefined) throw new Failure(errno.ENOTEMPTY)
  }

  /** A name appears in its directory. */
  private enter({ directory, name, link }: Entry, now: Time): void {
    this.overlay.put(linkKey(directory, name), encodeLink(link))
    this.changed(directory, link.kind === 'directory' ? 1 : 0, now)
    if (link.kind === 'directory') this.setInode(link.ino, { ...this.inode(link.ino), parent: directory })
  }

  /** A name goes from its directory. */
  private leave({ directory, name, link }: Entry, now: Time): void {
    this.overlay.delete(linkKey(directory, name))
    this.changed(directory, link.kind === 'directory' ? -1 : 0, now)
  }

  private changed(directory: number, more: number, now: Time): void {
    const inode = this.inode(directory)
    const links = inode.links + more
    if (links < 2)
      throw new Damage(`directory ${directory} has ${inode.links} links, and a directory in it goes`)
    if (links > LINKS_MAX) throw new Failure(errno.EMLINK)
    this.setInode(directory, { ...inode, links, mtime: now, ctime: now })
  }

  private touch(ino: number, now: Time): void {
    this.setInode(ino, { ...this.inode(ino), ctime: now })
  }

  /** What has no name, or has some, gets one more. */
  private named(ino: number, place: Place, now: Time): void {
    const inode = this.inode(ino)
    this.setInode(ino, { ...inode, links: inode.links + 1, ctime: now })
    if (inode.links === 0) this.overlay.delete(orphanKey(ino))
    this.enter({ ...place, link: { ino, kind: inode.kind } }, now)
  }

  private unlinked({ ino }: Link, now: Time): void {
    const inode = this.inode(ino)
    if (inode.links < 1) throw new Damage(`inode ${ino} has a name and no links`)
    const links = inode.kind === 'directory' ? 0 : inode.links - 1
    this.setInode(ino, { ...inode, links, ctime: now })
    if (links === 0) this.onUnlinked(ino)
  }
}

/** What is made in a set-gid directory belongs to its group, and a directory passes that on (inode_init_owner of Linux). */
function inherited(plan: InodePlan, { mode, gid }: Inode): InodePlan {
  if ((mode & SET_GID) === 0) return plan
  return { ...plan, gid, mode: plan.kind === 'directory' ? plan.mode | SET_GID : plan.mode }
}

function checkName(name: string): void {
  if (name === '' || name === '.' || name === '..' || name.includes('\0') || name.includes('/'))
    throw new Failure(errno.EINVAL)
  if (bytesSpelt(spelt(name)) > NAME_BYTES_MAX) throw new Failure(errno.ENAMETOOLONG)
}
