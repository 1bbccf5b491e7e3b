/** stat, chmod, chown, truncate, utimes, statfs. Whether the caller may is the kernel's question (default_permissions). */
import { errno } from '../base/index.ts'
import { truncateArgs } from '../cache/index.ts'
import { type Answered, answer, type Operations, type Request, type Values, wire } from '../fuse/index.ts'
import type { Found, Time } from '../volume/index.ts'
import type { Used } from './files.ts'
import { attrOf, isSealed, modeOf, type Parts, perform, wrote } from './parts.ts'

const { Opcode } = wire

/** STATX_BASIC_STATS and STATX_BTIME. */
const STATX_MASK = 0xfff

type Setattr = Values<(typeof wire.SetattrIn)['fields']>

export function attributeOperations(parts: Parts): Operations {
  const { core, files, handles } = parts

  function told({
    errno: failed,
    value,
  }: {
    readonly errno: number
    readonly value?: Found | undefined
  }): Answered {
    return value === undefined
      ? failed
      : answer(wire.AttrOut, { attr_valid: parts.validity, attr: attrOf(parts, value) })
  }

  function setattr(request: Request): Answered | Promise<Answered> {
    const set = request.take(wire.SetattrIn)
    if ((set.valid & wire.FATTR_SIZE) === 0) return changeRest(request.nodeid, set)
    const open = (set.valid & wire.FATTR_FH) === 0 ? undefined : handles.files.get(set.fh)?.used
    return onFile(parts, request, open, used => resize(request, used, set))
  }

  function resize(request: Request, used: Used, set: Setattr): Answered | Promise<Answered> {
    if (isSealed(parts, used.ino)) return errno.EROFS
    const args = truncateArgs(used.file.cached, { size: set.size })
    return perform(parts, request, parts.engine.verbs.truncate, args, ({ errno: failed }) => {
      if (failed !== errno.OK) return failed
      wrote(parts, used.ino, (set.valid & wire.FATTR_KILL_SUIDGID) !== 0)
      return changeRest(used.ino, set)
    })
  }

  function changeRest(ino: number, set: Setattr): Answered {
    const { valid } = set
    const has = (bit: number) => (valid & bit) !== 0
    const now = parts.now()
    // chown(2) with neither owner nor group, which drops privileges all the same.
    const isChown = (valid & ~(wire.FATTR_LOCKOWNER | wire.FATTR_CTIME)) === 0
    const owner = isChown ? core.inodes.written(ino).value : undefined
    const time = (given: number, isNow: number, seconds: number, nanoseconds: number): { time?: Time } =>
      has(isNow) ? { time: now } : has(given) ? { time: { seconds: clamped(seconds), nanoseconds } } : {}
    const atime = time(wire.FATTR_ATIME, wire.FATTR_ATIME_NOW, set.atime, set.atimensec).time
    const mtime = time(wire.FATTR_MTIME, wire.FATTR_MTIME_NOW, set.mtime, set.mtimensec).time
    const change = {
      ...(has(wire.FATTR_MODE) ? { mode: set.mode & 0o7777 } : {}),
      ...(has(wire.FATTR_UID) ? { uid: set.uid } : {}),
      ...(has(wire.FATTR_GID) ? { gid: set.gid } : {}),
      ...(owner === undefined ? {} : { uid: owner.uid }),
      ...(atime === undefined ? {} : { atime }),
      ...(mtime === undefined ? {} : { mtime }),
    }
    if (has(wire.FATTR_SIZE) && Object.keys(change).length === 0) return told(core.inodes.getattr(ino))
    return told(core.inodes.setattr(ino, change, now))
  }

  function statx(request: Request): Answered {
    const { value: found, errno: failed } = core.inodes.getattr(request.nodeid)
    if (found === undefined) return failed
    const attr = attrOf(parts, found)
    const time = ({ seconds, nanoseconds }: Time) => ({ tv_sec: seconds, tv_nsec: nanoseconds })
    const { atime, btime, ctime, mtime } = found
    const stat = {
      mask: STATX_MASK,
      blksize: attr.blksize,
      nlink: attr.nlink,
      uid: attr.uid,
      gid: attr.gid,
      mode: modeOf(found),
      ino: attr.ino,
      size: attr.size,
      blocks: attr.blocks,
      atime: time(atime),
      btime: time(btime),
      ctime: time(ctime),
      mtime: time(mtime),
      rdev_major: (found.rdev >>> 8) & 0xfff,
      rdev_minor: (found.rdev & 0xff) | ((found.rdev >>> 12) & 0xfff00),
    }
    return answer(wire.StatxOut, { attr_valid: parts.validity, stat })
  }

  function statfs(): Answered {
    const { value, errno: failed } = core.inodes.statfs()
    if (value === undefined) return failed
    const { blockSize, blocks, free, inodes, inodesFree, nameMax } = value
    return answer(wire.Kstatfs, {
      blocks,
      bfree: free,
      bavail: free,
      files: inodes + inodesFree,
      ffree: inodesFree,
      bsize: blockSize,
      namelen: nameMax,
      frsize: blockSize,
    })
  }

  return {
    [Opcode.GETATTR]: request => told(core.inodes.getattr(request.nodeid)),
    [Opcode.SETATTR]: setattr,
    [Opcode.STATX]: statx,
    [Opcode.STATFS]: statfs,
    [Opcode.SYNCFS]: () => files.sync(),
  }
}

/** The nearest time that has a number, as Linux clamps it to what a filesystem can hold. */
function clamped(seconds: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(Number.MIN_SAFE_INTEGER, seconds))
}

/** Does something with a file: with the one that is open, or with that of the request's inode while it is done. */
export function onFile(
  { files }: Parts,
  request: Request,
  open: Used | undefined,
  act: (used: Used) => Answered | Promise<Answered>,
): Answered | Promise<Answered> {
  if (open !== undefined) return act(open)
  const run = (used: Used | number): Answered | Promise<Answered> => {
    if (typeof used === 'number') return used
    const answered = act(used)
    if (!(answered instanceof Promise)) {
      files.letGo(used)
      return answered
    }
    return answered.finally(() => files.letGo(used))
  }
  const used = files.use(request.nodeid)
  return used instanceof Promise ? used.then(run) : run(used)
}
