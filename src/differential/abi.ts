/** Numbers of Linux on x64 that this room alone needs: system calls, ptrace, and what they take. */

export const SYS = {
  mmap: 9,
  mprotect: 10,
  munmap: 11,
  pread64: 17,
  pwrite64: 18,
  mremap: 25,
  msync: 26,
  mincore: 27,
  madvise: 28,
  clone: 56,
  fork: 57,
  read: 0,
  mlock: 149,
  munlock: 150,
  exit_group: 231,
  openat: 257,
  fadvise64: 221,
  sync_file_range: 277,
  rseq: 334,
} as const

export type SystemCall = keyof typeof SYS

export const AT_FDCWD = -100
export const RSEQ_FLAG_UNREGISTER = 1

/** linux/ptrace.h */
export const PTRACE_CONT = 7
export const PTRACE_GETREGS = 12
export const PTRACE_SETREGS = 13
export const PTRACE_SEIZE = 0x4206
export const PTRACE_INTERRUPT = 0x4207
export const PTRACE_GET_RSEQ_CONFIGURATION = 0x420f
export const PTRACE_O_TRACEFORK = 2
export const PTRACE_O_TRACECLONE = 8
export const WNOHANG = 1
export const SCHED_OTHER = 0
export const SCHED_FIFO = 1
/** CLONE_VM, FS, FILES, SIGHAND, THREAD: what a thread is. */
export const CLONE_THREAD = 0x10f00
export const PTRACE_O_EXITKILL = 0x100000
export const WALL = 0x40000000
export const SIGTRAP = 5
export const SIGBUS = 7
export const SIGSEGV = 11

/** struct user_regs_struct: 27 words. */
export const REGISTERS = {
  rbp: 4,
  rbx: 5,
  r10: 7,
  r9: 8,
  r8: 9,
  rax: 10,
  rcx: 11,
  rdx: 12,
  rsi: 13,
  rdi: 14,
  orig_rax: 15,
  rip: 16,
  words: 27,
} as const

export const MAP_POPULATE = 0x8000
export const MAP_FIXED_NOREPLACE = 0x100000

export const MREMAP_MAYMOVE = 1
export const MREMAP_FIXED = 2
export const MREMAP_DONTUNMAP = 4

export const MSYNC = { async: 1, invalidate: 2, sync: 4 } as const

export const MADV_DONTNEED_LOCKED = 24

export const MADVICE = {
  normal: 0,
  random: 1,
  sequential: 2,
  willneed: 3,
  dontneed: 4,
  free: 8,
  dontfork: 10,
  dofork: 11,
  wipeonfork: 18,
  keeponfork: 19,
  cold: 20,
  pageout: 21,
  populateRead: 22,
  populateWrite: 23,
} as const
