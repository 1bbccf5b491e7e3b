/**
 * The words of a fault: flags that say what is asked, and results that say what came of it, under the kernel's names
 * and numbers (Linux 6.12 include/linux/mm_types.h, enum fault_flag and enum vm_fault_reason).
 *
 * Linux folds "the lock was released" and "try again" into one result, VM_FAULT_RETRY, and so can't report an error it
 * met after it dropped the lock. Here they are two bits (Peter Xu's proposal of 2023), and the kernel's names are the
 * four combinations:
 *
 *                      try again                           finished
 *     lock released    VM_FAULT_RETRY                      VM_FAULT_COMPLETED
 *     lock held        VM_FAULT_RETRY with RETRY_NOWAIT    all other results
 */
import {
  type Bytes,
  type Errno,
  errno,
  type FileId,
  type GroupId,
  type Ns,
  type PageIndex,
  type Pfn,
  SECOND,
  type Vpn,
} from '../base/index.ts'
import type { Ticket } from '../sched/index.ts'
import type { ReadState } from './read-state.ts'

export const FAULT_FLAG_WRITE = 1 << 0
/** An existing read-only entry is to become writable. */
export const FAULT_FLAG_MKWRITE = 1 << 1
/** The locks may be released while the fault waits. */
export const FAULT_FLAG_ALLOW_RETRY = 1 << 2
/** Wait for nothing and release nothing; RETRY then means "would wait". */
export const FAULT_FLAG_RETRY_NOWAIT = 1 << 3
/** A wait ends when the task is killed. */
export const FAULT_FLAG_KILLABLE = 1 << 4
/** Not the first attempt. */
export const FAULT_FLAG_TRIED = 1 << 5
/** The lock that is held is the VMA's. */
export const FAULT_FLAG_VMA_LOCK = 1 << 12

export const FAULT_FLAG_DEFAULT = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE

export const VM_FAULT_OOM = 0x1
export const VM_FAULT_SIGBUS = 0x2
export const VM_FAULT_MAJOR = 0x4
export const VM_FAULT_SIGSEGV = 0x40
export const VM_FAULT_NOPAGE = 0x100
export const VM_FAULT_LOCKED = 0x200
export const VM_FAULT_RETRY = 0x400
export const VM_FAULT_DONE_COW = 0x1000
export const VM_FAULT_COMPLETED = 0x4000
export const VM_FAULT_ERROR = VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV

/**
 * What a fault asked a file for, on its own account. If the ticket ended in an error, the error was found while no lock
 * was held; it is reported by the next attempt, provided that the page number still means this page of this file, and
 * the I/O isn't done twice to find it again.
 */
export interface Asked {
  readonly ticket: Ticket
  readonly file: FileId
  readonly index: PageIndex
}

/**
 * One fault, owned by its task and kept from attempt to attempt: numbers, and the two things that may cross a wait.
 * Nothing in it points to a VMA, an entry or a page.
 */
export interface VmFault {
  vpn: Vpn
  readonly access: 'load' | 'store'
  readonly group: GroupId
  flags: number
  /** Attempts that ended in a wait. */
  retries: number
  /** Reads that it began; more than one means that a page was gone before the fault came back. */
  reads: number
  /** VM_FAULT_MAJOR and its like, gathered over the attempts. */
  result: number
  lockReleased: boolean
  retry: boolean
  asked: Asked | undefined
  /** The frame that the last attempt found or mapped. */
  frame: Pfn
  /** When it began, for latency. */
  began: Ns
  /** Its waits for memory in which nobody got any, one after the other; and when the first of all was. */
  shortages: number
  shortSince: Ns
  /** What reclaim had freed by the last of them. */
  reclaimedThen: number
}

/** MAX_RECLAIM_RETRIES: so many waits for memory without anybody's getting any are enough. */
const SHORTAGES_MAX = 16
/** So long a fault waits for memory while others get it. */
const SHORT_MAX: Ns = SECOND / 2

/** The fault must wait for memory, again perhaps: whether that still makes sense. `reclaimed`: frames freed so far. */
export function mayWaitForMemory(fault: VmFault, reclaimed: number, now: Ns): boolean {
  const nobodyGotAny = fault.shortages > 0 && reclaimed === fault.reclaimedThen
  fault.shortages = nobodyGotAny ? fault.shortages + 1 : 1
  fault.shortSince = Math.min(fault.shortSince, now)
  fault.reclaimedThen = reclaimed
  return fault.shortages <= SHORTAGES_MAX && now - fault.shortSince <= SHORT_MAX
}

/** What a Mappable is asked for: a page of a file, by one fault. */
export interface PageRequest {
  readonly index: PageIndex
  readonly fault: VmFault
  /** How the mapping is read, for readahead. */
  readonly read: ReadState
  /** Where the file ends when this request has been granted: a write call makes it longer. 0: where it ends now. */
  readonly fileEnd: Bytes
  /** Pages that a call wants, from this one on. 0: a touch, which says nothing of what comes. */
  readonly wanted: number
}

export function newVmFault(vpn: Vpn, access: 'load' | 'store', group: GroupId, now: Ns): VmFault {
  return {
    vpn,
    access,
    group,
    flags: flagsOf(access),
    retries: 0,
    reads: 0,
    result: 0,
    lockReleased: false,
    retry: false,
    asked: undefined,
    frame: 0,
    began: now,
    shortages: 0,
    shortSince: Infinity,
    reclaimedThen: 0,
  }
}

// hot: who goes over a range would leave a record for each page to the collector
/** The record of a fault that is over becomes that of the same access to another page. */
export function renewVmFault(fault: VmFault, vpn: Vpn, now: Ns): void {
  fault.vpn = vpn
  fault.flags = flagsOf(fault.access)
  fault.retries = 0
  fault.reads = 0
  fault.result = 0
  fault.lockReleased = false
  fault.retry = false
  fault.asked = undefined
  fault.frame = 0
  fault.began = now
  fault.shortages = 0
  fault.shortSince = Infinity
  fault.reclaimedThen = 0
}

function flagsOf(access: 'load' | 'store'): number {
  return FAULT_FLAG_DEFAULT | (access === 'store' ? FAULT_FLAG_WRITE : 0)
}

/** The error of what this fault asked for, if it was this page of this file; else 0. */
export function carriedError(fault: VmFault, file: FileId, index: PageIndex): Errno {
  const { asked } = fault
  return asked !== undefined && asked.file === file && asked.index === index ? asked.ticket.errno : errno.OK
}

/** The kernel's result for a fault that has ended or stopped (VM_FAULT_* bits). */
export function vmFaultResult(fault: VmFault, error: Errno): number {
  if (error !== errno.OK && !fault.retry) return fault.result | vmFaultError(error)
  if (fault.retry) return fault.result | VM_FAULT_RETRY
  return fault.lockReleased ? fault.result | VM_FAULT_COMPLETED : fault.result
}

/** vmf_error and vmf_fs_error: which signal an errno becomes. */
export function vmFaultError(error: Errno): number {
  switch (error) {
    case errno.ENOMEM:
      return VM_FAULT_OOM
    case errno.EFAULT:
    case errno.EACCES:
      return VM_FAULT_SIGSEGV
    case errno.EAGAIN:
      return VM_FAULT_NOPAGE
    default:
      return VM_FAULT_SIGBUS
  }
}
