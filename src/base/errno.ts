/**
 * What the world does wrong, as values: errno numbers inside, turned into an error once, at the library's door.
 *
 * Numbers are Linux's (include/uapi/asm-generic/errno-base.h and errno.h), so a host error passes through unchanged.
 */
export const OK = 0

export const EPERM = 1
export const ENOENT = 2
export const EINTR = 4
export const EIO = 5
export const ENXIO = 6
export const E2BIG = 7
export const EBADF = 9
export const EAGAIN = 11
export const ENOMEM = 12
export const EACCES = 13
export const EFAULT = 14
export const EBUSY = 16
export const EEXIST = 17
export const EXDEV = 18
export const ENOTDIR = 20
export const EISDIR = 21
export const EINVAL = 22
export const EFBIG = 27
export const ENOSPC = 28
export const ESPIPE = 29
export const EROFS = 30
export const EMLINK = 31
export const ERANGE = 34
export const ENAMETOOLONG = 36
export const ENOTEMPTY = 39
export const ELOOP = 40
/** No such attribute: Linux has no ENOATTR. */
export const ENODATA = 61
export const EPROTO = 71
export const EOVERFLOW = 75
export const ENOTSUP = 95
export const ETIMEDOUT = 110
export const ESTALE = 116
/** A structure that isn't what it must be: the world's damage, found by a checksum. */
export const EUCLEAN = 117
/** Of a server: what Linux's filesystems say when the other side failed. */
export const EREMOTEIO = 121
export const EDQUOT = 122
export const EKEYREJECTED = 129
/** An attempt threw: a fault of ours, not of the world. */
export const ENOTRECOVERABLE = 131

export type Errno = number

const NAMES: ReadonlyMap<Errno, string> = new Map([
  [EPERM, 'EPERM'],
  [ENOENT, 'ENOENT'],
  [EINTR, 'EINTR'],
  [EIO, 'EIO'],
  [ENXIO, 'ENXIO'],
  [E2BIG, 'E2BIG'],
  [EBADF, 'EBADF'],
  [EAGAIN, 'EAGAIN'],
  [ENOMEM, 'ENOMEM'],
  [EACCES, 'EACCES'],
  [EFAULT, 'EFAULT'],
  [EBUSY, 'EBUSY'],
  [EEXIST, 'EEXIST'],
  [EXDEV, 'EXDEV'],
  [ENOTDIR, 'ENOTDIR'],
  [EISDIR, 'EISDIR'],
  [EINVAL, 'EINVAL'],
  [EFBIG, 'EFBIG'],
  [ENOSPC, 'ENOSPC'],
  [ESPIPE, 'ESPIPE'],
  [EROFS, 'EROFS'],
  [EMLINK, 'EMLINK'],
  [ERANGE, 'ERANGE'],
  [ENAMETOOLONG, 'ENAMETOOLONG'],
  [ENOTEMPTY, 'ENOTEMPTY'],
  [ELOOP, 'ELOOP'],
  [ENODATA, 'ENODATA'],
  [EPROTO, 'EPROTO'],
  [EOVERFLOW, 'EOVERFLOW'],
  [ENOTSUP, 'ENOTSUP'],
  [ETIMEDOUT, 'ETIMEDOUT'],
  [ESTALE, 'ESTALE'],
  [EUCLEAN, 'EUCLEAN'],
  [EREMOTEIO, 'EREMOTEIO'],
  [EDQUOT, 'EDQUOT'],
  [EKEYREJECTED, 'EKEYREJECTED'],
  [ENOTRECOVERABLE, 'ENOTRECOVERABLE'],
])

export function errnoName(errno: Errno): string {
  return NAMES.get(errno) ?? `errno ${errno}`
}
