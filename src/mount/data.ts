/**
 * What files hold: opened, read, written, made durable, closed. Each read and each write is a task of the engine on the pages
 * of its cache; where the page isn't there, the task waits and nobody else does.
 *
 * A write that has been answered has its blocks: a volume that is full is told of by the write itself, and not later.
 */
import { type Errno, errno } from '../base/index.ts'
import { copyArgs, lend, syncArgs, truncateArgs } from '../cache/index.ts'
import { type Answered, answer, type Operations, type Pieces, type Request, wire } from '../fuse/index.ts'
import type { Used } from './files.ts'
import type { FileHandle } from './handles.ts'
import { accessed, closeHandle, isSealed, openHandle, type Parts, perform, wrote } from './parts.ts'

const { Opcode } = wire

const O_ACCMODE = 3
const O_TRUNC = 0o1000
const ENOSYS = 38

/** Bytes that are damaged or missing are EIO to programs, as on other filesystems; EUCLEAN is what names and attributes may be. */
function ofData(failed: Errno): Errno {
  return failed === errno.EUCLEAN ? errno.EIO : failed
}

export function dataOperations(parts: Parts): Operations {
  const { files, handles, pages, engine } = parts

  const handle = (fh: number): FileHandle | undefined => handles.files.get(fh)

  function open(request: Request): Answered | Promise<Answered> {
    const { flags, open_flags } = request.take(wire.OpenIn)
    const run = (used: Used | number): Answered | Promise<Answered> => {
      if (typeof used === 'number') return used
      if ((flags & (O_ACCMODE | O_TRUNC)) !== 0 && isSealed(parts, used.ino)) {
        files.letGo(used)
        return errno.EROFS
      }
      if ((flags & O_TRUNC) === 0) return opened(request, used, flags)
      const killsPrivileges = (open_flags & wire.OPEN_KILL_SUIDGID) !== 0
      const args = truncateArgs(used.file.cached, { size: 0 })
      return perform(parts, request, engine.verbs.truncate, args, ({ errno: failed }) => {
        if (failed !== errno.OK) {
          files.letGo(used)
          return failed
        }
        wrote(parts, used.ino, killsPrivileges)
        return opened(request, used, flags)
      })
    }
    const used = files.use(request.nodeid)
    return used instanceof Promise ? used.then(run) : run(used)
  }

  function opened(request: Request, used: Used, flags: number): Answered | Promise<Answered> {
    const fh = openHandle(parts, request, used, flags)
    const answered = answer(wire.OpenOut, { fh, open_flags: wire.FOPEN_KEEP_CACHE })
    const announced = pages.canDirty(flags) ? pages.announced(used.ino) : undefined
    return announced === undefined ? answered : announced.then(() => answered)
  }

  function read(request: Request): Answered | Pieces | Promise<Answered> {
    const { fh, offset, size } = request.take(wire.ReadIn)
    const from = handle(fh)
    if (from === undefined) return errno.EBADF
    const { used, read } = from
    // Before anything is lent: what lies there stays as it is only while nothing else runs.
    accessed(parts, used.ino)
    const lent = lend(engine.cache, used.file.cached, { position: offset, length: size, read })
    if (lent !== undefined) return lent
    const payload = request.room(size)
    const args = copyArgs(used.file.cached, offset, payload, read)
    return perform(parts, request, engine.verbs.read, args, ({ errno: failed }) => {
      // Less than was asked for means the end of the file to the kernel: after an error nothing is told of what came before.
      if (failed !== errno.OK) return ofData(failed)
      return payload.subarray(0, args.copied)
    })
  }

  function write(request: Request): Answered | Promise<Answered> {
    const { fh, offset, size, write_flags } = request.take(wire.WriteIn)
    const to = handle(fh)
    if (to === undefined) return errno.EBADF
    const { used, read } = to
    if (offset + size > Number.MAX_SAFE_INTEGER) return errno.EFBIG
    const source = request.data(size)
    let tries = 0
    const attempt = (): Answered | Promise<Answered> => {
      const args = copyArgs(used.file.cached, offset, source, read)
      return perform(parts, request, engine.verbs.write, args, ({ errno: failed }) => {
        if (args.copied === 0 && failed === errno.ENOSPC && tries++ === 0)
          return files.removedHasGone().then(attempt)
        if (args.copied === 0 && failed !== errno.OK) return ofData(failed)
        wrote(parts, used.ino, (write_flags & wire.WRITE_KILL_SUIDGID) !== 0)
        return answer(wire.WriteOut, { size: args.copied })
      })
    }
    return attempt()
  }

  function fsync(request: Request): Answered | Promise<Answered> {
    const { fh } = request.take(wire.FsyncIn)
    const of = handle(fh)
    if (of === undefined) return errno.EBADF
    const { cached } = of.used.file
    // Its own bytes first, which may take long: names that are given meanwhile are no less durable than what they lead to.
    const written = syncArgs(cached, 0, Infinity, { seen: cached.errorCount }, 'written')
    return perform(parts, request, engine.verbs.sync, written, ({ errno: stopped }) =>
      stopped === errno.EINTR
        ? stopped
        : files.beforeNames(() => {
            const args = syncArgs(cached, 0, Infinity, of.cursor)
            return perform(parts, request, engine.verbs.sync, args, ({ errno: failed }) => failed)
          }),
    )
  }

  function release(request: Request): Answered {
    closeHandle(parts, request.take(wire.ReleaseIn).fh)
    return errno.OK
  }

  return {
    [Opcode.OPEN]: open,
    [Opcode.READ]: read,
    [Opcode.WRITE]: write,
    [Opcode.FSYNC]: fsync,
    // Nothing is kept back until a file is closed: what was written is in the engine's hands, and errors are told by fsync.
    [Opcode.FLUSH]: () => ENOSYS,
    [Opcode.RELEASE]: release,
  }
}
