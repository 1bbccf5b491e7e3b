/** Ranges of files: given blocks, made zero, copied by sharing blocks, and where data and holes are. */
import { errno } from '../base/index.ts'
import { truncateArgs } from '../cache/index.ts'
import { type Answered, answer, type Operations, type Request, wire } from '../fuse/index.ts'
import { preallocatingArgs, rangeCopyingArgs, seekingArgs } from '../volume/index.ts'
import type { FileHandle } from './handles.ts'
import { type Parts, perform, withKernelPages, wroteRange } from './parts.ts'

const { Opcode } = wire

const FALLOC_FL_KEEP_SIZE = 1
const FALLOC_FL_PUNCH_HOLE = 2
const FALLOC_FL_ZERO_RANGE = 0x10
const SEEK_DATA = 3
const SEEK_HOLE = 4
const ENOSYS = 38
const EOPNOTSUPP = errno.ENOTSUP
/** What one copy answers at most: the caller goes on behind it, and can be killed in between. */
const COPIED_MAX = 2 ** 30

export function rangeOperations(parts: Parts): Operations {
  const { core, engine, handles } = parts

  const handle = (fh: number): FileHandle | undefined => handles.files.get(fh)

  function fallocate(request: Request): Answered | Promise<Answered> {
    const { fh, offset, length, mode } = request.take(wire.FallocateIn)
    const of = handle(fh)
    if (of === undefined) return errno.EBADF
    const { file } = of.used
    const ended = ({ errno: failed }: { readonly errno: number }) => {
      if (failed === errno.OK) wroteRange(parts, request, of.used.ino)
      return failed
    }
    if (mode === (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) {
      const position = Math.min(offset, file.size)
      const args = truncateArgs(file.cached, { position, length: Math.min(length, file.size - position) })
      return position === file.size ? errno.OK : perform(parts, request, engine.verbs.truncate, args, ended)
    }
    if ((mode & ~(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE)) !== 0) return EOPNOTSUPP
    const size = (mode & FALLOC_FL_KEEP_SIZE) === 0 ? 'grows' : 'kept'
    const how = (mode & FALLOC_FL_ZERO_RANGE) === 0 ? 'allocate' : 'zero'
    const args = preallocatingArgs({ file, position: offset, length, how, size })
    return perform(parts, request, core.preallocating, args, ended)
  }

  function copyFileRange(request: Request): ReturnType<typeof fallocate> {
    return copy(request, copied => answer(wire.WriteOut, { size: copied }))
  }

  function copy(request: Request, told: (copied: number) => Answered): Answered | Promise<Answered> {
    const { fh_in, off_in, fh_out, off_out, len } = request.take(wire.CopyFileRangeIn)
    const source = handle(fh_in)
    const target = handle(fh_out)
    if (source === undefined || target === undefined) return errno.EBADF
    const length = Math.min(len, COPIED_MAX)
    const plan = { source: source.used.file, from: off_in, target: target.used.file, to: off_out, length }
    const args = rangeCopyingArgs(plan)
    return perform(parts, request, core.copying, args, ({ errno: failed }) => {
      if (args.copied === 0 && failed !== errno.OK) return failed
      if (args.copied > 0) wroteRange(parts, request, target.used.ino)
      return told(args.copied)
    })
  }

  function lseek(request: Request): Answered | Promise<Answered> {
    const { fh, offset, whence } = request.take(wire.LseekIn)
    const of = handle(fh)
    if (of === undefined) return errno.EBADF
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return errno.EINVAL
    return withKernelPages(parts, request, [of.used.ino], ({ unreachable }) => {
      // The kernel then says itself, of all files from now on: data up to the end. Nothing is skipped that may not be.
      if (unreachable !== errno.OK) return ENOSYS
      const args = seekingArgs(of.used.file, offset, whence === SEEK_DATA ? 'data' : 'hole')
      return perform(parts, request, core.seeking, args, ({ errno: failed }) =>
        failed === errno.OK ? answer(wire.LseekOut, { offset: args.found }) : failed,
      )
    })
  }

  return {
    [Opcode.FALLOCATE]: fallocate,
    [Opcode.COPY_FILE_RANGE]: copyFileRange,
    [Opcode.COPY_FILE_RANGE_64]: request =>
      copy(request, copied => answer(wire.CopyFileRangeOut, { bytes_copied: copied })),
    [Opcode.LSEEK]: lseek,
  }
}
