/** Names: looked up, made, linked, renamed and taken away; and inodes that the kernel forgets. */
import { errno } from '../base/index.ts'
import { type Answered, answer, type Operations, type Request, room, SILENT, wire } from '../fuse/index.ts'
import { bytesOf, type Found, type InodePlan, textOf } from '../volume/index.ts'
import { accessed, entryAnswer, entryOf, hold, kindOf, letGo, openHandle, type Parts } from './parts.ts'

const { Opcode } = wire

const RENAME_NOREPLACE = 1
const RENAME_EXCHANGE = 2
const PERMISSIONS = 0o7777

export function nameOperations(parts: Parts): Operations {
  const { core, files } = parts
  const { inodes } = core

  const place = (request: Request, directory = request.nodeid) => ({
    directory,
    name: textOf(request.name()),
  })

  function entry(
    request: Request,
    { errno: failed, value }: { readonly errno: number; readonly value?: Found | undefined },
  ): Answered {
    return value === undefined ? failed : entryAnswer(parts, request, value)
  }

  function lookup(request: Request): Answered {
    const found = inodes.lookup(place(request))
    if (found.errno !== errno.ENOENT) return entry(request, found)
    // That there is no such name the kernel may keep as well.
    const nothing = { ...NOTHING, nodeid: 0, generation: 0, entry_valid: parts.validity, attr_valid: 0 }
    return answer(wire.EntryOut, nothing)
  }

  function make(request: Request, plan: Omit<InodePlan, 'uid' | 'gid'>): Answered {
    const { uid, gid } = request
    return entry(request, inodes.make(place(request), { ...plan, uid, gid }, parts.now()))
  }

  function mknod(request: Request): Answered {
    const { mode, rdev, umask } = request.take(wire.MknodIn)
    const kind = kindOf(mode)
    if (kind === undefined) return errno.EINVAL
    const isDevice = kind === 'block device' || kind === 'char device'
    return make(request, { kind, mode: mode & PERMISSIONS, umask, ...(isDevice ? { rdev } : {}) })
  }

  function symlink(request: Request): Answered {
    const at = place(request)
    const target = textOf(request.name())
    const { uid, gid } = request
    const plan = { kind: 'symlink', mode: 0o777, uid, gid, target } as const
    return entry(request, inodes.make(at, plan, parts.now()))
  }

  function readlink(request: Request): Answered {
    const { value, errno: failed } = inodes.readlink(request.nodeid)
    if (value === undefined) return failed
    accessed(parts, request.nodeid)
    const bytes = bytesOf(value)
    const payload = room(bytes.length)
    payload.set(bytes)
    return payload
  }

  function rename(request: Request, directory: number, flags: number): Answered {
    if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0) return errno.EINVAL
    const from = place(request)
    const to = place(request, directory)
    const how = flags === RENAME_EXCHANGE ? 'exchange' : flags === RENAME_NOREPLACE ? 'noreplace' : 'replace'
    const failed = inodes.rename(from, to, how, parts.now()).errno
    if (failed === errno.OK) for (const at of how === 'exchange' ? [from, to] : [to]) named(at)
    return failed
  }

  function named(at: ReturnType<typeof place>): void {
    const found = inodes.lookup(at).value
    if (found?.kind === 'file') files.gotName(found.ino)
  }

  function forget(ino: number, times: number): void {
    if (ino === wire.ROOT_ID) return
    files.forgotten(ino)
    letGo(parts, ino, times)
  }

  function create(request: Request): Answered | Promise<Answered> {
    const { mode, umask, flags } = request.take(wire.CreateIn)
    const { uid, gid } = request
    const plan = { kind: 'file', mode: mode & PERMISSIONS, uid, gid, umask } as const
    return opened(request, inodes.make(place(request), plan, parts.now()), flags)
  }

  function tmpfile(request: Request): Answered | Promise<Answered> {
    const { mode, umask, flags } = request.take(wire.CreateIn)
    const { uid, gid } = request
    const plan = { kind: 'file', mode: mode & PERMISSIONS, uid, gid, umask } as const
    const made = inodes.makeUnnamed(request.nodeid, plan, parts.now())
    const answered = opened(request, made, flags)
    // It was made held; the kernel's own hold is what it has from now on.
    if (made.value !== undefined) letGo(parts, made.value.ino, 1)
    return answered
  }

  /** A new file, open. */
  function opened(
    request: Request,
    { value: found, errno: failed }: { readonly errno: number; readonly value?: Found | undefined },
    flags: number,
  ): Answered {
    if (found === undefined) return failed
    const used = files.use(found.ino)
    if (used instanceof Promise || typeof used === 'number')
      return typeof used === 'number' ? used : errno.EIO
    const fh = openHandle(parts, request, used, flags)
    hold(parts, request, found.ino)
    const payload = room(wire.EntryOut.size + wire.OpenOut.size).fill(0)
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
    wire.EntryOut.write(view, 0, entryOf(parts, found))
    wire.OpenOut.write(view, wire.EntryOut.size, { fh, open_flags: wire.FOPEN_KEEP_CACHE })
    return payload
  }

  return {
    [Opcode.LOOKUP]: lookup,
    [Opcode.MKNOD]: mknod,
    [Opcode.MKDIR](request) {
      const { mode, umask } = request.take(wire.MkdirIn)
      return make(request, { kind: 'directory', mode: mode & PERMISSIONS, umask })
    },
    [Opcode.SYMLINK]: symlink,
    [Opcode.READLINK]: readlink,
    [Opcode.LINK](request) {
      const { oldnodeid } = request.take(wire.LinkIn)
      files.gotName(oldnodeid)
      return entry(request, inodes.link(oldnodeid, place(request), parts.now()))
    },
    [Opcode.UNLINK]: request => inodes.unlink(place(request), parts.now()).errno,
    [Opcode.RMDIR]: request => inodes.rmdir(place(request), parts.now()).errno,
    [Opcode.RENAME]: request => rename(request, request.take(wire.RenameIn).newdir, 0),
    [Opcode.RENAME2](request) {
      const { newdir, flags } = request.take(wire.Rename2In)
      return rename(request, newdir, flags)
    },
    [Opcode.CREATE]: create,
    [Opcode.TMPFILE]: tmpfile,
    [Opcode.FORGET](request) {
      forget(request.nodeid, request.take(wire.ForgetIn).nlookup)
      return SILENT
    },
    [Opcode.BATCH_FORGET](request) {
      const { count } = request.take(wire.BatchForgetIn)
      for (let n = 0; n < count; n++) {
        const { nodeid, nlookup } = request.take(wire.ForgetOne)
        forget(nodeid, nlookup)
      }
      return SILENT
    },
  }
}

const NOTHING = {
  attr: {
    ino: 0,
    size: 0,
    blocks: 0,
    atime: 0,
    mtime: 0,
    ctime: 0,
    atimensec: 0,
    mtimensec: 0,
    ctimensec: 0,
    mode: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
    rdev: 0,
    blksize: 0,
  },
} as const
