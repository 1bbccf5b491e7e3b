/**
 * Numbers of Linux: what include/uapi gives the calls that this project makes, in one place. The ioctls of userfaultfd
 * carry the sizes of their arguments in bits 16 to 29; userfaultfd.ts asserts them against its own buffers.
 */

/** asm/unistd_64.h and asm-generic/unistd.h. */
export const SYS_USERFAULTFD: Readonly<Record<string, number>> = { x64: 323, arm64: 282 }

/** The same on every processor that Node runs on. */
export const SYS_IO_URING_SETUP = 425
export const SYS_IO_URING_ENTER = 426
export const SYS_IO_URING_REGISTER = 427

/** asm-generic/fcntl.h */
export const O_NONBLOCK = 0o4000
export const O_CLOEXEC = 0o2000000

/** asm-generic/mman-common.h, asm-generic/mman.h, linux/mman.h */
export const PROT_NONE = 0
export const PROT_READ = 1
export const PROT_WRITE = 2
export const MAP_SHARED = 1
export const MAP_PRIVATE = 2
export const MAP_FIXED = 0x10
export const MAP_ANONYMOUS = 0x20
export const MAP_NORESERVE = 0x4000
export const MADV_RANDOM = 1
export const MADV_DONTNEED = 4
export const MADV_DONTFORK = 10
export const MADV_HUGEPAGE = 14
export const MADV_NOHUGEPAGE = 15
/** Where pages have 4 KiB, on x64 and arm64. */
export const HUGE_PAGE_BYTES = 2 ** 21

/** linux/uio.h: pieces of one vectored read or write. */
export const UIO_MAXIOV = 1024

/** asm-generic/signal.h. glibc keeps the first of the real-time signals for itself: it begins at SIGRTMIN + 2. */
export const SIGRTMIN = 34
export const SIGRTMAX = 64
/** struct sigaction of glibc, x64 and arm64: handler, sigset_t of 128 bytes, flags, restorer. */
export const SIGACTION_WORDS = 19

/** linux/memfd.h, linux/falloc.h */
export const MFD_CLOEXEC = 1
export const FALLOC_FL_KEEP_SIZE = 1
export const FALLOC_FL_PUNCH_HOLE = 2

/** sys/eventfd.h, asm-generic/poll.h */
export const EFD_CLOEXEC = O_CLOEXEC
export const EFD_NONBLOCK = O_NONBLOCK
export const POLLIN = 1

/** linux/userfaultfd.h */
export const USERFAULTFD_IOC_NEW = 0xaa00
export const UFFD_API = 0xaa
export const UFFDIO_API = 0xc018aa3f
export const UFFDIO_REGISTER = 0xc020aa00
export const UFFDIO_WAKE = 0x8010aa02
export const UFFDIO_COPY = 0xc028aa03
export const UFFDIO_WRITEPROTECT = 0xc018aa06
export const UFFDIO_CONTINUE = 0xc020aa07

export const UFFD_FEATURE_MISSING_SHMEM = 1 << 5
export const UFFD_FEATURE_THREAD_ID = 1 << 8
export const UFFD_FEATURE_MINOR_SHMEM = 1 << 10
export const UFFD_FEATURE_WP_HUGETLBFS_SHMEM = 1 << 12

export const UFFDIO_REGISTER_MODE_MISSING = 1
export const UFFDIO_REGISTER_MODE_WP = 2
export const UFFDIO_REGISTER_MODE_MINOR = 4
export const UFFDIO_WRITEPROTECT_MODE_WP = 1
export const UFFDIO_WRITEPROTECT_MODE_DONTWAKE = 2
export const UFFDIO_COPY_MODE_DONTWAKE = 1
export const UFFDIO_CONTINUE_MODE_DONTWAKE = 1
export const UFFDIO_CONTINUE_MODE_WP = 2

export const UFFD_EVENT_PAGEFAULT = 0x12
export const UFFD_PAGEFAULT_FLAG_WRITE = 1
export const UFFD_PAGEFAULT_FLAG_WP = 2
/** struct uffd_msg: event u8 at 0; flags u64 at 8; address u64 at 16; thread u32 at 24. */
export const UFFD_MSG_BYTES = 32

/** linux/io_uring.h */
export const IORING_SETUP_TASKRUN_FLAG = 1 << 9
export const IORING_SQ_TASKRUN = 1 << 2
export const IORING_SETUP_SINGLE_ISSUER = 1 << 12
export const IORING_SETUP_DEFER_TASKRUN = 1 << 13
export const IORING_OFF_SQ_RING = 0
export const IORING_OFF_SQES = 0x10000000
export const IORING_ENTER_GETEVENTS = 1
export const IORING_REGISTER_EVENTFD = 4
export const IORING_OP_READ = 22
export const IO_URING_SQE_BYTES = 64
export const IO_URING_CQE_BYTES = 16
/** struct io_uring_params: entries of both queues u32, flags u32 at 8; where things lie in each queue. */
export const IO_URING_PARAMS_BYTES = 120
export const IO_SQRING_OFFSETS_BYTE = 40
export const IO_CQRING_OFFSETS_BYTE = 80

/** linux/mount.h */
export const MS_RDONLY = 1
export const MS_NOSUID = 2
export const MS_NODEV = 4
export const MNT_FORCE = 1
export const MNT_DETACH = 2

/** linux/prctl.h: what this thread asks for must not wait for a filesystem that it serves itself. */
export const PR_SET_IO_FLUSHER = 57

/** linux/sched.h, linux/fs.h */
export const CLONE_FILES = 0x400
export const SYNC_FILE_RANGE_WRITE_AND_WAIT = 7

/** linux/fs.h: a read that would wait for its device is EAGAIN. */
export const RWF_NOWAIT = 8

/** asm-generic/socket.h, linux/socket.h, and linux/net.h of all but MIPS: sockets, and a descriptor that comes over one. */
export const AF_UNIX = 1
export const SOCK_STREAM = 1
export const SOCK_CLOEXEC = O_CLOEXEC
export const SOL_SOCKET = 1
export const SCM_RIGHTS = 1
/** struct cmsghdr: length, level, type; then one descriptor, with what aligns it. */
export const CMSG_DATA = 16
export const CMSG_BYTES = 24
/** asm-generic/fcntl.h */
export const F_SETFL = 4
