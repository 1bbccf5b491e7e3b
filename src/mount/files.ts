/**
 * The files of the volume that the mount has in the cache: those that are in use, and of those that nobody uses any more the
 * last ones, so that closing a file neither writes it nor loses its pages.
 *
 *     use -> used -> idle -> used …                idle: at most IDLE_MAX; the one that is idle longest goes
 *                     \--> written -> leaving -> gone
 *
 * Invariants
 *   MTF1 A file that is leaving is used again only when it has gone.
 *   MTF2 A file leaves with nothing dirty, unless no name leads to it any more: what can't be written stays.
 *   MTF3 A name that a file was given while it was dirty is made durable by no sync before what the file holds: who writes a file,
 *        renames it and syncs the directory has the one or the other, never the name with nothing in it.
 */
import { assert, type Errno, errno, type GroupId } from '../base/index.ts'
import { syncArgs } from '../cache/index.ts'
import type { Performer } from '../calls/index.ts'
import type { Engine } from '../engine/index.ts'
import type { Volume as Core, VolumeFile } from '../volume/index.ts'
import type { KernelPages } from './kernel-pages.ts'

/** What of files only the kernel has. */
export type Pages = Pick<KernelPages, 'mayBeDirty' | 'files' | 'write'>

const IDLE_MAX = 4096
/** Files whose pages are on their way at once, when many are written: each may be small. */
const WRITTEN_TOGETHER = 16

/** That a file was given a name, once. */
type Naming = object

/** A file in the cache, as the mount uses it. */
export interface Used {
  readonly ino: number
  readonly file: VolumeFile
  users: number
}

export class Files {
  private readonly core: Core
  private readonly engine: Engine
  private readonly performer: Performer
  private readonly group: GroupId
  private readonly pages: Pages
  private readonly used = new Map<number, Used>()
  /** In the order in which they became idle. */
  private readonly idle = new Set<Used>()
  private readonly leaving = new Map<number, Promise<void>>()
  /** Files that were given a name while they were dirty, here or in the kernel. */
  private readonly named = new Map<Used, Naming>()

  constructor(core: Core, engine: Engine, performer: Performer, group: GroupId, pages: Pages) {
    this.core = core
    this.engine = engine
    this.performer = performer
    this.group = group
    this.pages = pages
  }

  /** The file, used once more; or why it can't be. Whoever uses it lets go of it. */
  use(ino: number): Used | Errno | Promise<Used | Errno> {
    const left = this.leaving.get(ino)
    if (left !== undefined) return left.then(() => this.use(ino))
    let used = this.used.get(ino)
    if (used === undefined) {
      const opened = this.core.openInode(ino, `inode ${ino}`)
      if (opened.value === undefined) return opened.errno
      used = { ino, file: opened.value, users: 0 }
      this.used.set(ino, used)
    }
    used.users++
    this.idle.delete(used)
    return used
  }

  letGo(used: Used): void {
    used.users--
    if (used.users > 0) return
    this.idle.add(used)
    if (this.isNameless(used.ino)) this.begin(used)
    else this.trim()
  }

  /** The kernel doesn't know the inode any more. */
  forgotten(ino: number): void {
    const used = this.used.get(ino)
    if (used !== undefined && used.users === 0 && this.isNameless(ino)) this.begin(used)
  }

  /** A name leads to it from now on that did not before. */
  gotName(ino: number): void {
    const used = this.used.get(ino)
    if (used !== undefined && (isDirty(used) || this.pages.mayBeDirty(ino))) this.named.set(used, {})
  }

  /** Names are made durable by `commit`: what they lead to is written first (MTF3). If that fails, they aren't. */
  beforeNames<T>(commit: () => T | Promise<T>): T | Promise<T | Errno> {
    if (this.named.size === 0) return commit()
    return this.writeNamed().then(failed => (failed === errno.OK ? commit() : failed))
  }

  /**
   * The blocks of what was removed before are free: what the kernel has forgotten meanwhile, which it says after other requests if
   * there are any (fs/fuse/dev.c, forget_batch), has been heard of, and what was on its way out has gone.
   */
  async removedHasGone(): Promise<void> {
    for (let turns = 0; turns < 2; turns++) await new Promise(resolve => setImmediate(resolve))
    await Promise.all(this.leaving.values())
  }

  /** Everything that was stored is written and durable, as far as it can be. Returns the first errno. */
  async sync(): Promise<Errno> {
    const handedOver = await this.pages.write(this.pages.files)
    const written = await this.writeAll([...this.core.dirtyFiles()])
    // Names that were given while that was written, which may have been long.
    if (this.named.size > 0) await this.writeNamed()
    const failed = handedOver.failed === errno.OK ? written : handedOver.failed
    const task = this.performer.begin(this.core.syncing, { commit: undefined }, this.who('sync'))
    const committed = await this.performer.finished(task, each => each.errno, undefined)
    return failed === errno.OK ? committed : failed
  }

  /** The mount is gone: every file leaves. What could not be written is dropped. */
  async close(): Promise<void> {
    await Promise.all(this.leaving.values())
    for (const used of [...this.used.values()]) await this.leave(used)
  }

  private isNameless(ino: number): boolean {
    const { value, errno: failed } = this.core.inodes.written(ino)
    // Of one whose record isn't here it isn't known.
    return failed !== errno.EAGAIN && (value === undefined || value.links === 0)
  }

  private trim(): void {
    for (const used of this.idle) {
      if (this.idle.size <= IDLE_MAX) return
      this.begin(used)
    }
  }

  /** It leaves, if nobody uses it meanwhile. */
  private begin(used: Used): void {
    this.idle.delete(used)
    if (!isDirty(used) || this.isNameless(used.ino)) {
      void this.leave(used)
      return
    }
    void this.write(used.file).then(failed => {
      if (used.users > 0 || !this.used.has(used.ino)) return
      if (failed !== errno.OK || isDirty(used)) this.idle.add(used)
      else void this.leave(used)
    })
  }

  private leave(used: Used): Promise<void> {
    const { ino, file } = used
    this.idle.delete(used)
    this.used.delete(ino)
    this.named.delete(used)
    const { cached } = file
    const closed = this.core.close(file)
    assert(closed === 'closed', 'MTF1: nobody else has a file of the mount open')
    const task = this.performer.begin(this.engine.verbs.forget, { file: cached }, this.who('close'))
    const left = this.performer.finished(
      task,
      () => {
        this.leaving.delete(ino)
        this.core.forget(file)
      },
      undefined,
    )
    if (task.state !== 'ended') this.leaving.set(ino, left)
    return left
  }

  private async writeNamed(): Promise<Errno> {
    const named = [...this.named]
    const handedOver = await this.pages.write(named.map(([{ ino }]) => ino))
    const written = await this.writeAll(named.map(([{ file }]) => file))
    const failed = handedOver.failed === errno.OK ? written : handedOver.failed
    // Not before: who syncs meanwhile waits for the same. One that was given another name meanwhile may be dirty again.
    for (const [used, naming] of named) if (this.named.get(used) === naming) this.named.delete(used)
    return failed
  }

  /** What is dirty of files, to the device. Returns the first errno. */
  private async writeAll(files: readonly VolumeFile[]): Promise<Errno> {
    let failed: Errno = errno.OK
    const left = files.values()
    const some = async () => {
      for (const file of left) {
        const ended = await this.write(file)
        if (failed === errno.OK) failed = ended
      }
    }
    await Promise.all(Array.from({ length: WRITTEN_TOGETHER }, some))
    return failed
  }

  /** What is dirty of a file, to the device. */
  private async write({ cached }: VolumeFile): Promise<Errno> {
    const args = syncArgs(cached, 0, Infinity, { seen: cached.errorCount }, 'written')
    const task = this.performer.begin(this.engine.verbs.sync, args, this.who('sync'))
    return this.performer.finished(task, each => each.errno, undefined)
  }

  private who(what: string): { readonly name: string; readonly group: GroupId } {
    return { name: `${what} of the mount`, group: this.group }
  }
}

function isDirty({ file }: Used): boolean {
  return file.cached.dirtiedAt !== Infinity || file.cached.underWriteback > 0
}
