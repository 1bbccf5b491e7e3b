/** What the kernels do that workloads name, and may leave out. */

/** What a kernel does, beside the locks of the fault path, that decides who waits for whom. A workload has what concerns it. */
export const KERNEL_TRAITS = {
  'inode-lock': 'fsync holds the lock of the inode across writeback (btrfs)',
  'readers-pass':
    'readers pass a writer of the mmap lock that was woken, until the hand-off after 4 ms (rwsem)',
  preemption: 'a fork of the lowest priority loses its processor while it holds its locks',
  'dax-copy': 'a store to a shared block copies it in the fault (DAX with reflinks)',
} as const

export type KernelTrait = keyof typeof KERNEL_TRAITS
