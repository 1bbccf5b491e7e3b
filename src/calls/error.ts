/**
 * The one error of the library. errno values inside become it here, once: what was wrong, what was expected, what to do.
 */
import { codeOf, type Errno, errno, errnoName, FaultlineError } from '../base/index.ts'

export { FaultlineError }

/** What to do about an error, by operation; `else` for the others. */
type Advice = Readonly<Record<string, string>> & { readonly else: string }

const NOT_ALLOWED =
  "the mapping does not allow it; map it, or protect it, with 'r', or with 'rw' where it is to be stored to"
const NO_CHANGES =
  'the volume that it is in takes no changes any more, since damage was found in it, or its device failed to write; `faultline volume check` says what is wrong, and mends it with --repair'
const HOLE = 'a part of the range is mapped no more; expected a range whose pages are all mapped'

const NO_DIRECTORY = 'it is not a directory, or a part of the path is none; expected a directory'
const ROOT = 'the root is there, and has no name; expected a path with one'

const ADVICE: ReadonlyMap<Errno, Advice> = new Map<Errno, Advice>([
  [
    errno.ENOSPC,
    {
      store:
        'the filesystem or volume that it is in is full; the page was not changed: free some space there and store again',
      write:
        'the filesystem or volume that it is in is full; the pages before this one were written: free some space there and write again',
      close: 'the filesystem or volume that it is in is full; what it did not take is given up with the file',
      sync: 'the filesystem or volume that it is in is full; what was stored stays in memory: free some space there and sync again',
      else: 'the filesystem or volume that it is in is full; free some space there first',
    },
  ],
  [
    errno.EDQUOT,
    {
      store: "the file's quota is used up; the page was not changed: free some space and store again",
      else: "the file's quota is used up: free some space and try again",
    },
  ],
  [
    errno.EIO,
    {
      load: 'the device failed to read the page; a later load asks it again',
      store: 'the device failed; the page was not changed: a later store asks it again',
      read: 'the device failed to read; a later read asks it again',
      write: 'the device failed; the pages before this one were written',
      get: 'a part of it is lost or damaged, or the device failed to read it',
      getFile: 'a part of it is lost or damaged, or the device failed to read it; nothing was written',
      put: 'the device failed to write, and nothing is left of it',
      clone: 'the device failed; nothing was changed',
      check: 'the device failed',
      close: 'the device failed to write; what it did not take is given up with the file',
      sync: 'the device failed; a page that it did not take is written again by the next sync, and after a flush that failed every sync fails until the file is closed and opened anew',
      else: 'the device failed',
    },
  ],
  [
    errno.ENXIO,
    {
      open: 'it is a FIFO, a socket or a device, which means something only where the volume is mounted',
      else: 'it lies past the end of the file; expected an offset inside it, or a longer file: see truncate',
    },
  ],
  [errno.EFAULT, { else: 'nothing is mapped there any more' }],
  [
    errno.EACCES,
    {
      load: "the mapping does not allow it; map it, or protect it, with 'r' or 'rw'",
      store: "the mapping does not allow it; map it, or protect it, with 'rw'",
      lock: NOT_ALLOWED,
      advise: NOT_ALLOWED,
      else: "the file is open for reading; expected one that was opened with mode 'r+'",
    },
  ],
  [
    errno.ENOMEM,
    {
      map: 'the space has no room for it; map less, or unmap something',
      protect: HOLE,
      lock: HOLE,
      unlock: HOLE,
      sync: HOLE,
      else: 'memory is used up and nothing could be reclaimed; raise memory.max or memory, or touch fewer pages at once',
    },
  ],
  [errno.ESTALE, { else: 'it was changed, or made shorter by somebody else; reopen it' }],
  [
    errno.ENOTSUP,
    {
      setxattr: "an attribute's name begins with user., trusted. or security., or is that of an access list",
      getxattr: "an attribute's name begins with user., trusted. or security., or is that of an access list",
      removexattr:
        "an attribute's name begins with user., trusted. or security., or is that of an access list",
      else: 'the server knows no ranges any more; open it anew',
    },
  ],
  [errno.ENODATA, { else: 'it has no attribute of that name; see listxattr' }],
  [errno.E2BIG, { else: 'an attribute holds up to 64 KiB' }],
  [errno.ERANGE, { else: "an attribute's name has up to 255 bytes" }],
  [errno.ELOOP, { else: 'symbolic links lead round in a circle, or through more than 40 of them' }],
  [errno.EMLINK, { else: 'it has as many names as a file can have' }],
  [
    errno.EPROTO,
    { else: 'the server sent what is no part of the file; see that nothing between changes its answers' },
  ],
  [
    errno.ETIMEDOUT,
    { else: 'the server did not bring it in time, however often it was asked; a later call asks again' },
  ],
  [errno.EREMOTEIO, { else: 'the server failed, however often it was asked; a later call asks again' }],
  [errno.EKEYREJECTED, { else: 'the server takes the credentials no more; open it anew with others' }],
  [
    errno.EFBIG,
    {
      else: 'the file would be longer than its filesystem, or the limit of this process, allows; keep it shorter',
    },
  ],
  [
    errno.EINVAL,
    {
      advise: 'a part of the range is locked in memory; unlock it first',
      create: ROOT,
      mkdir: ROOT,
      mknod: ROOT,
      symlink: ROOT,
      readlink: 'it is no symbolic link',
      unlink: ROOT,
      link: ROOT,
      put: ROOT,
      rename: 'the root has no other name, and a directory is not moved below itself',
      snapshot: 'a snapshot does not lie below the directory that it shows, but for one of the root',
      clone: 'one of the files is no longer what was checked; try again',
      dedupe: 'one of the files is no longer what was checked; try again',
      else: 'an argument is outside of what the call takes; expected what its documentation says',
    },
  ],
  [
    errno.ENOTRECOVERABLE,
    {
      else: 'Faultline itself has a fault, which it tells on its own; please report it. What other calls do is not affected, but close the machine and start another',
    },
  ],
  [errno.EINTR, { else: 'its space ended while it waited' }],
  [
    errno.EROFS,
    {
      write: NO_CHANGES,
      append: NO_CHANGES,
      truncate: NO_CHANGES,
      punch: NO_CHANGES,
      store: NO_CHANGES,
      else: 'the filesystem is read-only',
    },
  ],
  [errno.ENOENT, { else: 'there is nothing of that name' }],
  [
    errno.EEXIST,
    {
      put: 'something has that name already',
      else: 'something has that name already; take another, or remove it',
    },
  ],
  [
    errno.ENOTDIR,
    {
      list: NO_DIRECTORY,
      snapshot: NO_DIRECTORY,
      rename: 'a directory does not take the place of a file, and a part of a path is not one',
      else: 'a part of the path is not a directory',
    },
  ],
  [errno.EISDIR, { else: 'it is a directory; expected a file' }],
  [errno.ENOTEMPTY, { else: 'the directory is not empty' }],
  [errno.ENAMETOOLONG, { else: 'a name has at most 255 bytes of UTF-8, and where a link leads 4095' }],
  [
    errno.EPERM,
    {
      setxattr: 'attributes of users, user.*, are kept beside files and directories only',
      removexattr: 'attributes of users, user.*, are kept beside files and directories only',
      else: 'a directory has one name only',
    },
  ],
  [
    errno.EBUSY,
    {
      shrink:
        'a file of it is open, it is open for DAX, or somebody reads an older commit of it; close them first',
      else: 'it is open in a way that forbids it; close it first',
    },
  ],
  [errno.EUCLEAN, { else: 'what is stored there is damaged; check the volume' }],
])

export function fromErrno(error: Errno, operation: string, where: string): FaultlineError {
  const code = errnoName(error)
  const advice = ADVICE.get(error)
  const words = advice === undefined ? 'the host refused it' : (advice[operation] ?? advice.else)
  return new FaultlineError(code, operation, `${operation} of ${where} failed with ${code}: ${words}`)
}

/** What the host has said about a file of its own, as an error of ours; what isn't the host's stays what it is. */
export function fromHost(error: unknown, operation: string, path: string): unknown {
  if (error instanceof FaultlineError) return error
  const code = codeOf(error)
  return code !== undefined && error instanceof Error && 'syscall' in error
    ? new FaultlineError(code, operation, `${operation}: ${path}: ${error.message}`, error)
    : error
}

/** Why a call ends that was under way when what it uses was closed. */
export class Closed extends Error {
  readonly what: string

  constructor(what: string) {
    super(`${what} was closed`)
    this.what = what
  }
}

export function aborted(operation: string, where: string, reason: unknown): FaultlineError {
  if (reason instanceof Closed)
    return new FaultlineError(
      'EBADF',
      operation,
      `${operation} of ${where}: ${reason.what} was closed before it had ended`,
      reason,
    )
  return new FaultlineError(
    'ABORT_ERR',
    operation,
    `${operation} of ${where} was aborted by its caller`,
    reason,
  )
}
