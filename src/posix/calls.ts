/**
 * System calls of POSIX by foreign functions, each answered with the name of its errno, or 'OK'. What a case asks about is the
 * kernel and the filesystem, so nothing of Node comes in between. Calls can be made as another user: of this thread alone.
 */
import { getSystemErrorName } from 'node:util'
import { type Foreign, loadFfi, type Passed } from '../linux/index.ts'

export const AT_FDCWD = -100
export const AT_SYMLINK_NOFOLLOW = 0x100
const AT_EACCESS = 0x200

export const O_RDONLY = 0
export const O_WRONLY = 1
export const O_RDWR = 2
export const O_CREAT = 0o100
export const O_EXCL = 0o200
export const O_TRUNC = 0o1000
export const O_APPEND = 0o2000
export const O_NONBLOCK = 0o4000
export const O_DIRECT = process.arch === 'arm64' ? 0o200000 : 0o40000
export const O_DIRECTORY = process.arch === 'arm64' ? 0o40000 : 0o200000
export const O_NOFOLLOW = process.arch === 'arm64' ? 0o100000 : 0o400000
export const O_TMPFILE = 0o20000000 | O_DIRECTORY

export const S_IFREG = 0o100000
export const S_IFCHR = 0o020000
export const S_IFBLK = 0o060000
export const S_IFIFO = 0o010000
export const S_IFSOCK = 0o140000

export const UTIME_NOW = (1n << 30n) - 1n
export const UTIME_OMIT = (1n << 30n) - 2n

export const RENAME_NOREPLACE = 1
export const RENAME_EXCHANGE = 2
export const SEEK_DATA = 3
export const SEEK_HOLE = 4
export const FALLOC_FL_KEEP_SIZE = 1
export const FALLOC_FL_PUNCH_HOLE = 2
export const FALLOC_FL_COLLAPSE_RANGE = 8
export const FALLOC_FL_ZERO_RANGE = 0x10
export const FALLOC_FL_INSERT_RANGE = 0x20
const POSIX_FADV_DONTNEED = 4
const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4
const LOCK_UN = 8
const F_OFD_SETLK = 37
/** struct flock: l_type, l_whence, l_start, l_len, l_pid. */
const FLOCK_BYTES = 32
const PROT_READ_WRITE = 3
const MAP_SHARED = 1

/** asm/unistd.h: setgroups, setresgid, setresuid, which glibc would make for every thread. */
const NUMBERS =
  process.arch === 'arm64' ? { groups: 159, gid: 149, uid: 147 } : { groups: 116, gid: 119, uid: 117 }

export interface User {
  readonly uid: number
  readonly gid: number
  readonly groups?: readonly number[]
}

/** The name of an errno, or 'OK'. */
export type Said = string

export class Calls {
  private readonly ffi = loadFfi()
  private readonly libc = this.ffi.open(null)
  private readonly known = new Map<string, Foreign>()

  /** Makes a call of libc; what it returns, or its errno. */
  private make(
    name: string,
    takes: readonly Passed[],
    ...args: (number | NodeJS.TypedArray | null)[]
  ): number {
    let call = this.known.get(`${name} ${takes}`)
    if (call === undefined) {
      call = this.libc.call(name, 'long', takes)
      this.known.set(`${name} ${takes}`, call)
    }
    const result = call(...args)
    return result < 0 || result === 0xffffffff ? -this.ffi.errno() : result
  }

  /** What a call said that gave a number, or an errno below zero. */
  said(result: number): Said {
    return result < 0 ? getSystemErrorName(result) : 'OK'
  }

  // ---- descriptors

  open(path: string, flags: number, mode = 0o644): number {
    return this.make('open', ['pointer', 'int', 'int'], text(path), flags, mode)
  }

  /** Opens, closes, and says how it went. */
  opens(path: string, flags: number, mode = 0o644): Said {
    const fd = this.open(path, flags | O_NONBLOCK, mode)
    if (fd >= 0) this.close(fd)
    return this.said(fd)
  }

  close(fd: number): Said {
    return this.said(this.make('close', ['int'], fd))
  }

  ftruncate(fd: number, length: number): Said {
    return this.said(this.make('ftruncate', ['int', 'long'], fd, length))
  }

  fchmod(fd: number, mode: number): Said {
    return this.said(this.make('fchmod', ['int', 'int'], fd, mode))
  }

  fallocate(fd: number, mode: number, offset: number, length: number): Said {
    return this.said(this.make('fallocate', ['int', 'int', 'long', 'long'], fd, mode, offset, length))
  }

  /** The position, or the name of the errno. */
  lseek(fd: number, offset: number, whence: number): number | Said {
    const result = this.make('lseek', ['int', 'long', 'int'], fd, offset, whence)
    return result < 0 ? getSystemErrorName(result) : result
  }

  /** Bytes copied, or the name of the errno. */
  copyFileRange(from: number, to: number, length: number): number | Said {
    const takes: Passed[] = ['int', 'pointer', 'int', 'pointer', 'long', 'int']
    const result = this.make('copy_file_range', takes, from, null, to, null, length, 0)
    return result < 0 ? getSystemErrorName(result) : result
  }

  /** At once, or EAGAIN. */
  flock(fd: number, how: 'shared' | 'exclusive' | 'unlock'): Said {
    const operation = { shared: LOCK_SH, exclusive: LOCK_EX, unlock: LOCK_UN }[how]
    return this.said(this.make('flock', ['int', 'int'], fd, operation | LOCK_NB))
  }

  /** A lock of POSIX that belongs to the descriptor, at once, or EAGAIN. A length of 0 goes to the end. */
  lockRange(fd: number, how: 'read' | 'write' | 'unlock', start: number, length: number): Said {
    const lock = new Uint8Array(FLOCK_BYTES)
    const view = new DataView(lock.buffer)
    view.setInt16(0, { read: 0, write: 1, unlock: 2 }[how], true)
    view.setBigInt64(8, BigInt(start), true)
    view.setBigInt64(16, BigInt(length), true)
    return this.said(this.make('fcntl', ['int', 'int', 'pointer'], fd, F_OFD_SETLK, lock))
  }

  /** Lets the kernel forget the pages of a file that it has written. */
  forgetPages(fd: number): Said {
    return this.said(
      -this.make('posix_fadvise', ['int', 'long', 'long', 'int'], fd, 0, 0, POSIX_FADV_DONTNEED),
    )
  }

  /** Maps whole pages of a file, shared, and lets `use` have their address. What it touches must lie before the file's end. */
  mapped(fd: number, start: number, length: number, use: (address: number) => void): Said {
    const takes: Passed[] = ['long', 'long', 'int', 'int', 'int', 'long']
    const address = this.make('mmap', takes, 0, length, PROT_READ_WRITE, MAP_SHARED, fd, start)
    if (address < 0) return this.said(address)
    use(address)
    return this.said(this.make('munmap', ['long', 'long'], address, length))
  }

  storeAt(address: number, bytes: Uint8Array): void {
    this.make('memcpy', ['long', 'pointer', 'long'], address, bytes, bytes.length)
  }

  loadFrom(address: number, bytes: Uint8Array): void {
    this.make('memcpy', ['pointer', 'long', 'long'], bytes, address, bytes.length)
  }

  /** Gives a file that was opened with O_TMPFILE a name. */
  linkDescriptor(fd: number, path: string): Said {
    const from = text(`/proc/self/fd/${fd}`)
    const takes: Passed[] = ['int', 'pointer', 'int', 'pointer', 'int']
    return this.said(this.make('linkat', takes, AT_FDCWD, from, AT_FDCWD, text(path), 0x400))
  }

  // ---- paths

  mkdir(path: string, mode = 0o755): Said {
    return this.said(this.make('mkdir', ['pointer', 'int'], text(path), mode))
  }

  rmdir(path: string): Said {
    return this.said(this.make('rmdir', ['pointer'], text(path)))
  }

  unlink(path: string): Said {
    return this.said(this.make('unlink', ['pointer'], text(path)))
  }

  link(from: string, to: string): Said {
    return this.said(this.make('link', ['pointer', 'pointer'], text(from), text(to)))
  }

  symlink(target: string, path: string): Said {
    return this.said(this.make('symlink', ['pointer', 'pointer'], text(target), text(path)))
  }

  rename(from: string, to: string, flags = 0): Said {
    const takes: Passed[] = ['int', 'pointer', 'int', 'pointer', 'int']
    return this.said(this.make('renameat2', takes, AT_FDCWD, text(from), AT_FDCWD, text(to), flags))
  }

  mknod(path: string, mode: number, device = 0): Said {
    return this.said(this.make('mknod', ['pointer', 'int', 'long'], text(path), mode, device))
  }

  mkfifo(path: string, mode = 0o644): Said {
    return this.said(this.make('mkfifo', ['pointer', 'int'], text(path), mode))
  }

  chmod(path: string, mode: number): Said {
    return this.said(this.make('chmod', ['pointer', 'int'], text(path), mode))
  }

  /** -1: stays. */
  chown(path: string, uid: number, gid: number): Said {
    return this.said(this.make('chown', ['pointer', 'int', 'int'], text(path), uid, gid))
  }

  lchown(path: string, uid: number, gid: number): Said {
    return this.said(this.make('lchown', ['pointer', 'int', 'int'], text(path), uid, gid))
  }

  truncate(path: string, length: number): Said {
    return this.said(this.make('truncate', ['pointer', 'long'], text(path), length))
  }

  access(path: string, mode: number): Said {
    const takes: Passed[] = ['int', 'pointer', 'int', 'int']
    return this.said(this.make('faccessat', takes, AT_FDCWD, text(path), mode, AT_EACCESS))
  }

  /** Times as seconds and nanoseconds, in this order: of reading, of writing. undefined: both now. */
  utimens(path: string, times: readonly [bigint, bigint, bigint, bigint] | undefined, flags = 0): Said {
    const takes: Passed[] = ['int', 'pointer', 'pointer', 'int']
    const array = times === undefined ? null : BigInt64Array.from(times)
    return this.said(this.make('utimensat', takes, AT_FDCWD, text(path), array, flags))
  }

  setxattr(path: string, name: string, value: Uint8Array, flags = 0): Said {
    const takes: Passed[] = ['pointer', 'pointer', 'pointer', 'long', 'int']
    return this.said(this.make('lsetxattr', takes, text(path), text(name), value, value.length, flags))
  }

  /** The value, or the name of the errno. `room`: bytes that are asked for; 0 asks for the length. */
  getxattr(path: string, name: string, room = 65_536): string | number {
    const value = new Uint8Array(Math.max(1, room))
    const takes: Passed[] = ['pointer', 'pointer', 'pointer', 'long']
    const result = this.make('lgetxattr', takes, text(path), text(name), value, room)
    if (result < 0) return getSystemErrorName(result)
    return room === 0 ? result : Buffer.from(value.subarray(0, result)).toString('latin1')
  }

  removexattr(path: string, name: string): Said {
    return this.said(this.make('lremovexattr', ['pointer', 'pointer'], text(path), text(name)))
  }

  /** The names, or the name of the errno. */
  listxattr(path: string): readonly string[] | Said {
    const value = new Uint8Array(65_536)
    const takes: Passed[] = ['pointer', 'pointer', 'long']
    const result = this.make('llistxattr', takes, text(path), value, value.length)
    if (result < 0) return getSystemErrorName(result)
    const names = Buffer.from(value.subarray(0, result)).toString('latin1').split('\0')
    return names.filter(name => name !== '').sort()
  }

  /** A call with an address that isn't the program's. */
  withBadAddress(name: 'mkdir' | 'rmdir' | 'unlink' | 'chmod' | 'open' | 'mkfifo' | 'truncate'): Said {
    return this.said(this.make(name, ['long', 'int'], 1, 0))
  }

  umask(mask: number): number {
    return this.make('umask', ['int'], mask)
  }

  /** Does something as another user; this thread alone is. */
  as<T>({ uid, gid, groups = [gid] }: User, act: () => T): T {
    const list = Int32Array.from(groups)
    this.make('syscall', ['long', 'long', 'pointer'], NUMBERS.groups, list.length, list)
    this.make('syscall', ['long', 'long', 'long', 'long'], NUMBERS.gid, -1, gid, -1)
    this.make('syscall', ['long', 'long', 'long', 'long'], NUMBERS.uid, -1, uid, -1)
    try {
      return act()
    } finally {
      this.make('syscall', ['long', 'long', 'long', 'long'], NUMBERS.uid, -1, 0, -1)
      this.make('syscall', ['long', 'long', 'long', 'long'], NUMBERS.gid, -1, 0, -1)
      this.make('syscall', ['long', 'long', 'pointer'], NUMBERS.groups, 0, list)
    }
  }
}

function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`, 'latin1')
}
