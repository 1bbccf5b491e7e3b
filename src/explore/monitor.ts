/**
 * What can only be seen while a step is taken, not in the state after it: who overtook whom, whether a page became dirty
 * with its notification, and what a task that has ended did to the truth.
 *
 * Invariants (the properties that it looks for)
 *   MO1 A reader doesn't take a space's lock past a waiting writer while others hold it.
 *   MO2 Nobody enters a VMA that is write-locked.
 *   MO3 In one attempt a page becomes dirty exactly as often as it was made ready for a store.
 *   MO4 A sync that ends has told every error of writeback until then.
 */
import { type Bytes, errno, type FileId } from '../base/index.ts'
import type { CachedFile } from '../cache/index.ts'
import { LinearFile } from '../fs/index.ts'
import { RANK, type VmaLock } from '../lock/index.ts'
import type { PageRequest } from '../memmap/index.ts'
import { DIRTY, type Frames } from '../memory/index.ts'
import type { Space } from '../mm/index.ts'
import { replace } from '../rig/index.ts'
import { type Held, holds, type Outcome, type Task, type Watcher } from '../sched/index.ts'
import type { MremapArgs } from '../space/index.ts'
import type {
  Claimable,
  DaxChangeArgs,
  DaxFile,
  PreallocatingArgs,
  RemappingArgs,
  VolumeFile,
} from '../volume/index.ts'
import type { LabDevice } from './lab-device.ts'
import type { Machine } from './machine.ts'
import { UnderVolume } from './volume/under.ts'

/** The place of a lock before a step. */
interface Before {
  readonly space: Space
  readonly held: boolean
  readonly writerQueues: boolean
}

/** What must be true of a machine; `check` says what isn't. */
export interface Property {
  readonly name: string
  readonly says: string
  readonly check: (machine: Machine) => string | undefined
}

export interface Breach {
  readonly property: string
  readonly says: string
}

/** Pages that an mremap has done with. */
interface Moved {
  readonly cleared: number
  readonly cut: number
  readonly moved: number
}
const NOTHING_MOVED: Moved = { cleared: 0, cut: 0, moved: 0 }

export class Monitor implements Watcher {
  /** What the last step broke. */
  breach: Breach | undefined
  private readonly machine: Machine
  private prepared = 0
  private dirtied = 0
  private actor: Task | undefined
  private heldBefore: readonly Held[] = []
  private reachedBefore: number | undefined
  private movedBefore: Moved = NOTHING_MOVED
  private copiedBefore = 0
  private locks: Before[] = []

  constructor(machine: Machine) {
    this.machine = machine
  }

  attach(): void {
    const { cache, io } = this.machine.engine
    replace(io, 'onEnd', end => bio => {
      const under = this.machine.devices.get(cache.files.get(bio.file)?.name ?? '')
      const counts = bio.purpose === 'writeback' || bio.operation === 'flush'
      if (under instanceof UnderVolume && counts && bio.errno !== errno.OK) under.failed(bio.errno)
      end(bio)
    })
    replace(cache, 'onDirty', tellFlusher => file => {
      this.dirtied++
      tellFlusher(file)
    })
  }

  /** A page of a file was made ready for a store. */
  noteReady(): void {
    this.prepared++
  }

  /** Of a step that `actor` takes; without one nobody does. */
  before(actor: Task | undefined): void {
    this.breach = undefined
    this.prepared = 0
    this.dirtied = 0
    this.actor = actor
    this.heldBefore = actor === undefined ? [] : [...actor.held]
    this.copiedBefore = copied(actor)
    this.reachedBefore = actor?.reached
    this.movedBefore = this.movedBy(actor)
    // Whose step it isn't takes no lock.
    if (actor === undefined) return
    this.locks = [...this.machine.engine.mm.spaces.values()].map(space => ({
      space,
      held: space.locks.mmap.holders().length > 0,
      writerQueues: space.locks.mmap.waiters().some(({ mode }) => mode === 'write'),
    }))
  }

  after(): void {
    const { actor } = this
    if (actor === undefined) return
    if (actor.state !== 'ended' && actor.reached !== undefined) this.emptied(actor, actor.reached)
    if (actor.verb === this.machine.engine.verbs.mremap)
      this.moved(actor.args as MremapArgs, this.movedBy(actor))
    // Pages that couldn't be written become dirty again, by whoever ends their I/O; nobody stores to them.
    if (this.prepared !== this.dirtied && this.machine.tasks.includes(actor))
      this.breach = {
        property: 'page_mkwrite',
        says: `${actor.name} made ${this.prepared} pages ready for a store and ${this.dirtied} dirty in one attempt`,
      }
    for (const { lock, mode } of actor.held) {
      if (this.heldBefore.some(held => held.lock === lock)) continue
      if (lock.rank === RANK.vma) this.checkEntered(actor, lock as VmaLock)
      else if (mode === 'read') this.checkOvertaking(actor)
    }
    if (copied(actor) > this.copiedBefore) this.noteWritten(actor)
  }

  began(): void {}
  waits(): void {}
  resumes(): void {}

  ended(task: Task): void {
    const { verbs } = this.machine.engine
    if (task.verb === verbs.sync) this.checkTold(task)
    if (task.errno !== 0) return
    const { volume } = this.machine
    if (task.verb === verbs.truncate) this.truncated(task)
    else if (task.verb === volume?.volume.daxChange) this.daxChanged(task.args as DaxChangeArgs)
    else if (task.verb === volume?.volume.remapping) this.remapped(task.args as RemappingArgs)
    else if (task.verb === volume?.volume.preallocating) this.preallocated(task.args as PreallocatingArgs)
    else if (task.verb === verbs.fork) {
      const args = task.args as { readonly space: Space; readonly child: Space }
      this.machine.truth.forked(args.space, args.child)
    } else this.emptied(task, Infinity)
  }

  /** A call that empties a range has come to `reached`: what was private there is gone, since its last attempt. */
  private emptied(task: Task, reached: number): void {
    const { verbs } = this.machine.engine
    const empties = task.verb === verbs.exit || task.verb === verbs.unmap || task.verb === verbs.map
    if (!empties && !isDontneed(task)) return
    const args = task.args as { space: Space; start?: number; end?: number; pages?: number }
    const { start = 0, end = args.pages === undefined ? Infinity : start + args.pages } = args
    this.forget(
      args.space,
      (task === this.actor ? this.reachedBefore : undefined) ?? start,
      Math.min(end, reached),
    )
  }

  /** How far an mremap has come. */
  private movedBy(task: Task | undefined): Moved {
    if (task === undefined || task.verb !== this.machine.engine.verbs.mremap || task.errno !== 0)
      return NOTHING_MOVED
    const { from, pages, newPages, to, stage } = task.args as MremapArgs
    const kept = Math.min(pages, newPages)
    const moves = to !== from
    const all = { cleared: moves ? newPages : 0, cut: pages - kept, moved: moves ? kept : 0 }
    if (task.state === 'ended') return all
    const reached = task.reached!
    switch (stage) {
      case undefined:
        return NOTHING_MOVED
      case 'clearing the new place':
        return { cleared: reached - to, cut: 0, moved: 0 }
      case 'cutting the tail':
        return { ...all, cut: reached - from - kept, moved: 0 }
      case 'moving':
        return { ...all, moved: reached - from }
      case 'unmapping the old place':
        return all
    }
  }

  /** What was private at the new place and in the tail is gone, and what moved is elsewhere. */
  private moved({ space, from, pages, newPages, to }: MremapArgs, now: Moved): void {
    const { truth } = this.machine
    const before = this.movedBefore
    const kept = Math.min(pages, newPages)
    this.forget(space, to + before.cleared, to + now.cleared)
    this.forget(space, from + kept + before.cut, from + kept + now.cut)
    for (let at = before.moved; at < now.moved; at++) truth.move(space.id, from + at, to + at)
  }

  private checkTold({ name, args, killed }: Task): void {
    const { file, cursor } = args as { readonly file: CachedFile; readonly cursor: { readonly seen: number } }
    if (!killed && cursor.seen !== file.errorCount)
      this.breach = { property: 'errors', says: `${name} ends and hasn’t told every error of ${file.name}` }
  }

  /** What was private in the range is gone. */
  private forget(space: Space, start: number, end: number): void {
    const { truth } = this.machine
    for (const { space: owner, vpn } of truth.copyPlaces())
      if (owner === space.id && vpn >= start && vpn < end) truth.forget(space.id, vpn)
  }

  private truncated(task: Task): void {
    const { file, change } = task.args as {
      readonly file: CachedFile
      readonly change: { readonly size: number } | { readonly position: number; readonly length: number }
    }
    if ('size' in change) this.zeroed(file, change.size, Infinity, 'cut off')
    else this.zeroed(file, change.position, change.position + change.length, 'punched')
  }

  private daxChanged({ plan }: DaxChangeArgs): void {
    if (plan.how === 'resize') this.zeroed(plan.file, plan.size, Infinity, 'cut off')
    else this.zeroed(plan.file, plan.position, plan.position + plan.length, 'punched')
  }

  /** The target holds what the source does: a clone makes it so, and a dedupe has seen it. */
  private remapped({ plan, remapped }: RemappingArgs): void {
    const { truth, pageSize } = this.machine
    const { source, from, target, to } = plan
    for (let done = 0; done < remapped; done += pageSize) {
      const word = truth.word(idOf(source), (from + done) / pageSize)
      if (plan.how === 'clone') truth.write(idOf(target), (to + done) / pageSize, word)
    }
  }

  private preallocated({ plan: { how, file, position, length } }: PreallocatingArgs): void {
    if (how === 'zero') this.zeroed({ id: idOf(file) }, position, position + length, 'punched')
  }

  /** Bytes [from, to) of a file read as zeros now; what was cut off takes its private copies with it. */
  private zeroed(file: { readonly id: FileId }, from: Bytes, to: Bytes, how: 'cut off' | 'punched'): void {
    const { truth, pageSize, engine } = this.machine
    const words = truth.files.get(file.id)!
    for (let page = from / pageSize; page < Math.min(to / pageSize, words.length); page++) words[page] = 0
    if (how === 'punched') return
    for (const space of engine.mm.spaces.values())
      for (const vma of space.vmas)
        if (vma.open?.file.id === file.id)
          this.forget(space, vma.start + Math.max(0, from / pageSize - vma.pageOffset), vma.end)
  }

  private noteWritten(actor: Task): void {
    const { file, position, buffer } = actor.args as {
      readonly file: CachedFile
      readonly position: number
      readonly buffer: Uint8Array
    }
    if (actor.verb === this.machine.engine.verbs.write)
      this.machine.truth.write(file.id, position / this.machine.pageSize, buffer[0]!)
  }

  private checkEntered(actor: Task, lock: VmaLock): void {
    for (const { space } of this.locks)
      for (const vma of space.vmas)
        if (vma.lock === lock && lock.writeSequence === space.locks.mmap.sequence)
          this.breach = {
            property: 'vma lock',
            says: `${actor.name} entered ${lock.name} while it is write-locked`,
          }
  }

  private checkOvertaking(actor: Task): void {
    for (const { space, held, writerQueues } of this.locks)
      if (held && writerQueues && holds(actor, space.locks.mmap))
        this.breach = {
          property: 'overtaking',
          says: `${actor.name} took ${space.locks.mmap.name} past a waiting writer while others hold it`,
        }
  }
}

/** A file whose backing tells the monitor of every clean page that it makes ready for a store. */
export class WatchedFile extends LinearFile {
  private readonly monitor: Monitor
  private readonly frames: Frames

  constructor(monitor: Monitor, device: LabDevice, ...rest: Rest) {
    super(device, ...rest)
    this.monitor = monitor
    this.frames = rest[1].frames
  }

  override reserve(file: CachedFile, request: PageRequest, frame: number): Outcome {
    const outcome = super.reserve(file, request, frame)
    if (outcome.kind === 'done' && !this.frames.has(frame, DIRTY)) this.monitor.noteReady()
    return outcome
  }
}

function idOf(file: Claimable): FileId {
  return (file as VolumeFile | DaxFile).opened === 'dax'
    ? (file as DaxFile).id
    : (file as VolumeFile).cached.id
}

type Rest = ConstructorParameters<typeof LinearFile> extends [unknown, ...infer Others] ? Others : never

function copied(task: Task | undefined): number {
  return (task?.args as { readonly copied?: number } | undefined)?.copied ?? 0
}

function isDontneed(task: Task): boolean {
  return (task.args as { readonly advice?: string }).advice === 'dontneed'
}
