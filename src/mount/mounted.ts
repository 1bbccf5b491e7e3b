/**
 * A volume that is mounted: a machine, the volume in it, and a session with the kernel whose requests are tasks of that
 * machine.
 *
 *     mount -> serving -> unmounted | aborted -> closed
 *
 * Unmounting is asked of the kernel, never decided here: it writes what is dirty in its caches, which this process has to
 * answer, and only then is the session at its end. Then everything is synced and the volume is closed.
 *
 * Invariants
 *   MTV1 From mount(2) on this process asks the kernel for nothing below its own mount: it would wait for itself.
 *   MTV2 However the session ends, the volume is closed, and what was written is durable or said to be lost.
 */
import { closeSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { SharedPlaceOptions } from '../api/index.ts'
import { type Errno, errno, errnoName, hang, messageOf } from '../base/index.ts'
import { FaultlineError, type Group } from '../calls/index.ts'
import {
  Aside,
  FILESYSTEM,
  FusermountFailed,
  type MountPlan,
  mountAs,
  mountinfo,
  mountOver,
  mountsAt,
  parseMountinfo,
  Session,
  type SessionEnd,
  type User,
  unmount,
  usersOf,
} from '../fuse/index.ts'
import type { Settings } from '../group/index.ts'
import { Linux, PR_SET_IO_FLUSHER } from '../linux/index.ts'
import { Machine } from '../map/index.ts'
import type { Time } from '../volume/index.ts'
import { blockSizeOf, type CachePlace, openCache, type Volume } from '../volumes/index.ts'
import { attributeOperations } from './attributes.ts'
import { Callers } from './callers.ts'
import { controlOperations } from './control.ts'
import type { MountStatus } from './control-wire.ts'
import { dataOperations } from './data.ts'
import { directoryOperations } from './directories.ts'
import { Ending } from './ending.ts'
import { Files } from './files.ts'
import { Handles } from './handles.ts'
import { KernelPages } from './kernel-pages.ts'
import { nameOperations } from './names.ts'
import { Notifications } from './notifications.ts'
import { A_MOMENT, FOREVER, type Parts } from './parts.ts'
import { removeDead } from './place.ts'
import { rangeOperations } from './ranges.ts'
import { restarting } from './restarting.ts'
import { SlowRequests } from './slow-requests.ts'
import { xattrOperations } from './xattrs.ts'

/** How a volume is mounted. */
export interface MountOptions {
  readonly readOnly?: boolean
  /** The volume is one of many machines, and is named, not where it lies. Mounted read-only it goes on to what others commit. */
  readonly shared?: SharedPlaceOptions & { readonly meta: string }
  /** Keeps parts of a volume of many machines on this computer; nothing is kept if left out. */
  readonly cache?: CachePlace
  /** Memory of the machine, in bytes; MEMORY_DEFAULT if left out. */
  readonly memory?: number
  /** Whether users others than who mounts it may enter. */
  readonly allowOther?: boolean
  /** `back`: the kernel keeps what was written and writes it when it likes. */
  readonly writes?: 'through' | 'back'
  /** Seconds after which what was changed is made durable, though nobody has asked for it. */
  readonly commit?: number
  /** Limits of the mount's group: keys and values are cgroup2's. */
  readonly limits?: Settings
  /** Each caller's control group has a group of its own: limits by paths, in place of what the kernel's files say. */
  readonly groups?: ReadonlyMap<string, Settings>
  /** Hears of what nobody else can be told. */
  readonly onError?: (message: string) => void
}

export const MEMORY_DEFAULT = 256 * 2 ** 20
/** The part of memory in which what is dirty waits for more: the host's cache below can wait longer, and fsync finds less to be done. */
const DIRTY_HELD = 0.02
/** As ext4's. */
export const COMMIT_DEFAULT = 5
/**
 * Of the kernel's readahead for this mount, in KiB: the engine has one of its own below it. Of 1, 2, 4 and 8 MiB this keeps a reader in
 * order and the daemon busy at once most often: 3.2 GiB/s against 1.9 where the two took turns.
 */
const READ_AHEAD_KB = 4096
const MS = 1000

/** The kernel did not unmount, since somebody uses what is mounted. */
export interface Busy {
  readonly users: readonly User[]
}

export class MountedVolume {
  readonly volume: Volume
  readonly target: string
  readonly machine: Machine
  /** Settles when the volume is closed. Throws what could not be made durable. */
  readonly ended: Promise<SessionEnd>
  private readonly session: Session
  private readonly aside: Aside
  private readonly parts: Parts
  private readonly fd: number
  /** The mount as a device, as `0:45`; undefined if it is gone. */
  private readonly device: string | undefined
  private readonly onError: (message: string) => void
  private readonly notifications: Notifications
  private readonly commits: NodeJS.Timeout | undefined
  private committing = false
  /** It is out of sight: what is mounted there now is another. */
  private isGone = false
  /** How the last commit that nobody asked for ended: what goes on failing is told once. */
  private lastCommit: Errno = errno.OK

  /**
   * Mounts a volume at a directory. Throws a FaultlineError. From mount(2) until who waits for this goes on, the event loop has no
   * turn: a signal's listener is called before, and nothing is mounted, or after.
   */
  static async mount(volumePath: string, target: string, options: MountOptions = {}): Promise<MountedVolume> {
    const linux = linuxHere()
    const { shared } = options
    const source = shared === undefined ? resolve(volumePath) : volumePath
    const place = checkedTarget(linux, target)
    if (shared === undefined) checkSource(source, place)
    // What this process asks for to answer a request must not wait for pages that only its answer makes clean.
    linux.prctl(PR_SET_IO_FLUSHER, 1)
    const pageSize = await blockSizeOf(source, shared ?? {})
    const slow = new SlowRequests()
    const memory = options.memory ?? MEMORY_DEFAULT
    const writeback = { backgroundRatio: DIRTY_HELD }
    const machine = await Machine.start({ memory, pageSize, writeback, watcher: slow })
    slow.attach(machine.engine.scheduler)
    const ending = new Ending(linux)
    try {
      const volume = await openedIn(machine, source, options).catch((error: unknown) => {
        // Of many machines it says itself who has it; what is mounted here by that name may be another's, or its cache be held.
        throw options.shared === undefined ? asMounted(error, source) : error
      })
      const who = chargedOf(machine, options)
      const readOnly = options.readOnly === true || volume.readOnly
      const plan = {
        source,
        target: place,
        readOnly,
        allowOther: options.allowOther === true,
        uid: process.getuid!(),
        gid: process.getgid!(),
      }
      const fd = descriptor(linux, plan)
      if (fd < 0) throw refused(-fd, place)
      try {
        return new MountedVolume(linux, machine, volume, place, fd, ending, slow, who, options)
      } catch (error) {
        closeSync(fd)
        unmount(linux, place, 'detach')
        throw error
      }
    } catch (error) {
      ending.discard()
      await machine.close().catch(() => {})
      throw error
    }
  }

  private constructor(
    linux: Linux,
    machine: Machine,
    volume: Volume,
    target: string,
    fd: number,
    ending: Ending,
    slow: SlowRequests,
    { group, callers }: Charged,
    options: MountOptions,
  ) {
    const { core } = volume
    const { engine, performer } = machine
    this.machine = machine
    this.volume = volume
    this.target = target
    this.fd = fd
    this.device = mountsAt(target).at(-1)?.device
    this.onError = options.onError ?? (() => {})
    this.aside = new Aside()
    this.notifications = new Notifications(this.aside, fd, volume.core.parts.disk.blockSize)
    const { notifications } = this
    const groupOf = (thread: number) => (callers?.groupOf(thread) ?? group).id
    const writes = options.writes ?? 'through'
    const pages = new KernelPages({ core, aside: this.aside, fd, target, writes })
    const files = new Files(core, engine, performer, group.id, pages)
    const handles = new Handles()
    const { blockSize } = core.parts.disk
    const validity = isFollowing(options) ? A_MOMENT : FOREVER
    this.parts = { core, engine, performer, groupOf, files, handles, pages, slow, blockSize, now, validity }
    const { parts } = this
    hang(core, 'onFollowed', changed => void notifications.followed(changed, core.inodes))
    this.session = new Session(linux, {
      fd,
      writes,
      isQuiet: () => isQuiet(engine),
      onError: error => this.onError(error instanceof Error ? (error.stack ?? error.message) : String(error)),
      operations: slow.watched(
        restarting(parts, {
          ...nameOperations(parts),
          ...attributeOperations(parts),
          ...dataOperations(parts),
          ...directoryOperations(parts),
          ...rangeOperations(parts),
          ...xattrOperations(parts),
          ...controlOperations(parts, {
            volume,
            notifications,
            writes,
            end: ending.place,
            status: () => this.status(),
          }),
        }),
      ),
    })
    const seconds = options.commit ?? COMMIT_DEFAULT
    this.commits = setInterval(() => void this.commit(), seconds * MS)
    this.session.serve()
    this.ended = ending.tell(this.session.end.then(how => this.close(how)))
    void this.tune()
  }

  /** Requests that the kernel has no answer to yet. */
  get pending(): number {
    return this.session.pending
  }

  /** What it is doing at this moment. */
  status(): MountStatus {
    const { slow } = this.parts
    const machine = this.machine.dump()
    const { path } = this.volume
    return {
      volume: path,
      target: this.target,
      pid: process.pid,
      connection: connectionOf(this.device),
      requests: [...this.session.requests].map(request => slow.underWay(request, machine.time)),
      slow: slow.answered,
      machine,
    }
  }

  /** Asks the kernel to unmount. Settles with who uses it, if it didn't. */
  async unmount(): Promise<Busy | undefined> {
    const { target } = this
    if (this.isGone) return undefined
    const failed = -(await this.aside.call({ what: 'unmount', target, how: 'when nobody uses it' }))
    this.isGone ||= failed === errno.OK
    // EINVAL: it isn't mounted any more.
    if (failed === errno.OK || failed === errno.EINVAL) return undefined
    if (failed !== errno.EBUSY) throw unmountFailed(failed, target)
    return { users: usersOf(target) }
  }

  /** Takes the mount out of the tree of files; it ends when the last who uses it has let go. */
  async detach(): Promise<void> {
    const { target } = this
    if (this.isGone) return
    const failed = -(await this.aside.call({ what: 'unmount', target, how: 'detach' }))
    this.isGone ||= failed === errno.OK
    if (failed !== errno.OK && failed !== errno.EINVAL) throw unmountFailed(failed, target)
  }

  /** What was changed is durable from now on. */
  private async commit(): Promise<void> {
    const { core, files, pages } = this.parts
    // What the kernel has kept back is a change as well.
    const isChanged = core.isChanged || pages.files.length > 0
    if (this.committing || core.isReadOnly || !isChanged) return
    this.committing = true
    const failed = await files.sync()
    this.committing = false
    const isTold = failed === errno.OK || failed === this.lastCommit
    this.lastCommit = failed
    if (!isTold)
      this.onError(`what was changed in ${this.volume.path} could not be made durable: ${errnoName(failed)}`)
  }

  private async close(how: SessionEnd): Promise<SessionEnd> {
    this.isGone = true
    clearInterval(this.commits)
    const { files, handles, pages } = this.parts
    await this.notifications.end()
    await pages.end()
    closeSync(this.fd)
    try {
      for (const { used } of handles.files.clear()) files.letGo(used)
      const failed = this.volume.readOnly ? errno.OK : await files.sync()
      await files.close()
      await this.volume.close()
      if (failed !== errno.OK) throw lost(failed, this.volume.path)
    } finally {
      await this.machine.close()
      await this.aside.end()
    }
    return how
  }

  /** What the kernel gives a network's filesystem by default is little for one that is near. Where it can't be set it stays. */
  private async tune(): Promise<void> {
    const { device } = this
    if (device === undefined) return
    const folder = `/sys/class/bdi/${device}`
    await this.aside.call({ what: 'set', path: `${folder}/read_ahead_kb`, value: String(READ_AHEAD_KB) })
    // Pages dirtied through mappings would crawl: 1 % of memory at most, by guess.
    await this.aside.call({ what: 'set', path: `${folder}/strict_limit`, value: '0' })
    await this.aside.call({ what: 'set', path: `${folder}/max_ratio`, value: '20' })
  }
}

/** Whose expense requests are. */
interface Charged {
  readonly group: Group
  readonly callers: Callers | undefined
}

/** What is wrong with limits is said before anything is mounted, as a FaultlineError of the operation 'group'. */
function chargedOf(machine: Machine, { limits, groups }: MountOptions): Charged {
  const isOwn = limits !== undefined || groups !== undefined
  const group = isOwn ? machine.group('mount', limits) : machine.root
  return { group, callers: groups === undefined ? undefined : new Callers(group, groups) }
}

/** A kernel's dev_t. */
function connectionOf(device: string | undefined): number {
  const [major, minor] = (device ?? '0:0').split(':').map(Number) as [number, number]
  return major * 2 ** 20 + minor
}

function isQuiet({ scheduler }: Machine['engine']): boolean {
  for (const { state, wait } of scheduler.tasks.values())
    if (state !== 'waiting' || wait?.why !== 'timer') return false
  return true
}

function now(): Time {
  const milliseconds = performance.timeOrigin + performance.now()
  const seconds = Math.floor(milliseconds / MS)
  return { seconds, nanoseconds: Math.floor((milliseconds - seconds * MS) * 1e6) }
}

function linuxHere(): Linux {
  if (process.platform !== 'linux')
    throw new FaultlineError(
      'ENOTSUP',
      'mount',
      'mount: only Linux has /dev/fuse; elsewhere see volume get and put',
    )
  try {
    return new Linux()
  } catch (error) {
    throw new FaultlineError('ENOTSUP', 'mount', `mount: ${messageOf(error)}`, error)
  }
}

/** Whether others change what is mounted. */
function isFollowing({ shared, readOnly }: MountOptions): boolean {
  return shared !== undefined && readOnly === true
}

async function openedIn(machine: Machine, source: string, options: MountOptions): Promise<Volume> {
  const mode = options.readOnly === true ? 'r' : 'r+'
  const { cache } = options
  return machine.openVolume(source, {
    mode,
    ...options.shared,
    ...(cache && { cache: await openCache(machine, cache) }),
    ...(isFollowing(options) && { follow: 'commits' }),
  })
}

/** The directory, without links on the way; what a dead daemon has left there is taken away. */
function checkedTarget(linux: Linux, target: string): string {
  const place = removeDead(linux, resolve(target))
  if (mountsAt(place).some(({ type }) => type.startsWith('fuse')))
    throw new FaultlineError(
      'EBUSY',
      'mount',
      `mount at ${place}: a filesystem of FUSE is mounted there; faultline umount ${place} first`,
    )
  const stat = statSync(place, { throwIfNoEntry: false })
  if (stat === undefined)
    throw new FaultlineError(
      'ENOENT',
      'mount',
      `mount at ${place}: there is no such directory; make it first`,
    )
  if (!stat.isDirectory())
    throw new FaultlineError(
      'ENOTDIR',
      'mount',
      `mount at ${place}: it is not a directory; expected one to mount at`,
    )
  return place
}

/** A volume that is a directory isn't below its own mount. */
function checkSource(source: string, place: string): void {
  if (source === place || source.startsWith(`${place}/`))
    throw new FaultlineError(
      'EINVAL',
      'mount',
      `mount at ${place}: the volume ${source} lies below that directory, and would be hidden by its own mount; expected a directory elsewhere`,
    )
  const over = mountOver(source, mountinfo())
  if (over?.source === source)
    throw new FaultlineError(
      'EINVAL',
      'mount',
      `mount of ${source}: it lies in its own mount at ${over.target}`,
    )
}

/** That a volume can't be opened since it is mounted elsewhere already. */
function asMounted(error: unknown, source: string): unknown {
  if (!(error instanceof FaultlineError) || error.code !== 'EBUSY') return error
  const other = parseMountinfo(mountinfo()).find(each => each.type === FILESYSTEM && each.source === source)
  if (other === undefined) return error
  const { target } = other
  return new FaultlineError(
    'EBUSY',
    'mount',
    `mount of ${source}: it is mounted at ${target} already; faultline umount ${target} first`,
    error,
  )
}

function descriptor(linux: Linux, plan: MountPlan): number {
  try {
    return mountAs(linux, plan)
  } catch (error) {
    if (error instanceof FusermountFailed)
      throw new FaultlineError('EPERM', 'mount', `mount at ${plan.target}: ${error.message}`, error)
    throw error
  }
}

function refused(failed: Errno, target: string): FaultlineError {
  const why =
    failed === errno.EPERM
      ? 'only root may mount here; run it as root'
      : `the kernel refused with ${errnoName(failed)}`
  return new FaultlineError(errnoName(failed), 'mount', `mount at ${target}: ${why}`)
}

function unmountFailed(failed: Errno, target: string): FaultlineError {
  return new FaultlineError(
    errnoName(failed),
    'umount',
    `umount of ${target} failed with ${errnoName(failed)}`,
  )
}

function lost(failed: Errno, path: string): FaultlineError {
  const code = errnoName(failed)
  return new FaultlineError(
    code,
    'umount',
    `the volume ${path}: something that was written could not be made durable (${code}) and is lost`,
  )
}
