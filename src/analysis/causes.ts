/**
 * What a sleeping task waits for, read from its kernel stack.
 *
 * The frames of the scheduler say nothing and are skipped. A sleep inside a lock is judged by the lock's own caller: an rwsem
 * below a fault may be mmap_lock or a file's. For other sleeps the table is searched, most telling row first.
 * Names are prefixes: the kernel's helpers come and go with versions and inlining (`__vma_start_write`,
 * `vma_start_write`), their stems stay.
 */
export type CauseKind =
  | 'writeback'
  | 'page read'
  | 'page lock'
  | 'journal'
  | 'freeze'
  | 'device throttle'
  | 'dirty throttle'
  | 'memory throttle'
  | 'reclaim'
  | 'swap'
  | 'userfaultfd'
  | 'fuse'
  | 'lock'
  | 'disk'
  | 'cpu'
  | 'preempted'
  | 'sleep'
  | 'unknown'

export type Place =
  | { readonly kind: 'vma lock'; readonly function: string }
  | { readonly kind: 'mmap_lock'; readonly function: string }
  | { readonly kind: CauseKind; readonly function: string }

/** Frames that put a task to sleep for anything. */
const SCHEDULER =
  /^(trace_event_|__traceiter_|__bpf_trace|perf_trace_|__switch_to|__schedule|schedule|preempt_|_?_?cond_resched|io_schedule|bit_wait|out_of_line_wait|__wait_on_bit|__wait_for_common|wait_for_common|wait_for_completion|__?wait_event|rcuwait_|sync_page$|sleep_on_page)/
const FAULT =
  /^(do_user_addr_fault|exc_page_fault|asm_exc_page_fault|handle_mm_fault|__handle_mm_fault|_*do_page_fault|(async_)?page_fault$|do_mem_abort|el0_da|do_translation_fault|do_hash_fault|handle_page_fault|do_dat_exception|do_protection_exception|do_exception$)/

/** What any lock that sleeps is made of, from the sleeper up to the call that whoever asked for it made. */
const LOCK =
  /^(call_)?_*(rwsem_|percpu_|(ww_|rt_)?mutex_|rwbase_|down$|down_|mmap_(read|write)_lock|mmap_lock_)/
/** Functions that ask for an mm's lock, or into which the ones that do are inlined. Names of Linux 3.10 to 7. */
const MMAP_LOCK_CALLER =
  /^(lock_mm_and_find_vma|lock_next_vma|lock_vma_under_mmap|get_mmap_lock|upgrade_mmap_lock|_*access_(remote_vm|process_vm)|get_cmdline|proc_(pid_cmdline|get_vma|map_files|maps)|environ_read|m_start|m_next|smaps?_|show_(smap|map|numa)|pagemap|clear_refs|task_(mem|vsize|statm|numa_work)|map_files_|gather_|vm_(mmap|munmap|brk|stat_account)|__vm_|_*do_sys_(brk|mremap|mprotect|munmap|mincore|mlock|munlock|remap|msync|madvise|mmap|shmdt|set_mempolicy|process_mrelease)|(__(x64|arm64|s390x?|se)_sys|[Ss]y[Ss]|ksys|__sys)_(brk|mremap|mprotect|munmap|mincore|mlock|munlock|remap_file_pages|msync|madvise|mmap|old_mmap|mmap_pgoff|shmat|shmdt|mbind)|do_(mprotect|madvise|mincore|mlock|mmap|munmap|brk|shmat|mbind|numa|user_addr_fault|pages_(move|stat)|migrate_pages|coredump)|madvise_(lock|unlock|do|vma)|process_madvise|mincore|apply_mlock|_*mm_populate|populate_vma|_*get_user_pages|__gup|gup_|internal_get_user_pages|pin_user_pages|fixup_user_fault|process_vm_rw|dup_mm|copy_(mm|process)|exit_(mm|aio)|do_exit|mmput|__mmput|userfaultfd_|mfill_|mwriteprotect|move_pages|kernel_(mbind|migrate_pages|move_pages)|khugepaged|collapse_|hpage_|ksm_|unmerge_|break_ksm|unuse_|try_to_unuse|setup_arg_pages|load_elf|elf_map|map_vdso|arch_setup_additional|expand_stack|_*do_page_fault|exc_page_fault|do_mem_abort|do_translation_fault|do_exception|do_dat_exception|ioctx_alloc|prctl_set_mm|register_for_each_vma|mmu_notifier_register|pkey_|vaddr_get|hva_to_pfn|ib_umem|find_extend_vma|get_futex_key|__oom_reap|oom_reap|dump_vma_snapshot|stack_map_get)/
/** Who takes a VMA's lock for write where that was an rwsem, before Linux 6.15. */
const VMA_LOCK_CALLER =
  /^(mprotect_fixup|mlock_fixup|__split_vma|vma_(expand|merge|shrink|modify|prepare|complete)|vms_gather|do_vmi_|madvise_(walk_vmas|vma_behavior)|process_vma_walk_lock|mbind_range|free_pgtables|unmap_(vmas|region)|move_vma)/
/** Per-CPU rwsems that aren't a super block's. */
const NOT_A_FREEZE =
  /^(cpus_read_lock|cpus_write_lock|cgroup_|copy_process|dup_mm|exit_signals|do_exit|begin_new_exec|get_online_mems|mem_hotplug|uprobe_|(posix|flock|fcntl|locks)_|__?(posix|break)_l|kernel_clone|get_signal|static_key|jump_label)/

const ROWS: readonly { readonly kind: Place['kind']; readonly frame: RegExp }[] = [
  { kind: 'userfaultfd', frame: /^handle_userfault/ },
  {
    kind: 'vma lock',
    frame:
      /^(__vma_(start_write|enter_locked|start_exclude)|vma_(start_write|mark_attached|mark_detached|lock_write))/,
  },
  {
    kind: 'device throttle',
    frame:
      /^(rq_qos_wait|wbt_wait|blkcg_iolatency_throttle|ioc_rqos_throttle|__blk_throtl|blk_throtl|blk_mq_get_tag|blkcg_maybe_throttle)/,
  },
  {
    kind: 'memory throttle',
    frame: /^(__?mem_cgroup_handle_over_high|reclaim_throttle|throttle_direct_reclaim)/,
  },
  { kind: 'dirty throttle', frame: /^(balance_dirty_pages|wb_wait_for)/ },
  {
    kind: 'reclaim',
    frame: /^(try_to_free_(pages|mem_cgroup_pages)|shrink_|__alloc_pages_direct_|do_try_to_free)/,
  },
  {
    kind: 'journal',
    frame:
      /^(jbd2_|start_this_handle|wait_transaction|add_transaction_credits|do_get_write_access|xlog_|xfs_log_|btrfs_commit_transaction|wait_current_trans|btrfs_wait_for_commit|f2fs_issue_checkpoint)/,
  },
  {
    kind: 'writeback',
    frame:
      /^(folio_wait_(writeback|stable)|wait_on_page_writeback|__filemap_fdatawait|btrfs_(start|wait)_ordered_)/,
  },
  { kind: 'fuse', frame: /^(fuse_|__fuse_|request_wait_answer)/ },
  { kind: 'swap', frame: /^(do_swap_page|swap_(read|vma_read|cluster_read)|swapin_)/ },
  {
    kind: 'page read',
    frame:
      /^(filemap_(fault|read|get_pages|update_page|read_folio)|do_read_cache|read_(cache_)?pages|page_cache_ra_|mpage_read)/,
  },
  {
    kind: 'page lock',
    frame:
      /^(__?folio_lock|__lock_page|folio_wait_(bit|locked)|wait_on_page_bit|folio_lock_or_retry|migration_entry_wait)/,
  },
  { kind: 'disk', frame: /^(submit_bio_wait|blk_|xfs_buf_|btrfs_|ext4_|f2fs_|__wait_on_buffer|iomap_)/ },
]

/** Kinds of wait in which the task waits for a device, so that one is looked for. */
export const WAITS_FOR_DEVICE: ReadonlySet<string> = new Set([
  'writeback',
  'page read',
  'page lock',
  'journal',
  'device throttle',
  'dirty throttle',
  'reclaim',
  'swap',
  'disk',
])

/** Where a stack says a task sleeps; null for no stack. */
export function placeOf(frames: readonly string[]): Place | null {
  const told = frames.filter(frame => !SCHEDULER.test(frame))
  const first = told[0]
  if (first === undefined) return null
  if (LOCK.test(first)) return lockPlace(told)
  for (const { kind, frame } of ROWS) {
    const found = told.find(each => frame.test(each))
    if (found !== undefined) return { kind, function: plain(found) }
  }
  return { kind: 'sleep', function: plain(first) }
}

/** Which lock a task waits for is told by who asked for it: the first frame that isn't the lock's own. */
function lockPlace(told: readonly string[]): Place {
  const at = told.findIndex(frame => !LOCK.test(frame))
  const caller = at === -1 ? '' : told[at]!
  const name = plain(told[0]!)
  const below = at === -1 ? told : told.slice(0, at)
  if (below.some(frame => frame.includes('percpu_')))
    return { kind: NOT_A_FREEZE.test(caller) ? 'lock' : 'freeze', function: name }
  if (/^(__vma_|vma_start_write|vma_lock_write)/.test(caller))
    return { kind: 'vma lock', function: plain(caller) }
  if (below.some(frame => /mutex|ww_/.test(frame))) return { kind: 'lock', function: name }
  if (below.some(frame => /^mmap_/.test(frame))) return { kind: 'mmap_lock', function: name }
  const writes = below.some(frame => frame.includes('write'))
  if (writes && VMA_LOCK_CALLER.test(caller)) return { kind: 'vma lock', function: name }
  return { kind: MMAP_LOCK_CALLER.test(caller) ? 'mmap_lock' : 'lock', function: name }
}

/** Whether the innermost frame is a function that asks for an mm's lock, as where the lock's own frames aren't shown. */
export const asksForMmapLock = (frames: readonly string[]): boolean => {
  const first = frames.find(frame => !SCHEDULER.test(frame))
  return first !== undefined && MMAP_LOCK_CALLER.test(first)
}

/** What kind of lock a function of its implementation belongs to. */
export function lockType(name: string): string {
  if (name.includes('percpu')) return 'percpu rwsem'
  if (name.includes('mutex')) return 'mutex'
  return /rwsem|rwbase|read|write/.test(name) ? 'rwsem' : 'semaphore'
}

export const isInFault = (frames: readonly string[]): boolean => frames.some(frame => FAULT.test(frame))

/**
 * Whether a fault that sleeps here has let go of the lock it came with: to read a file's page, to wait for a page's lock, or
 * for userfaultfd. (filemap_fault since Linux 5.1, folio_lock_or_retry since 2.6.37.)
 */
export function droppedItsLock(frames: readonly string[]): boolean {
  if (
    frames.some(frame =>
      /^(handle_userfault|__?(folio|lock_page)_?(lock)?_or_retry|__lock_page_or_retry)/.test(frame),
    )
  )
    return true
  if (!frames.some(frame => /^(xfs_|ext4_|f2fs_|fuse_|nfs_)?filemap_fault/.test(frame))) return false
  return placeOf(frames)?.kind !== 'lock'
}

/** Whether a fault here is made on behalf of another, within a hold of mmap_lock: get_user_pages and its kin. */
export const isRemoteFault = (frames: readonly string[]): boolean =>
  frames.some(frame => /^(__get_user_pages|faultin_page|fixup_user_fault|get_user_pages_remote)/.test(frame))

/** The function that says best where in its work a task sleeps: the file system's, the syscall's or /proc's. */
export function whereOf(frames: readonly string[]): string | null {
  const telling =
    /(_page_mkwrite|_filemap_fault|^filemap_fault|^dup_mmap|^proc_|^do_madvise|munmap|mprotect|mremap|^smaps_|_mmap$|^do_swap_page|^lock_mm_and_find_vma|^exit_mmap|^show_map|^m_start|brk$|mincore|_sync_file$|^process_vm_rw|^copy_page_range)/
  const told = frames.filter(frame => !SCHEDULER.test(frame) && !LOCK.test(frame))
  const found = told.find(frame => telling.test(frame) && frame !== 'do_page_mkwrite') ?? told[0]
  return found === undefined ? null : plain(found)
}

/** A function's name without what compilers add to it. */
export const plain = (frame: string): string =>
  frame.replace(/\.(isra|constprop|part|cold|llvm|lto_priv)\b.*$/, '')
