/**
 * The protocol of /dev/fuse, version 7.45: what include/uapi/linux/fuse.h of the kernel says, in its own names. Nothing else
 * in the project knows where a byte of it lies.
 *
 *     request   in_header  arguments  names, ended by NUL  bytes
 *     reply     out_header (len, error, unique)  answer
 */
import { Struct } from './struct.ts'

export const KERNEL_VERSION = 7
export const KERNEL_MINOR_VERSION = 45
/** The oldest minor version that is spoken: Linux 5.15, the first with all that the session relies on. */
export const MINOR_VERSION_MIN = 34
export const ROOT_ID = 1

export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  DESTROY: 38,
  IOCTL: 39,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
  COPY_FILE_RANGE_64: 53,
} as const
export type Opcode = (typeof Opcode)[keyof typeof Opcode]

const NAMES = new Map<number, string>(Object.entries(Opcode).map(([name, opcode]) => [opcode, name]))

/** What the kernel calls a request. */
export function opcodeName(opcode: number): string {
  return NAMES.get(opcode) ?? `request ${opcode}`
}

/** Of init_in and init_out: flags, by their bit. Those from 32 on go in flags2, behind INIT_EXT. */
export const InitBit = {
  ASYNC_READ: 0,
  ATOMIC_O_TRUNC: 3,
  BIG_WRITES: 5,
  DONT_MASK: 6,
  HAS_IOCTL_DIR: 11,
  DO_READDIRPLUS: 13,
  READDIRPLUS_AUTO: 14,
  ASYNC_DIO: 15,
  WRITEBACK_CACHE: 16,
  PARALLEL_DIROPS: 18,
  POSIX_ACL: 20,
  ABORT_ERROR: 21,
  MAX_PAGES: 22,
  CACHE_SYMLINKS: 23,
  EXPLICIT_INVAL_DATA: 25,
  HANDLE_KILLPRIV_V2: 28,
  SETXATTR_EXT: 29,
  INIT_EXT: 30,
} as const
export type InitFlag = keyof typeof InitBit

export const FATTR_MODE = 1 << 0
export const FATTR_UID = 1 << 1
export const FATTR_GID = 1 << 2
export const FATTR_SIZE = 1 << 3
export const FATTR_ATIME = 1 << 4
export const FATTR_MTIME = 1 << 5
export const FATTR_FH = 1 << 6
export const FATTR_ATIME_NOW = 1 << 7
export const FATTR_MTIME_NOW = 1 << 8
export const FATTR_LOCKOWNER = 1 << 9
export const FATTR_CTIME = 1 << 10
export const FATTR_KILL_SUIDGID = 1 << 11

export const FOPEN_KEEP_CACHE = 1 << 1
export const FOPEN_CACHE_DIR = 1 << 3
export const FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6

export const OPEN_KILL_SUIDGID = 1 << 0
export const WRITE_KILL_SUIDGID = 1 << 2

/** Of ioctl_in: it was asked of a directory. */
export const IOCTL_DIR = 1 << 4

/** Of setxattr_in. */
export const SETXATTR_ACL_KILL_SGID = 1 << 0

export const InHeader = new Struct('fuse_in_header', [
  ['len', 'u32'],
  ['opcode', 'u32'],
  ['unique', 'u64'],
  ['nodeid', 'u64'],
  ['uid', 'u32'],
  ['gid', 'u32'],
  ['pid', 'u32'],
  ['total_extlen', 'u16', 1],
  ['padding', 'u16', 1],
] as const)

export const OutHeader = new Struct('fuse_out_header', [
  ['len', 'u32'],
  ['error', 's32'],
  ['unique', 'u64'],
] as const)

export const InitIn = new Struct('fuse_init_in', [
  ['major', 'u32'],
  ['minor', 'u32'],
  ['max_readahead', 'u32'],
  ['flags', 'u32'],
  ['flags2', 'u32'],
  ['unused', 'u32', 11],
] as const)

export const InitOut = new Struct('fuse_init_out', [
  ['major', 'u32'],
  ['minor', 'u32'],
  ['max_readahead', 'u32'],
  ['flags', 'u32'],
  ['max_background', 'u16'],
  ['congestion_threshold', 'u16'],
  ['max_write', 'u32'],
  ['time_gran', 'u32'],
  ['max_pages', 'u16'],
  ['map_alignment', 'u16', 1],
  ['flags2', 'u32'],
  ['max_stack_depth', 'u32', 1],
  ['request_timeout', 'u16', 1],
  ['unused', 'u16', 11],
] as const)

export const Attr = new Struct('fuse_attr', [
  ['ino', 'u64'],
  ['size', 'u64'],
  ['blocks', 'u64'],
  ['atime', 's64'],
  ['mtime', 's64'],
  ['ctime', 's64'],
  ['atimensec', 'u32'],
  ['mtimensec', 'u32'],
  ['ctimensec', 'u32'],
  ['mode', 'u32'],
  ['nlink', 'u32'],
  ['uid', 'u32'],
  ['gid', 'u32'],
  ['rdev', 'u32'],
  ['blksize', 'u32'],
  ['flags', 'u32', 1],
] as const)

export const EntryOut = new Struct('fuse_entry_out', [
  ['nodeid', 'u64'],
  ['generation', 'u64'],
  ['entry_valid', 'u64'],
  ['attr_valid', 'u64'],
  ['entry_valid_nsec', 'u32', 1],
  ['attr_valid_nsec', 'u32', 1],
  ['attr', Attr],
] as const)

export const AttrOut = new Struct('fuse_attr_out', [
  ['attr_valid', 'u64'],
  ['attr_valid_nsec', 'u32', 1],
  ['dummy', 'u32', 1],
  ['attr', Attr],
] as const)

export const SxTime = new Struct('fuse_sx_time', [
  ['tv_sec', 's64'],
  ['tv_nsec', 'u32'],
  ['__reserved', 's32', 1],
] as const)

export const Statx = new Struct('fuse_statx', [
  ['mask', 'u32'],
  ['blksize', 'u32'],
  ['attributes', 'u64', 1],
  ['nlink', 'u32'],
  ['uid', 'u32'],
  ['gid', 'u32'],
  ['mode', 'u16'],
  ['__spare0', 'u16', 1],
  ['ino', 'u64'],
  ['size', 'u64'],
  ['blocks', 'u64'],
  ['attributes_mask', 'u64', 1],
  ['atime', SxTime],
  ['btime', SxTime],
  ['ctime', SxTime],
  ['mtime', SxTime],
  ['rdev_major', 'u32'],
  ['rdev_minor', 'u32'],
  ['dev_major', 'u32', 1],
  ['dev_minor', 'u32', 1],
  ['__spare2', 'u64', 14],
] as const)

export const StatxIn = new Struct('fuse_statx_in', [
  ['getattr_flags', 'u32'],
  ['reserved', 'u32', 1],
  ['fh', 'u64'],
  ['sx_flags', 'u32'],
  ['sx_mask', 'u32'],
] as const)

export const StatxOut = new Struct('fuse_statx_out', [
  ['attr_valid', 'u64'],
  ['attr_valid_nsec', 'u32', 1],
  ['flags', 'u32', 1],
  ['spare', 'u64', 2],
  ['stat', Statx],
] as const)

export const Kstatfs = new Struct('fuse_kstatfs', [
  ['blocks', 'u64'],
  ['bfree', 'u64'],
  ['bavail', 'u64'],
  ['files', 'u64'],
  ['ffree', 'u64'],
  ['bsize', 'u32'],
  ['namelen', 'u32'],
  ['frsize', 'u32'],
  ['padding', 'u32', 1],
  ['spare', 'u32', 6],
] as const)

export const ForgetIn = new Struct('fuse_forget_in', [['nlookup', 'u64']] as const)

export const ForgetOne = new Struct('fuse_forget_one', [
  ['nodeid', 'u64'],
  ['nlookup', 'u64'],
] as const)

export const BatchForgetIn = new Struct('fuse_batch_forget_in', [
  ['count', 'u32'],
  ['dummy', 'u32', 1],
] as const)

export const SetattrIn = new Struct('fuse_setattr_in', [
  ['valid', 'u32'],
  ['padding', 'u32', 1],
  ['fh', 'u64'],
  ['size', 'u64'],
  ['lock_owner', 'u64'],
  ['atime', 's64'],
  ['mtime', 's64'],
  ['ctime', 's64'],
  ['atimensec', 'u32'],
  ['mtimensec', 'u32'],
  ['ctimensec', 'u32'],
  ['mode', 'u32'],
  ['unused4', 'u32', 1],
  ['uid', 'u32'],
  ['gid', 'u32'],
  ['unused5', 'u32', 1],
] as const)

export const MknodIn = new Struct('fuse_mknod_in', [
  ['mode', 'u32'],
  ['rdev', 'u32'],
  ['umask', 'u32'],
  ['padding', 'u32', 1],
] as const)

export const MkdirIn = new Struct('fuse_mkdir_in', [
  ['mode', 'u32'],
  ['umask', 'u32'],
] as const)

export const RenameIn = new Struct('fuse_rename_in', [['newdir', 'u64']] as const)

export const Rename2In = new Struct('fuse_rename2_in', [
  ['newdir', 'u64'],
  ['flags', 'u32'],
  ['padding', 'u32', 1],
] as const)

export const LinkIn = new Struct('fuse_link_in', [['oldnodeid', 'u64']] as const)

export const OpenIn = new Struct('fuse_open_in', [
  ['flags', 'u32'],
  ['open_flags', 'u32'],
] as const)

export const OpenOut = new Struct('fuse_open_out', [
  ['fh', 'u64'],
  ['open_flags', 'u32'],
  ['backing_id', 's32', 1],
] as const)

export const CreateIn = new Struct('fuse_create_in', [
  ['flags', 'u32'],
  ['mode', 'u32'],
  ['umask', 'u32'],
  ['open_flags', 'u32'],
] as const)

export const ReleaseIn = new Struct('fuse_release_in', [
  ['fh', 'u64'],
  ['flags', 'u32'],
  ['release_flags', 'u32'],
  ['lock_owner', 'u64'],
] as const)

export const ReadIn = new Struct('fuse_read_in', [
  ['fh', 'u64'],
  ['offset', 'u64'],
  ['size', 'u32'],
  ['read_flags', 'u32'],
  ['lock_owner', 'u64'],
  ['flags', 'u32'],
  ['padding', 'u32', 1],
] as const)

export const WriteIn = new Struct('fuse_write_in', [
  ['fh', 'u64'],
  ['offset', 'u64'],
  ['size', 'u32'],
  ['write_flags', 'u32'],
  ['lock_owner', 'u64'],
  ['flags', 'u32'],
  ['padding', 'u32', 1],
] as const)

export const WriteOut = new Struct('fuse_write_out', [
  ['size', 'u32'],
  ['padding', 'u32', 1],
] as const)

export const FsyncIn = new Struct('fuse_fsync_in', [
  ['fh', 'u64'],
  ['fsync_flags', 'u32'],
  ['padding', 'u32', 1],
] as const)

export const SetxattrIn = new Struct('fuse_setxattr_in', [
  ['size', 'u32'],
  ['flags', 'u32'],
  ['setxattr_flags', 'u32'],
  ['padding', 'u32', 1],
] as const)

export const GetxattrIn = new Struct('fuse_getxattr_in', [
  ['size', 'u32'],
  ['padding', 'u32', 1],
] as const)

export const GetxattrOut = new Struct('fuse_getxattr_out', [
  ['size', 'u32'],
  ['padding', 'u32', 1],
] as const)

export const InterruptIn = new Struct('fuse_interrupt_in', [['unique', 'u64']] as const)

export const IoctlIn = new Struct('fuse_ioctl_in', [
  ['fh', 'u64'],
  ['flags', 'u32'],
  ['cmd', 'u32'],
  ['arg', 'u64'],
  ['in_size', 'u32'],
  ['out_size', 'u32'],
] as const)

/** Bytes that go back to the caller follow. */
export const IoctlOut = new Struct('fuse_ioctl_out', [
  ['result', 's32'],
  ['flags', 'u32'],
  ['in_iovs', 'u32', 1],
  ['out_iovs', 'u32', 1],
] as const)

export const FallocateIn = new Struct('fuse_fallocate_in', [
  ['fh', 'u64'],
  ['offset', 'u64'],
  ['length', 'u64'],
  ['mode', 'u32'],
  ['padding', 'u32', 1],
] as const)

export const LseekIn = new Struct('fuse_lseek_in', [
  ['fh', 'u64'],
  ['offset', 'u64'],
  ['whence', 'u32'],
  ['padding', 'u32', 1],
] as const)

export const LseekOut = new Struct('fuse_lseek_out', [['offset', 'u64']] as const)

export const CopyFileRangeIn = new Struct('fuse_copy_file_range_in', [
  ['fh_in', 'u64'],
  ['off_in', 'u64'],
  ['nodeid_out', 'u64'],
  ['fh_out', 'u64'],
  ['off_out', 'u64'],
  ['len', 'u64'],
  ['flags', 'u64'],
] as const)

export const CopyFileRangeOut = new Struct('fuse_copy_file_range_out', [['bytes_copied', 'u64']] as const)

/** An entry of a directory; its name follows, and zeros up to a multiple of DIRENT_ALIGN. */
export const Dirent = new Struct('fuse_dirent', [
  ['ino', 'u64'],
  ['off', 'u64'],
  ['namelen', 'u32'],
  ['type', 'u32'],
] as const)
export const DIRENT_ALIGN = 8

export const Direntplus = new Struct('fuse_direntplus', [
  ['entry_out', EntryOut],
  ['dirent', Dirent],
] as const)

export const NOTIFY_INVAL_INODE = 2
export const NOTIFY_INVAL_ENTRY = 3

export const NotifyInvalInodeOut = new Struct('fuse_notify_inval_inode_out', [
  ['ino', 'u64'],
  ['off', 's64'],
  ['len', 's64'],
] as const)

/** The name follows, and a NUL. */
export const NotifyInvalEntryOut = new Struct('fuse_notify_inval_entry_out', [
  ['parent', 'u64'],
  ['namelen', 'u32'],
  ['flags', 'u32'],
] as const)
