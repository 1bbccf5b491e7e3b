/**
 * What a sleeping task waits for, read from its kernel stack.
 *
 * The frames of the scheduler say nothing and are skipped; then the table is searched, most telling row first.
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
  | 'sleep'
  | 'unknown'

export type Place =
  | { readonly kind: 'vma lock'; readonly function: string }
  | { readonly kind: 'mmap_lock'; readonly function: string }
  | { readonly kind: CauseKind; readonly function: string }

/** Frames that put a task to sleep for anything. */
const SCHEDULER =
  /^(trace_event_|__traceiter_|__bpf_trace|perf_trace_|__schedule|schedule|preempt_|io_schedule|bit_wait|out_of_line_wait|__wait_on_bit|__wait_for_common|wait_for_completion|__?wait_event)/
const FAULT =
  /^(do_user_addr_fault|exc_page_fault|asm_exc_page_fault|handle_mm_fault|__handle_mm_fault|do_page_fault|do_mem_abort|el0_da)/

const ROWS: readonly { readonly kind: Place['kind']; readonly frame: RegExp; readonly under?: RegExp }[] = [
  { kind: 'userfaultfd', frame: /^handle_userfault/ },
  {
    kind: 'vma lock',
    frame: /^(__vma_(start_write|enter_locked)|vma_(start_write|mark_attached|mark_detached|lock_write))/,
  },
  {
    kind: 'mmap_lock',
    frame: /^(rwsem_down_|__down_(read|write)|down_(read|write))/,
    under:
      /^(lock_mm_and_find_vma|__access_remote_vm|mmap_(read|write)_lock|m_start|proc_|vm_mmap|__vm_munmap|vm_munmap|do_mprotect|do_madvise|madvise_lock|dup_mmap|__do_sys_brk|do_user_addr_fault|exit_mmap|__mm_populate|get_user_pages|__get_user_pages|smaps_|exc_page_fault|userfaultfd_|__do_sys_mremap|do_mlock|task_mem|pagemap_)/,
  },
  {
    kind: 'freeze',
    frame: /^(__?percpu_down_read|percpu_rwsem_wait|__sb_start_write)/,
    under: /(page_mkwrite|_write$|write_iter|sb_start|mnt_want_write|open|truncate|fallocate)/,
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
  { kind: 'lock', frame: /^(rwsem_|__mutex_|mutex_|__rt_mutex|rt_mutex|down|queued_)/ },
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

export function placeOf(frames: readonly string[]): Place | null {
  const told = frames.filter(frame => !SCHEDULER.test(frame))
  const first = told[0]
  if (first === undefined) return null
  for (const row of ROWS) {
    const at = told.findIndex(frame => row.frame.test(frame))
    if (at === -1) continue
    if (row.under !== undefined && !told.slice(at).some(frame => row.under!.test(frame))) continue
    return { kind: row.kind, function: told[at]! }
  }
  return { kind: 'sleep', function: first }
}

export const isInFault = (frames: readonly string[]): boolean => frames.some(frame => FAULT.test(frame))

/** The function that says best where in its work a task sleeps: the file system's, the syscall's or /proc's. */
export function whereOf(frames: readonly string[]): string | null {
  const telling =
    /(_page_mkwrite|_filemap_fault|^filemap_fault|^dup_mmap|^proc_|^do_madvise|munmap|mprotect|mremap|^smaps_|_mmap$|^do_swap_page|^lock_mm_and_find_vma|^exit_mmap|^show_map|^m_start|brk$)/
  const told = frames.filter(frame => !SCHEDULER.test(frame))
  return told.find(frame => telling.test(frame) && frame !== 'do_page_mkwrite') ?? told[0] ?? null
}
