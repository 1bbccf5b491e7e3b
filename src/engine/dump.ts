/**
 * What a machine is doing at this moment, as plain data: what a person asks of one that misbehaves. It waits for nothing and
 * takes no lock, so a machine in which every task hangs can be asked.
 *
 *     tasks -> what each waits for, behind whom, what it holds        bios -> where each stands: throttled, queued, issued
 *     locks -> who has them, who queues                               groups -> usage, dirty pages, what holds them back
 */
import { type Bytes, type GroupId, type Ns, ROOT, type TaskId } from '../base/index.ts'
import { blockerOf, chainSentence, hangs, waitChain } from '../lock/index.ts'
import type { Task } from '../sched/index.ts'
import { check } from './check.ts'
import type { Engine } from './engine.ts'

/** What a machine is doing now: tasks, what each waits for and behind whom, locks, I/O, groups. Plain data, for a report. */
export interface MachineDump {
  /** The lock discipline of its faults. */
  readonly discipline: string
  /** Nanoseconds of the machine's clock. */
  readonly time: Ns
  /** Its memory, in pages. */
  readonly pages: {
    /** All there are. */
    readonly total: number
    /** Nobody's. */
    readonly free: number
    /** Stored to and not written yet. */
    readonly dirty: number
    /** Bytes in one. */
    readonly size: Bytes
  }
  /** Every task that hasn't ended, the oldest first. */
  readonly tasks: readonly DumpedTask[]
  /** Every lock that somebody has or waits for. */
  readonly locks: readonly DumpedLock[]
  /** I/O that hasn't ended, first submitted first. */
  readonly bios: readonly DumpedBio[]
  /** Every group, the root first. */
  readonly groups: readonly DumpedGroup[]
  /** The chain of each task that hangs behind I/O that isn't its own, in a sentence. Empty under `restart`. */
  readonly hanging: readonly string[]
  /** What doesn't add up; nothing should. */
  readonly broken: readonly string[]
}

/** A task that hasn't ended. */
export interface DumpedTask {
  /** Its number. */
  readonly id: TaskId
  /** Whom it works for, or what it does. */
  readonly name: string
  /** What it does: fault, read, fork, … */
  readonly verb: string
  /** The path of the group that pays. */
  readonly group: string
  /** Whether it waits. */
  readonly state: Task['state']
  /** What it waits for, and the kind of wait; '' if it doesn't. */
  readonly waitsFor: string
  /** The kind of wait; '' if it doesn't. */
  readonly why: string
  /** Nanoseconds since its wait began. */
  readonly waited: Ns
  /** The task in its way; '' if none is. */
  readonly behind: string
  /** "mmap_lock of app (write)". */
  readonly holds: readonly string[]
}

/** A lock that somebody has or waits for. */
export interface DumpedLock {
  /** As messages name it. */
  readonly name: string
  /** Who has it. */
  readonly holders: readonly string[]
  /** First come first. */
  readonly queue: readonly {
    /** Its name. */
    readonly task: string
    /** How it wants the lock. */
    readonly mode: 'read' | 'write'
  }[]
}

/** An I/O that hasn't ended. */
export interface DumpedBio {
  /** What it reads or writes, in words. */
  readonly what: string
  /** The disk, as io.stat shows it. */
  readonly disk: string
  /** The path of the group that pays. */
  readonly group: string
  /** How far it is. */
  readonly state: 'throttled' | 'queued' | 'issued' | 'ended'
  /** Nanoseconds since it was submitted. */
  readonly age: Ns
}

/** A group and what it has of the memory. */
export interface DumpedGroup {
  /** From the root. */
  readonly path: string
  /** Bytes that are charged to it. */
  readonly usage: Bytes
  /** Bytes of them that are dirty. */
  readonly dirty: Bytes
  /** Bytes of them that are being written. */
  readonly writeback: Bytes
  /** What a task of it pays on its way out now. */
  readonly delay: Ns
}

export function dump(engine: Engine): MachineDump {
  const { scheduler, memory, cache, io, mm, groups, tree } = engine
  const now = scheduler.now()
  const { pageSize } = memory.frames
  const tasks = [...scheduler.tasks.values()]
  const locks = [...mm.spaces.values()].flatMap(({ locks: { mmap }, vmas }) => [
    {
      name: mmap.name,
      holders: namesOf(mmap.holders()),
      queue: mmap.waiters().map(({ task, mode }) => ({ task: nameOf(task), mode })),
    },
    ...[...vmas].map(({ lock }) => ({
      name: lock.name,
      holders: namesOf(lock.holders()),
      queue: writersOf(tasks, lock),
    })),
  ])
  return {
    discipline: engine.discipline.name,
    time: now,
    pages: { total: memory.total, free: memory.free, dirty: cache.dirtyPages, size: pageSize },
    tasks: tasks.map(task => {
      const wait = task.state === 'waiting' ? task.wait : undefined
      const behind = blockerOf(task)
      return {
        id: task.id,
        name: task.name,
        verb: task.verb.name,
        group: groups.path(task.group),
        state: task.state,
        waitsFor: wait?.ticket.what ?? '',
        why: wait?.why ?? '',
        waited: wait === undefined ? 0 : now - task.waitingSince,
        behind: behind === undefined ? '' : nameOf(behind),
        holds: task.held.map(({ lock, mode }) => `${lock.name} (${mode})`),
      }
    }),
    locks: locks.filter(({ holders, queue }) => holders.length > 0 || queue.length > 0),
    bios: io.pending().map(bio => ({
      what: bio.what,
      disk: bio.device.disk,
      group: groups.path(bio.group),
      state: bio.state,
      age: now - bio.submittedAt,
    })),
    groups: Array.from({ length: tree.last }, (_, at) => groupOf(ROOT + at)),
    hanging: tasks.filter(hangs).map(task => chainSentence(waitChain(task), nameOf)),
    broken: check(engine),
  }

  function groupOf(group: GroupId): DumpedGroup {
    const stat = memory.ledger.stat(group)
    return {
      path: groups.path(group),
      usage: memory.ledger.usage(group) * pageSize,
      dirty: stat.dirty * pageSize,
      writeback: stat.writeback * pageSize,
      delay: io.delayOf(group),
    }
  }
}

function nameOf({ id, name, verb }: Task): string {
  return `${name} (${verb.name} ${id})`
}

function namesOf(tasks: readonly Task[]): string[] {
  return [...tasks].map(nameOf)
}

/** Who waits until no reader is left in a VMA. */
function writersOf(tasks: readonly Task[], lock: object): DumpedLock['queue'] {
  return tasks
    .filter(({ state, wait }) => state === 'waiting' && wait!.on === lock)
    .map(task => ({ task: nameOf(task), mode: 'write' }))
}
