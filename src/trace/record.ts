/**
 * The record every reader yields: one event of a kernel trace, whatever file it came from.
 *
 * A reader owns one record, fills it and passes it to its sink, again and again; a sink copies what it keeps. Only the
 * fields of the record's kind mean anything, the others are left over from earlier events.
 *
 *   kind                      fields besides time, cpu, tid, comm
 *   start acquired released   mm, group, write; acquired also success
 *   switchOut                 state (S D R Z ...), nextTid, nextComm; tid is the task that left
 *   waking                    nextTid, nextComm: the task woken; tid is the one that woke it
 *   fault                     address, code (page_fault_user), or neither (mm_filemap_fault)
 *   bioQueued issued completed requeued    device, sector, sectors, rwbs
 *   syscallEnter syscallExit  name
 *   stack                     frames, innermost first; belongs to the latest event of tid
 *   lost                      count, on cpu, since its last event; cpu is -1 if unknown, count 0 for a line that can't be read
 *   blocked                   nextTid: a task that is woken, frames: the function in which it slept
 *   asked answered            device: the connection to a daemon of FUSE, unique; asked also name, answered also code: tid asks, or answers
 *   wrapped                   nothing: the buffers were full, and what each CPU had before its first event was overwritten
 *
 * Units    time: nanoseconds of the trace's clock, exact to 104 days of uptime (2^53).
 */
import { FaultlineError } from '../base/index.ts'

export const Kind = {
  start: 1,
  acquired: 2,
  released: 3,
  switchOut: 4,
  waking: 5,
  fault: 6,
  bioQueued: 7,
  issued: 8,
  completed: 9,
  requeued: 10,
  syscallEnter: 11,
  syscallExit: 12,
  stack: 13,
  lost: 14,
  wrapped: 15,
  blocked: 16,
  asked: 17,
  answered: 18,
} as const

export type Kind = (typeof Kind)[keyof typeof Kind]

export interface TraceRecord {
  kind: Kind
  time: number
  cpu: number
  tid: number
  comm: string
  mm: string
  /** The memory cgroup of the mm's owner, as the event names it: a number or a path. */
  group: string
  write: boolean
  success: boolean
  state: string
  nextTid: number
  nextComm: string
  device: string
  sector: number
  sectors: number
  rwbs: string
  address: number
  code: number
  /** The number of a request on its connection. */
  unique: number
  name: string
  frames: readonly string[]
  count: number
}

export type Sink = (record: TraceRecord) => void

export function emptyRecord(): TraceRecord {
  return {
    kind: Kind.lost,
    time: 0,
    cpu: 0,
    tid: 0,
    comm: '',
    mm: '',
    group: '',
    write: false,
    success: true,
    state: '',
    nextTid: 0,
    nextComm: '',
    device: '',
    sector: 0,
    sectors: 0,
    rwbs: '',
    address: 0,
    code: 0,
    unique: 0,
    name: '',
    frames: [],
    count: 0,
  }
}

/** Kernel event name -> kind, for the events this room reads. Everything else in a trace is passed over. */
export const KIND_OF_EVENT: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['mmap_lock_start_locking', Kind.start],
  ['mmap_lock_acquire_returned', Kind.acquired],
  ['mmap_lock_released', Kind.released],
  ['sched_switch', Kind.switchOut],
  ['sched_waking', Kind.waking],
  ['sched_wakeup', Kind.waking],
  ['page_fault_user', Kind.fault],
  ['mm_filemap_fault', Kind.fault],
  ['block_bio_queue', Kind.bioQueued],
  ['block_rq_issue', Kind.issued],
  ['block_rq_complete', Kind.completed],
  ['block_rq_requeue', Kind.requeued],
  ['sys_enter', Kind.syscallEnter],
  ['sys_exit', Kind.syscallExit],
  ['kernel_stack', Kind.stack],
  ['sched_blocked_reason', Kind.blocked],
  ['fuse_request_send', Kind.asked],
  ['fuse_request_end', Kind.answered],
])

/** A trace that can't be read, told to whoever gave it: what was wrong, what was expected, what to do. */
export class TraceError extends FaultlineError {
  /** `code`: EBADMSG for what is no whole trace, EINVAL for wrong arguments, or the host's. */
  constructor(message: string, code = 'EBADMSG', cause?: unknown) {
    super(code, 'analyze', message, cause)
  }
}
