/**
 * VMA locks and the sequence that ends them together (Linux 6.4 and later: include/linux/mm.h, mm/mmap_lock.c).
 *
 * A fault read-locks one VMA, by trying: it never queues here. A writer of the space (who holds the mmap lock for
 * writing) write-locks the VMAs it changes: it stamps them with the space's sequence number, so that no reader enters,
 * and waits until the readers inside have left. All the write locks of a space end at one stroke, when the number rises.
 *
 * Invariants
 *   V1  A VMA is write-locked iff its `writeSequence` equals the space's.
 *   V2  No reader enters a write-locked VMA; a writer changes it only when `readers` is 0.
 *       `readers` counts the tasks that hold it.
 *   V3  Whoever holds a VMA lock never queues for the mmap lock (a writer may hold that and wait for the VMA).
 */
import { assert } from '../base/index.ts'
import {
  type Held,
  holds,
  type Lock,
  queue,
  type Scheduler,
  type Task,
  type Ticket,
  type Wait,
} from '../sched/index.ts'
import { assertMayTake, noteReleased, noteTaken, RANK } from './classes.ts'
import { RwLock } from './rw-lock.ts'

export class VmaLock implements Lock {
  readonly name: string
  readonly rank = RANK.vma
  /** The sequence number under which it was last write-locked. */
  writeSequence = 0
  // hot: who they are is looked for when it is asked; a list for each lock would be two more places to fetch
  private readers = 0
  private drained: Ticket | undefined
  // hot: one for all readers: each of its own would be garbage of each fault
  private readonly held: Held = { lock: this, mode: 'read' }
  private readonly scheduler: Scheduler

  constructor(scheduler: Scheduler, name: string) {
    this.scheduler = scheduler
    this.name = name
  }

  holders(): readonly Task[] {
    return this.readers === 0 ? [] : this.scheduler.tasks.values().filter(task => holds(task, this))
  }

  inTheWay(): readonly Task[] {
    return this.holders()
  }

  cancel(): void {
    // Waiters share one ticket, and the scheduler has taken this one off it.
  }

  enter(task: Task): void {
    assertMayTake(task, this)
    this.readers++
    noteTaken(task, this.held)
  }

  /** Lets a reader out, and the writer on once the last has left. */
  release(task: Task): void {
    noteReleased(task, this)
    this.readers--
    if (this.readers > 0 || this.drained === undefined) return
    this.scheduler.complete(this.drained)
    this.drained = undefined
  }

  /** The wait for the moment when no reader is inside, or undefined if none is now. */
  untilDrained(): Wait | undefined {
    if (this.readers === 0) return undefined
    this.drained ??= this.scheduler.ticket(`${this.name} without readers`)
    return queue(this.drained, 'vma lock', this)
  }
}

/** The mmap lock of a space, with the sequence of its VMA locks: releasing it for writing ends them. */
class MmapLock extends RwLock {
  sequence = 1

  override release(task: Task): void {
    if (this.isWriter(task)) this.sequence++
    super.release(task)
  }

  override downgrade(task: Task): void {
    this.sequence++
    super.downgrade(task)
  }
}

/** The locks of one space. */
export class SpaceLock {
  readonly mmap: MmapLock
  /** The sequence number under which the stack, which no VMA here stands for, was last write-locked. */
  private stackSequence = 0

  constructor(scheduler: Scheduler, name: string) {
    this.mmap = new MmapLock(scheduler, `mmap_lock of ${name}`, RANK.mmap)
  }

  /** Read-locks a VMA if that needs no waiting; says whether it did. */
  tryReadVma(vma: VmaLock, task: Task): boolean {
    if (this.isWritten(vma)) return false
    vma.enter(task)
    return true
  }

  /** Whether a reader of this VMA would have to wait for the mmap lock. */
  isWritten(vma: VmaLock): boolean {
    return vma.writeSequence === this.mmap.sequence
  }

  /** The stack has the command line in it. It lies above all mappings, and nobody faults in it here. */
  writeStack(task: Task): void {
    assert(this.mmap.isWriter(task), `V1: ${task.name} writes the mmap lock before it write-locks the stack`)
    this.stackSequence = this.mmap.sequence
  }

  isStackWritten(): boolean {
    return this.stackSequence === this.mmap.sequence
  }

  /** Write-locks a VMA: undefined when it is locked and empty of readers, else the wait for that. */
  writeVma(vma: VmaLock, task: Task): Wait | undefined {
    assert(this.mmap.isWriter(task), `V1: ${task.name} writes the mmap lock before it write-locks a VMA`)
    vma.writeSequence = this.mmap.sequence
    return vma.untilDrained()
  }
}
