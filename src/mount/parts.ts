/** What the operations of a mounted volume work with, brought together. */
import { type Bytes, errno, type GroupId } from '../base/index.ts'
import type { Performer } from '../calls/index.ts'
import type { Engine } from '../engine/index.ts'
import {
  type Answered,
  answer,
  type HandedOver,
  type Payload,
  type Request,
  type Values,
  wire,
} from '../fuse/index.ts'
import type { Task, Verb } from '../sched/index.ts'
import {
  type Answer,
  Asking,
  askingArgs,
  type Volume as Core,
  type Found,
  type Time,
} from '../volume/index.ts'
import type { Files, Used } from './files.ts'
import type { Handles } from './handles.ts'
import type { KernelPages } from './kernel-pages.ts'
import type { SlowRequests } from './slow-requests.ts'

export interface Parts {
  readonly core: Core
  readonly engine: Engine
  readonly performer: Performer
  /** Whose memory and I/O a request is. */
  readonly groupOf: (thread: number) => GroupId
  readonly files: Files
  readonly handles: Handles
  readonly pages: KernelPages
  readonly slow: SlowRequests
  readonly blockSize: Bytes
  readonly now: () => Time
  /** How long the kernel may keep names and attributes without asking, in seconds. */
  readonly validity: number
}

/** `validity` where nobody else changes the volume while it is mounted. */
export const FOREVER = 86_400
/** Where others do: what is changed is told the kernel, but names that it knows only if it is known which. */
export const A_MOMENT = 1

/**
 * Begins a task of the engine for a request, and answers with what `then` makes of its end: at once if it ended at once.
 * Killed, it ends with EINTR.
 */
export function perform<Args, T extends Answered | undefined = Answered>(
  { performer, groupOf, slow }: Parts,
  request: Request,
  verb: Verb<Args>,
  args: Args,
  then: (task: Task<Args>) => T | Promise<T>,
): T | Promise<T> {
  const name = `${verb.name} of inode ${request.nodeid} for thread ${request.pid}`
  const task = performer.beginAwaited(verb, args, { name, group: groupOf(request.pid) })
  if (task.state === 'ended') return then(task)
  slow.works(request, task)
  request.kill = () => performer.kill(task)
  return performer
    .finished(task, ended => ended, undefined)
    .then(ended => {
      request.kill = undefined
      return then(ended)
    })
}

/**
 * Answers when the kernel has written what it has dirty of files, which it asks of us by other requests. Killed, it is answered
 * EINTR at once.
 */
export function withKernelPages(
  parts: Parts,
  request: Request,
  inos: readonly number[],
  then: (handedOver: HandedOver) => Answered | Promise<Answered>,
): Answered | Promise<Answered> {
  const isClean = !inos.some(ino => parts.pages.mayBeDirty(ino))
  return isClean ? then(NOTHING_DIRTY) : afterKernelPages(parts, request, inos, then)
}

async function afterKernelPages(
  { pages }: Parts,
  request: Request,
  inos: readonly number[],
  then: (handedOver: HandedOver) => Answered | Promise<Answered>,
): Promise<Answered> {
  const killed = new Promise<undefined>(resolve => {
    request.kill = () => resolve(undefined)
  })
  const handedOver = await Promise.race([pages.write(inos), killed])
  request.kill = undefined
  return handedOver === undefined ? errno.EINTR : then(handedOver)
}

const NOTHING_DIRTY: HandedOver = { unreachable: errno.OK, failed: errno.OK }

const TYPE_BITS: Readonly<Record<Found['kind'], number>> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  socket: 0o140000,
  'block device': 0o060000,
  'char device': 0o020000,
}

const KIND_OF = new Map(Object.entries(TYPE_BITS).map(([kind, bits]) => [bits, kind as Found['kind']]))

/** st_mode: the kind and the permissions. */
export function modeOf({ kind, mode }: Pick<Found, 'kind' | 'mode'>): number {
  return TYPE_BITS[kind] | mode
}

/** What a st_mode says it is; undefined: nothing that there is. */
export function kindOf(mode: number): Found['kind'] | undefined {
  return KIND_OF.get(mode & 0o170000)
}

/** DT_*: the kind as entries of directories have it. */
export function direntType(kind: Found['kind']): number {
  return TYPE_BITS[kind] >>> 12
}

export function attrOf({ blockSize, pages }: Parts, found: Found): Values<(typeof wire.Attr)['fields']> {
  const { ino, size, atime, mtime, ctime, links, uid, gid, rdev } = found
  return {
    ino,
    size,
    blocks: pages.sectors(found),
    atime: atime.seconds,
    mtime: mtime.seconds,
    ctime: ctime.seconds,
    atimensec: atime.nanoseconds,
    mtimensec: mtime.nanoseconds,
    ctimensec: ctime.nanoseconds,
    mode: modeOf(found),
    nlink: links,
    uid,
    gid,
    rdev,
    blksize: blockSize,
  }
}

export function entryOf(parts: Parts, found: Found): Values<(typeof wire.EntryOut)['fields']> {
  const { ino: nodeid, generation } = found
  const { validity } = parts
  return { nodeid, generation, entry_valid: validity, attr_valid: validity, attr: attrOf(parts, found) }
}

/** The entry as an answer: the kernel has the inode once more, unless the answer doesn't reach it. */
export function entryAnswer(parts: Parts, request: Request, found: Found): Payload {
  hold(parts, request, found.ino)
  return answer(wire.EntryOut, entryOf(parts, found))
}

export function hold(parts: Parts, request: Request, ino: number): void {
  parts.core.inodes.hold(ino)
  onUnsent(request, () => letGo(parts, ino, 1))
}

/** So many holds of the kernel less. */
export function letGo(parts: Parts, ino: number, times: number): void {
  note(parts, 'release', () => parts.core.inodes.release(ino, times))
}

/** What a request leaves behind and nobody waits for: noted now, or when its record is here. */
function note({ performer, groupOf }: Parts, what: string, ask: () => Answer<unknown>): void {
  if (ask().outcome.kind !== 'wait') return
  performer.begin(new Asking(), askingArgs(ask), { name: `${what} of the mount`, group: groupOf(0) })
}

/** A handle on a file, which is closed again if the kernel doesn't learn of it. */
export function openHandle(parts: Parts, request: Request, used: Used, flags: number): number {
  const { handles, pages } = parts
  const canDirty = pages.canDirty(flags)
  if (canDirty) pages.opened(used.ino)
  const fh = handles.openFile(used, { canDirty })
  onUnsent(request, () => closeHandle(parts, fh))
  return fh
}

export function closeHandle({ handles, files, pages }: Parts, fh: number): void {
  const handle = handles.files.take(fh)
  if (handle === undefined) return
  if (handle.canDirty) pages.released(handle.used.ino)
  files.letGo(handle.used)
}

function onUnsent(request: Request, undo: () => void): void {
  const before = request.unsent
  request.unsent = () => {
    before?.()
    undo()
  }
}

/** Whether it lies in a snapshot that is to be read only. */
export function isSealed({ core }: Parts, ino: number): boolean {
  return core.inodes.getattr(ino).value?.sealed === true
}

/** After a day a time of reading is written down though nothing was changed since (relatime). */
const DAY = 86_400

/** relatime: a reading is written down if it is the first after a change, or after a day. */
export function accessed(parts: Parts, ino: number): void {
  if (!parts.core.isReadOnly) note(parts, 'time of reading', () => accessedNow(parts, ino))
}

function accessedNow({ core, now: clock }: Parts, ino: number): Answer<unknown> {
  const written = core.inodes.written(ino)
  const found = written.value
  if (found === undefined || found.sealed) return written
  const now = clock()
  const { atime, mtime, ctime } = found
  const last = mtime.seconds > ctime.seconds ? mtime : ctime
  const isOld =
    atime.seconds < last.seconds ||
    (atime.seconds === last.seconds && atime.nanoseconds <= last.nanoseconds) ||
    now.seconds - atime.seconds >= DAY
  return isOld ? core.inodes.accessed(ino, now) : written
}

/** What a write or a truncation means for times and privileges. */
export function wrote(parts: Parts, ino: number, killsPrivileges: boolean): void {
  const time = parts.now()
  const by = killsPrivileges ? 'unprivileged' : 'privileged'
  note(parts, 'time of writing', () => parts.core.inodes.wrote(ino, by, time))
}

/**
 * The same of a range that was allocated, zeroed, copied or shifted. Of a write and of a truncation the kernel says whether the caller
 * has CAP_FSETID, of these calls it doesn't (HANDLE_KILLPRIV_V2): root keeps set-uid and set-gid, as on other filesystems.
 */
export function wroteRange(parts: Parts, { uid }: Request, ino: number): void {
  wrote(parts, ino, uid !== 0)
}
