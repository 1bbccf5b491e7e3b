/**
 * A volume by numbers: what the daemon of a filesystem asks, who knows inodes and names in directories, and no paths. Each call is one
 * edit, as POSIX has it; what time it is it is told. Who may do what isn't asked: the kernel does that from the attributes.
 *
 *     lookup, make -> hold … release        whoever goes on using a number holds it: what loses its last name stays until nobody does
 *
 * Invariants
 *   VI1 An inode without names lives as long as somebody holds it or has it open, and is gone after that, or when the volume is opened.
 *   VI2 A cursor of a directory is the name that was told last: what is told after it depends on nothing that came or went meanwhile.
 */
import { assert, type Bytes, errno } from '../base/index.ts'
import type { Outcome, Task, Verb } from '../sched/index.ts'
import { Attributes, type SetHow } from './attributes.ts'
import { Failure } from './failure.ts'
import { type Inode, type InodePlan, MODE_MAX, type Time, unprivileged } from './inode.ts'
import type { Named, Place, RenameHow } from './names.ts'
import type { Answer } from './overlay.ts'
import type { Parts } from './parts.ts'
import { NAME_BYTES_MAX, NUMBERS_MAX } from './records.ts'

/** What is so now of an inode. */
export interface Found extends Inode {
  /** Its number in the volume. */
  readonly ino: number
}

/** What of an inode is to be so from now on. */
export interface AttributeChange {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly atime?: Time
  readonly mtime?: Time
}

/** A part of a directory. */
export interface DirectoryPart {
  readonly entries: readonly Named[]
  /** Nothing comes behind. */
  readonly isLast: boolean
}

/** What statfs(2) says. */
export interface VolumeStatistics {
  /** Tells the volume from every other. */
  readonly id: number
  /** Bytes of a block. */
  readonly blockSize: Bytes
  /** Blocks for data. */
  readonly blocks: number
  /** Blocks that nobody has, and nobody is promised; those that the next commit gives back too, which who needs them waits for. */
  readonly free: number
  /** Inodes that there have been. */
  readonly inodes: number
  /** How many more there can be. */
  readonly inodesFree: number
  /** Bytes of a name, at most. */
  readonly nameMax: Bytes
}

/** What of the volume it needs. */
export interface InodesScope {
  /** An edit, unless the volume is read-only. */
  change<T>(change: () => T): Answer<T>
  found(ino: number): Found
  /** Nobody holds it any more. */
  letGo(ino: number): void
}

export class Inodes {
  private readonly parts: Parts
  private readonly attributes: Attributes
  private readonly scope: InodesScope
  private readonly held = new Map<number, number>()

  constructor(parts: Parts, scope: InodesScope) {
    this.parts = parts
    this.attributes = new Attributes(parts.overlay, parts.names)
    this.scope = scope
  }

  // ---- holding

  /** Once more: the inode stays, whether it has a name or not. A hold isn't durable. */
  hold(ino: number): void {
    this.held.set(ino, (this.held.get(ino) ?? 0) + 1)
  }

  /** So many holds less; after the last one it goes, if no name leads to it and nobody has it open. */
  release(ino: number, times = 1): Answer<void> {
    const before = this.held.get(ino) ?? 0
    assert(before >= times, 'VI1: what is released was held')
    this.set(ino, before - times)
    const answer = this.parts.overlay.ask(() => {
      if (before === times) this.scope.letGo(ino)
    })
    // The attempt is made anew when the record is here.
    if (answer.outcome.kind === 'wait') this.set(ino, before)
    return answer
  }

  /** All that are held. */
  get heldNow(): readonly number[] {
    return [...this.held.keys()]
  }

  isHeld(ino: number): boolean {
    return this.held.has(ino)
  }

  private set(ino: number, times: number): void {
    if (times > 0) this.held.set(ino, times)
    else this.held.delete(ino)
  }

  // ---- looking

  /** What has the name in the directory. ENOENT, ENOTDIR, ENAMETOOLONG; ESTALE for a directory that is gone. */
  lookup(place: Place): Answer<Found> {
    return this.parts.overlay.ask(() => {
      const link = this.parts.names.lookup(place)
      if (link === undefined) throw new Failure(errno.ENOENT)
      return this.scope.found(link.ino)
    })
  }

  /** One look-up. ESTALE: it is gone. */
  getattr(ino: number): Answer<Found> {
    return this.parts.overlay.ask(() => this.scope.found(ino))
  }

  /** The same as it is written down: of a file that is open, size and blocks may be other ones by now. */
  written(ino: number): Answer<Inode> {
    return this.parts.overlay.ask(() => this.parts.names.known(ino))
  }

  readlink(ino: number): Answer<string> {
    return this.parts.overlay.ask(() => this.parts.names.target(ino))
  }

  /**
   * Up to `most` entries of a directory in order, those behind the name `behind`, whether that is still there or not. "." and ".."
   * aren't among them: they are the directory itself and its `parent`.
   */
  readdir(ino: number, behind: string | undefined, most: number): Answer<DirectoryPart> {
    return this.parts.overlay.ask(() => {
      const { names } = this.parts
      if (names.known(ino).kind !== 'directory') throw new Failure(errno.ENOTDIR)
      const entries: Named[] = []
      for (const entry of names.entries(ino, behind)) {
        if (entries.length === most) return { entries, isLast: false }
        entries.push(entry)
      }
      return { entries, isLast: true }
    })
  }

  statfs(): Answer<VolumeStatistics> {
    return this.parts.overlay.ask(() => {
      const { space, disk, names, header, commits } = this.parts
      const inodes = names.count
      return {
        id: header.id,
        blockSize: disk.blockSize,
        blocks: space.size,
        free: space.available + (commits.mayGiveBack ? space.deferred : 0),
        inodes,
        inodesFree: NUMBERS_MAX - 1 - inodes,
        nameMax: NAME_BYTES_MAX,
      }
    })
  }

  // ---- changing

  /**
   * chmod, chown and utimes, whichever are given; ctime is `now`. A new owner takes set-uid and set-gid from what isn't a directory, unless
   * a mode is given with it. Of sizes cache and DAX files take care (truncate).
   */
  setattr(ino: number, change: AttributeChange, now: Time): Answer<Found> {
    return this.scope.change(() => {
      const { names } = this.parts
      const inode = names.known(ino)
      const { mode, uid, gid, atime, mtime } = change
      if ((mode ?? 0) > MODE_MAX) throw new Failure(errno.EINVAL)
      for (const time of [atime, mtime]) if (time !== undefined) believeTime(time)
      const owned = uid !== undefined || gid !== undefined
      if (mode !== undefined) this.attributes.modeChanged(ino, mode)
      if (owned && inode.kind !== 'directory') this.attributes.dropCapabilities(ino)
      names.change(ino, {
        mode: mode ?? (owned ? unprivileged(inode) : inode.mode),
        uid: uid ?? inode.uid,
        gid: gid ?? inode.gid,
        atime: atime ?? inode.atime,
        mtime: mtime ?? inode.mtime,
        ctime: now,
      })
      return this.scope.found(ino)
    })
  }

  /**
   * Bytes of the file have been written, or its size set. `by` somebody without CAP_FSETID, a program in it runs as nobody else
   * from now on.
   */
  wrote(ino: number, by: 'privileged' | 'unprivileged', now: Time): Answer<void> {
    return this.scope.change(() => {
      const { names } = this.parts
      const inode = names.known(ino)
      const mode = by === 'privileged' ? inode.mode : unprivileged(inode)
      if (by === 'unprivileged') this.attributes.dropCapabilities(ino)
      names.change(ino, { mode, mtime: now, ctime: now })
    })
  }

  /** Something of it has been read. */
  accessed(ino: number, now: Time): Answer<void> {
    return this.scope.change(() => this.parts.names.change(ino, { atime: now }))
  }

  /** Makes an inode under a new name: creat, mkdir, symlink and mknod. EEXIST, ENOENT in a directory that was removed, EROFS in a sealed one. */
  make(place: Place, plan: InodePlan, now: Time): Answer<Found> {
    return this.scope.change(() => this.scope.found(this.create(place, plan, now)))
  }

  /** The same as part of an edit. Returns its number. */
  create(place: Place, plan: InodePlan, now: Time): number {
    const ino = this.parts.names.create(place, this.attributes.planIn(place.directory, plan), now)
    this.attributes.inherit(place.directory, ino)
    return ino
  }

  /** A file that no name leads to (O_TMPFILE), as it would be made in the directory; held once. `link` gives it a name. */
  makeUnnamed(directory: number, plan: InodePlan, now: Time): Answer<Found> {
    const made = this.scope.change(() => {
      const { names } = this.parts
      const ino = names.createUnnamed(directory, this.attributes.planIn(directory, plan), now)
      this.attributes.inherit(directory, ino)
      return this.scope.found(ino)
    })
    if (made.value !== undefined) this.hold(made.value.ino)
    return made
  }

  /** EPERM for a directory, EMLINK, EEXIST. */
  link(ino: number, place: Place, now: Time): Answer<Found> {
    return this.scope.change(() => {
      this.parts.names.link(ino, place, now)
      return this.scope.found(ino)
    })
  }

  /** EISDIR for a directory. */
  unlink(place: Place, now: Time): Answer<void> {
    return this.scope.change(() => this.parts.names.unlink(place, 'file', now))
  }

  /** ENOTDIR, ENOTEMPTY. */
  rmdir(place: Place, now: Time): Answer<void> {
    return this.scope.change(() => this.parts.names.unlink(place, 'directory', now))
  }

  /** EINVAL into itself, EXDEV never; ENOTDIR, EISDIR, ENOTEMPTY of what would be replaced, EEXIST of what mustn't be. */
  rename(from: Place, to: Place, how: RenameHow, now: Time): Answer<void> {
    return this.scope.change(() => this.parts.names.rename(from, to, how, now))
  }

  // ---- extended attributes

  listxattr(ino: number): Answer<readonly string[]> {
    return this.parts.overlay.ask(() => this.attributes.list(ino))
  }

  /** ENODATA: it has none of the name. ENOTSUP: no attribute can have the name. */
  getxattr(ino: number, name: string): Answer<Uint8Array> {
    return this.parts.overlay.ask(() => this.attributes.get(ino, name))
  }

  /** EEXIST, ENODATA, E2BIG above 64 KiB, ENOSPC for more names than can be listed, EPERM for user.* of what holds no bytes. */
  setxattr(ino: number, name: string, value: Uint8Array, how: SetHow, now: Time): Answer<void> {
    return this.scope.change(() => this.attributes.set(ino, name, value, how, now))
  }

  removexattr(ino: number, name: string, now: Time): Answer<void> {
    return this.scope.change(() => this.attributes.remove(ino, name, now))
  }
}

export interface AskingArgs<T> {
  readonly ask: () => Answer<T>
  /** What came of it, when the task has ended. */
  answer: Answer<T> | undefined
}

export function askingArgs<T>(ask: () => Answer<T>): AskingArgs<T> {
  return { ask, answer: undefined }
}

/** A call on metadata as a task: it ends with the call's errno. */
export class Asking implements Verb<AskingArgs<unknown>> {
  readonly name = 'ask'

  attempt({ args }: Task<AskingArgs<unknown>>): Outcome {
    args.answer = args.ask()
    return args.answer.outcome
  }
}

function believeTime({ seconds, nanoseconds }: Time): void {
  const isTime =
    Number.isSafeInteger(seconds) && Number.isInteger(nanoseconds) && nanoseconds >= 0 && nanoseconds < 1e9
  if (!isTime) throw new Failure(errno.EINVAL)
}
