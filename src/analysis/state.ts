/**
 * Chains from a state: who waits for which address space's lock, and behind whom, as far as the stacks of one moment say.
 *
 *     stack of a task                                       what it says
 *     a lock's frames below a function that asks for mmap_lock     it waits for mmap_lock; of its own mm, or of another's
 *     __vma_start_write                                     it holds mmap_lock for write, and waits for a VMA lock
 *     inside dup_mmap, mprotect_fixup ...                   it holds mmap_lock for write
 *     get_user_pages, a walk of page tables for /proc       it holds mmap_lock for read, perhaps of another's mm
 *     a fault that hasn't let go of its lock                it holds its VMA's lock for read, or mmap_lock before Linux 6.4
 *
 * Beside the stacks: the owner that hung-task reports name since 6.15, and lockdep's locks held, whose addresses tell locks
 * apart. Threads of a process share its mm; whose memory a reader of /proc looks at, its stack doesn't say.
 *
 * Invariants
 *   OS1 Nothing is certain: a state shows who waits where, not who holds what, nor since when.
 *   OS2 A chain names each task once, and is followed by the best evidence: lockdep, the kernel's owner, stacks.
 */
import type { LikelyOwner, SeenTask } from '../trace/index.ts'
import {
  asksForMmapLock,
  droppedItsLock,
  isInFault,
  isRemoteFault,
  lockType,
  type Place,
  placeOf,
  whereOf,
} from './causes.ts'
import type { Inversion } from './inversion.ts'
import { type Cause, type Certainty, type Link, unknown } from './link.ts'
import type { Missing } from './missing.ts'

/** Functions that run with mmap_lock held for write, and may sleep there. */
const HOLDS_WRITE =
  /^(dup_mmap|dup_mm|copy_page_range|mprotect_fixup|mlock_fixup|vms_|do_vmi_|unmap_region|__do_munmap|do_munmap|__?mmap_region|mmap_region|vma_(merge|modify|expand)|__split_vma|split_vma|move_vma|do_brk|move_page_tables|collapse_huge_page)/
/** Functions that hold mmap_lock of an mm for read, which may be another's. */
const HOLDS_READ =
  /^(walk_page_range|walk_p[mug4]d_range|smaps_|show_smap|show_numa|pagemap_pmd|gather_pte|mincore_|madvise_(willneed|cold|pageout)|populate_vma)/
/** Readers of another's mm. */
const REMOTE =
  /^(_*access_(remote_vm|process_vm)|get_cmdline|proc_|environ_|m_start|m_next|smaps|show_(smap|map|numa)|pagemap|clear_refs|process_vm_rw|collapse_|hpage_|khugepaged|lock_next_vma|lock_vma_under_mmap|mem_rw|map_files|gather_)/
const WRITERS =
  /^(vm_mmap|__?vm_munmap|vm_brk|_*do_sys_(brk|mremap|mprotect|munmap|mlock|munlock|remap)|(__(x64|arm64|s390x?|se)_sys|[Ss]y[Ss]|ksys)_(brk|mremap|mprotect|munmap|mlock|munlock|mmap|old_mmap|mmap_pgoff|shmat|shmdt)|do_(mprotect|mlock|mmap|munmap|brk|shmat)|apply_mlock|dup_mm|copy_(mm|process)|exit_mmap|userfaultfd_(register|unregister)|collapse_|setup_arg_pages|register_for_each)/

const LINKS_MAX = 12

type Wants = 'read' | 'write' | null

/** What a stack says of a task. */
interface Role {
  readonly task: SeenTask
  readonly place: Place | null
  /** How it waits for mmap_lock, null if it doesn't. */
  readonly wants: Wants
  /** It looks into the memory of another. */
  readonly isRemote: boolean
  readonly holdsWrite: boolean
  readonly holdsRead: boolean
  /** It sleeps in a fault of its own, and keeps the lock it came with. */
  readonly faults: boolean
}

interface Next {
  readonly role: Role | null
  readonly comm: string
  readonly tid: number
  readonly holds: string
  readonly certainty: Certainty
  readonly why: string
}

/** What an account lacks that rests on a state alone. */
export const NO_HISTORY: Missing = {
  events: 'a history: mmap_lock:*, sched:sched_switch with stacks, sched:sched_waking',
  cost: 'a state shows who waits and where, not who holds what, nor since when; to be sure, run faultline observe live while it hangs, or record these events',
}

/** The chains of a state, as waits still under way, the longest told first. */
export function chainsOfState(tasks: readonly SeenTask[]): Inversion[] {
  return new State(tasks).chains()
}

class State {
  private readonly roles: ReadonlyMap<number, Role>

  constructor(tasks: readonly SeenTask[]) {
    this.roles = new Map(tasks.map(task => [task.tid, roleOf(task)]))
  }

  chains(): Inversion[] {
    const waiting = [...this.roles.values()].filter(
      role => role.wants !== null || role.place?.kind === 'vma lock',
    )
    const all = waiting.map(role => this.chain(role))
    const behind = new Set(all.flatMap(({ chain }) => chain.slice(1).map(link => link.tid)))
    // A writer that is in another's chain has been told there.
    return all
      .filter(
        ({ waiter, chain }) =>
          !behind.has(waiter.tid) || (this.roles.get(waiter.tid)!.wants !== null && chain.length === 1),
      )
      .sort((a, b) => b.waitMs - a.waitMs)
  }

  private chain(first: Role): Inversion {
    const { task } = first
    const chain: Link[] = [
      {
        role: 'waiter',
        comm: task.comm,
        tid: task.tid,
        group: null,
        holds: null,
        waitsFor: first.wants === null ? 'VMA lock' : `mmap_lock (${first.wants})`,
        at: whereOf(task.frames),
        ms: task.blockedSeconds * 1000,
        certainty: 'inferred',
        why:
          first.wants === null
            ? `${sourceOf(task)}; it holds mmap_lock for write meanwhile, so whoever asks for that waits behind it, though reports of hung tasks leave killable waits out`
            : sourceOf(task),
      },
    ]
    const cause = this.follow(first, chain)
    const waitMs = task.blockedSeconds * 1000
    return {
      waiter: { comm: task.comm, tid: task.tid, mm: mmOf(first), group: null },
      from: 'state',
      startSec: task.seenSec === -1 ? -1 : task.seenSec - task.blockedSeconds,
      endSec: null,
      waitMs,
      chain,
      cause,
    }
  }

  /** What `role` sleeps for, and whoever has it. */
  private follow(role: Role, chain: Link[]): Cause {
    const next = chain.length < LINKS_MAX ? this.next(role, chain) : null
    if (next === null) return this.causeOf(role)
    const { role: found, comm, tid, holds, certainty, why } = next
    const waitsFor =
      found === null ? null : found.wants !== null ? `mmap_lock (${found.wants})` : waitName(found)
    chain.push({
      role: 'holder',
      comm,
      tid,
      group: null,
      holds,
      waitsFor,
      at: found === null ? null : whereOf(found.task.frames),
      ms: 0,
      certainty,
      why,
    })
    if (found === null)
      return cause('unknown', null, `${comm} (${tid}) is not in the dump, so what it did is not known`)
    return this.follow(found, chain)
  }

  private next(role: Role, chain: readonly Link[]): Next | null {
    const isNew = (tid: number) => !chain.some(link => link.tid === tid)
    const { task, place } = role
    const byLockdep = this.byLockdep(task, isNew)
    if (byLockdep !== null) return byLockdep
    if (role.wants !== null) return this.ofMmapLock(role, isNew)
    if (place?.kind === 'vma lock') return this.ofVmaLock(role, isNew)
    if (place?.kind === 'lock' && task.owner !== null && isNew(task.owner.tid))
      return this.owner(task.owner, lockType(place.function), 'the kernel names it as the likely owner')
    return null
  }

  /** Lockdep lists the lock a task waits for as the last it holds; whoever has the same address and doesn't wait holds it. */
  private byLockdep(task: SeenTask, isNew: (tid: number) => boolean): Next | null {
    const wanted = task.locks.at(-1)
    if (wanted === undefined || wanted.address === '' || placeOf(task.frames) === null) return null
    if (!isWaitingPlace(placeOf(task.frames)!)) return null
    const holders = [...this.roles.values()].filter(
      other =>
        isNew(other.task.tid) &&
        other.task.tid !== task.tid &&
        other.task.locks.some(
          (lock, at, all) =>
            lock.address === wanted.address && !(at === all.length - 1 && isWaitingPlace(other.place)),
        ),
    )
    const holder = holders[0]
    if (holder === undefined) return null
    return {
      role: holder,
      comm: holder.task.comm,
      tid: holder.task.tid,
      holds: wanted.name.replace(/^&/, ''),
      certainty: holders.length === 1 ? 'inferred' : 'guessed',
      why: `lockdep lists it with ${wanted.name} at the same address${holders.length === 1 ? '' : `, as it does ${holders.length - 1} more`}`,
    }
  }

  private ofMmapLock(role: Role, isNew: (tid: number) => boolean): Next | null {
    const { task, wants } = role
    const mm = mmOf(role)
    const ofMm = (other: Role) => isNew(other.task.tid) && other !== role && (mm === '' || mmOf(other) === mm)
    const all = [...this.roles.values()]
    const { owner } = task
    if (owner !== null && isNew(owner.tid) && owner.lock === 'rw-semaphore') {
      const known = this.roles.get(owner.tid)
      const isReader = owner.as === 'reader'
      // A reader doesn't wait for a reader, but for a writer that queued between them.
      const queued =
        isReader && wants === 'read'
          ? this.queuedWriter(
              all.filter(other => ofMm(other) && other.task.tid !== owner.tid),
              known,
            )
          : null
      if (queued !== null) return queued
      const between =
        isReader && wants === 'read'
          ? '; a reader does not wait for a reader, so a writer that is not in the dump queued between them'
          : ''
      return this.owner(
        owner,
        `mmap_lock (${isReader ? 'read' : 'write'})`,
        `the kernel names it as the likely owner${isReader ? ', which of readers is the last that took it' : ''}${between}`,
      )
    }
    const writers = all.filter(other => ofMm(other) && other.holdsWrite)
    if (writers.length > 0)
      return this.told(
        writers,
        'mmap_lock (write)',
        `its stack is of a task that holds ${mm === '' ? 'its' : 'this'} mmap_lock for write`,
        mm === '',
      )
    if (wants === 'read') {
      const queued = this.queuedWriter(all.filter(ofMm), null)
      if (queued !== null) return queued
    }
    const readers = all.filter(
      other =>
        isNew(other.task.tid) &&
        other !== role &&
        holdsMmapRead(other) &&
        (mmOf(other) === mm || mmOf(other) === '' || mm === ''),
    )
    if (readers.length === 0) return null
    const own = readers.filter(other => mm !== '' && mmOf(other) === mm)
    const from = own.length > 0 ? own : readers
    return this.told(
      from,
      'mmap_lock (read)',
      own.length > 0
        ? 'its stack is of a fault of the same process that keeps its lock'
        : 'its stack is of a task that holds an mmap_lock for read; whose, it does not say',
      own.length === 0,
    )
  }

  private queuedWriter(all: readonly Role[], holder: Role | null | undefined): Next | null {
    const writers = all.filter(other => other.wants === 'write' && !other.isRemote)
    if (writers.length === 0) return null
    return this.told(
      writers,
      'its place in the queue of mmap_lock (write)',
      holder === null
        ? 'it waits for the lock for write, and readers wait behind a writer'
        : 'it waits for the lock for write, between two readers',
      writers.some(each => mmOf(each) !== mmOf(writers[0]!)),
    )
  }

  private ofVmaLock(role: Role, isNew: (tid: number) => boolean): Next | null {
    const mm = mmOf(role)
    const all = [...this.roles.values()].filter(
      other => isNew(other.task.tid) && other !== role && other.faults,
    )
    const own = all.filter(other => mm !== '' && mmOf(other) === mm)
    const from = own.length > 0 ? own : all.filter(other => mm === '' || mmOf(other) === '')
    if (from.length === 0) return null
    return this.told(
      from,
      'VMA lock (read)',
      own.length > 0
        ? 'it sleeps in a fault of the same process, and has not let go of its lock'
        : 'it sleeps in a fault; whose memory it uses the dump does not say',
      own.length === 0,
    )
  }

  /** The first of several candidates: inferred if it is the only one, and its mm is known to fit. */
  private told(candidates: readonly Role[], holds: string, why: string, mayBeOther: boolean): Next {
    const role = candidates.toSorted((a, b) => b.task.blockedSeconds - a.task.blockedSeconds)[0]!
    const others = candidates.length - 1
    return {
      role,
      comm: role.task.comm,
      tid: role.task.tid,
      holds,
      certainty: others === 0 && !mayBeOther ? 'inferred' : 'guessed',
      why: `${why}${others === 0 ? '' : `; so ${others === 1 ? 'is that of another' : `are those of ${others} others`}, and the dump does not say which it is`}`,
    }
  }

  private owner(owner: LikelyOwner, holds: string, why: string): Next {
    const role = this.roles.get(owner.tid) ?? null
    return {
      role,
      comm: role?.task.comm || owner.comm,
      tid: owner.tid,
      holds,
      certainty: owner.as === 'reader' ? 'guessed' : 'inferred',
      why,
    }
  }

  private causeOf({ task, place, wants }: Role): Cause {
    const from = sourceOf(task)
    if (wants !== null)
      return cause('mmap_lock', place?.function ?? null, 'holder not seen: no stack in the dump fits')
    if (place === null)
      return task.state === 'R'
        ? cause('cpu', null, 'it was running, or could have, when it was seen')
        : cause('unknown', null, 'the dump has no stack of it')
    if (place.kind === 'vma lock' || place.kind === 'lock' || place.kind === 'mmap_lock')
      return cause(place.kind, place.function, 'holder not seen: no stack in the dump fits')
    if (task.state === 'R')
      return cause('cpu', place.function, 'it was running, or could have, when it was seen')
    return { ...cause(place.kind, place.function, from), certainty: 'inferred' }
  }
}

function roleOf(task: SeenTask): Role {
  const { frames, source } = task
  const isAsleep = task.state !== 'R' && task.state !== 'S'
  // /proc leaves out the frames of the scheduler and of locks: what asks for the lock comes first.
  const isElided = source === 'proc' && isAsleep && asksForMmapLock(frames)
  const placed = placeOf(frames)
  const place: Place | null =
    isElided && placed?.kind === 'sleep' ? { kind: 'mmap_lock', function: placed.function } : placed
  const isWaiting = place?.kind === 'mmap_lock' && task.state !== 'R'
  const isRemote = frames.some(frame => REMOTE.test(frame))
  const writesByName = frames.some(frame =>
    /^(__)?(rwsem_down_write|down_write|mmap_write_lock|call_rwsem_down_write)/.test(frame),
  )
  const readsByName = frames.some(frame =>
    /^(__)?(rwsem_down_read|down_read|mmap_read_lock|call_rwsem_down_read)/.test(frame),
  )
  const wants: Wants = !isWaiting
    ? null
    : writesByName || (!readsByName && !isRemote && frames.some(frame => WRITERS.test(frame)))
      ? 'write'
      : 'read'
  const inMm = wants === null && frames.some(frame => HOLDS_WRITE.test(frame))
  return {
    task,
    place,
    wants,
    isRemote,
    holdsWrite: wants === null && (place?.kind === 'vma lock' || inMm),
    holdsRead:
      wants === null && !inMm && (isRemoteFault(frames) || frames.some(frame => HOLDS_READ.test(frame))),
    faults:
      wants === null &&
      !inMm &&
      isInFault(frames) &&
      !isRemoteFault(frames) &&
      !droppedItsLock(frames) &&
      task.state !== 'S',
  }
}

const holdsMmapRead = (role: Role): boolean => role.holdsRead || role.faults

/** The mm that a task waits for or holds the lock of, by its process; '' where that can't be known. */
function mmOf({ task, isRemote }: Role): string {
  return isRemote || task.tgid === 0 ? '' : `of process ${task.tgid}`
}

const isWaitingPlace = (place: Place | null): boolean =>
  place !== null && (place.kind === 'mmap_lock' || place.kind === 'lock' || place.kind === 'vma lock')

function waitName({ place, task }: Role): string | null {
  if (task.state === 'R' || place === null) return null
  if (place.kind === 'lock') return lockType(place.function)
  return place.kind === 'vma lock' ? 'VMA lock' : place.kind
}

const sourceOf = (task: SeenTask): string =>
  ({
    'hung task': 'its stack, from a report of a hung task',
    sysrq: 'its stack, from a dump of tasks',
    crash: 'its stack, from a crash dump',
    proc: 'its stack, from /proc',
  })[task.source]

const cause = (kind: string, name: string | null, why: string): Cause => ({
  ...unknown(why),
  kind,
  function: name,
})
