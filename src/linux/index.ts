/** Linux itself, through foreign functions: memory, memory files, userfaultfd. Nothing loads before it is asked for. */
export {
  HUGE_PAGE_BYTES,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_NOHUGEPAGE,
  MADV_RANDOM,
  MNT_DETACH,
  MNT_FORCE,
  MS_NODEV,
  MS_NOSUID,
  MS_RDONLY,
  PR_SET_IO_FLUSHER,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from './abi.ts'
export { Linux, LinuxError } from './calls.ts'
export { type Address, type Foreign, loadFfi, NoFfi, type Passed, type Watch } from './ffi.ts'
export { flock } from './flock.ts'
export { hasLoaded, settingOfThread, startLoadingThread } from './loading-thread.ts'
export { Ring, type RingRead } from './ring.ts'
export { ThreadSignals } from './thread-signals.ts'
export { type FaultMessage, NoUserfaultfd, Userfaultfd } from './userfaultfd.ts'
