/**
 * Plays runs: starts the operations of a round together, waits until all have ended, and holds what each has come to
 * against the model. What the model forbids is a Mismatch.
 *
 * An operation may fail with an error that the plan excuses: EIO while the device is broken, ENOSPC where there are too
 * few blocks and the operation may need one, ENOMEM where memory can't be had back. Then it has changed nothing, or as
 * much as it says; all that was stored before must still be there. A sync is excused from EIO once for each opening
 * after a break, and from ENOSPC never: space is found at the store or not at all.
 *
 * Invariants
 *   XR1 Whatever the order in which the operations of a round take effect, the model after it is the same (footprint.ts).
 *   XR2 What isn't known after a failure is unmapped: a private page that may or may not have been copied.
 */
import { type Errno, errno, errnoName, type Ns, ROOT, SECOND } from '../base/index.ts'
import type { CopyArgs } from '../cache/index.ts'
import type { Task } from '../sched/index.ts'
import type { ForkArgs, MapArgs, PopulateArgs } from '../space/index.ts'
import type { RangeCopyingArgs, RemappingArgs } from '../volume/index.ts'
import { type Backend, MemoryBackend } from './backend.ts'
import { Model, type ModelPage } from './model.ts'
import { contentOf, type Of, type Operation, type Pages, type Plan, type Round } from './operations.ts'
import { copyError, dedupeLength, preallocationError, remapError, shiftError } from './rules.ts'
import { VolumeBackend } from './volume-backend.ts'
import { type Started, WINDOW, World } from './world.ts'

/** Longer than a file is left alone after a failed write (RETRY_AFTER of the page cache). */
const LEFT_ALONE: Ns = 6 * SECOND

/** The engine did what the model forbids. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch'
}

/** Looks at the whole engine, and says what is wrong with it. */
export type Inspect = (world: World) => string | undefined

export interface Counts {
  operations: number
  /** Operations that failed as the model or a broken device says they must or may. */
  refused: number
  excused: number
  /** Operations of checks, which the others don't count. */
  checked: number
  /** What the engine says of itself: that it had to work. */
  faults: number
  majorFaults: number
  refaults: number
  evicted: number
  swappedOut: number
}

export function memoryBackend(plan: Plan, content: Uint8Array): Backend {
  return plan.volume === null ? new MemoryBackend(plan, content) : new VolumeBackend(plan)
}

export class Exerciser {
  readonly model: Model
  world: World
  readonly counts: Counts = {
    operations: 0,
    refused: 0,
    excused: 0,
    checked: 0,
    faults: 0,
    majorFaults: 0,
    refaults: 0,
    evicted: 0,
    swappedOut: 0,
  }
  private readonly plan: Plan
  private readonly backend: Backend
  private readonly inspect: Inspect
  private broken = false
  /** The device was broken at some time of the round at hand. */
  private breaking = false
  /** Openings whose next sync may tell an error. */
  private readonly untold = new Set<number>()
  private everBroken = false
  private readonly unsettled: Pages[] = []
  /** How often each file had been changed when the round began. */
  private marks: readonly number[] = []

  constructor(
    plan: Plan,
    make: (plan: Plan, content: Uint8Array) => Backend = memoryBackend,
    inspect: Inspect = () => undefined,
  ) {
    const content = contentOf(plan.seed, plan.size)
    this.plan = plan
    this.backend = make(plan, content)
    this.world = new World(plan, this.backend)
    this.model = new Model(plan, content)
    this.inspect = inspect
  }

  /** Plays one round. Throws a Mismatch, or whatever the engine threw. */
  async play(round: Round): Promise<void> {
    const inFlight: Started[] = []
    this.breaking = this.broken
    this.marks = this.model.files.map(({ mark }) => mark)
    for (const operation of round) {
      const started = this.start(operation)
      if (started === undefined) continue
      inFlight.push(started)
      if (started.pause > 0) {
        const passed = this.backend.pause(started.pause)
        if (passed !== undefined) await passed
      }
    }
    await this.settle(inFlight.map(started => started.task))
    for (const started of inFlight) this.finish(started, inFlight.length === 1)
    this.counts.operations += inFlight.length
    if (inFlight[0]?.operation.kind === 'crash') await this.crash(inFlight[0].operation.seed)
    for (const { space, page, pages } of this.unsettled.splice(0)) {
      if (this.world.spaces[space] === undefined) continue
      await this.settle([this.world.unmap(space, WINDOW + page, WINDOW + page + pages)])
      if (this.model.spaces[space]?.[page] !== undefined || pages > 1)
        this.model.unmap({ space, page, pages })
    }
  }

  /** Holds everything that can be seen against the model: each page of each space, the file, and the engine's counts. */
  async check(): Promise<void> {
    const { model } = this
    const { operations } = this.counts
    for (const [space, window] of model.spaces.entries())
      for (const page of window?.keys() ?? [])
        await this.play([{ kind: 'load', space, at: page * model.pageSize, length: model.pageSize }])
    for (const open of model.files.keys())
      await this.play([{ kind: 'read', open, at: 0, length: model.capacity }])
    this.counts.checked += this.counts.operations - operations
    this.counts.operations = operations
  }

  /** Lets the engine be recounted. */
  look(): void {
    const wrong = this.inspect(this.world)
    if (wrong !== undefined) throw new Mismatch(wrong)
  }

  /** The end of a run: the device is whole again, and everything that was stored must come to it. */
  async end(): Promise<void> {
    await this.play([{ kind: 'heal' }])
    if (this.everBroken) {
      // A file is left alone for a while after a write of it has failed; until then its dirty pages can't be reclaimed.
      const passed = this.backend.pause(LEFT_ALONE)
      if (passed !== undefined) await passed
      this.everBroken = false
    }
    for (const open of [0, 0, 1, 2]) await this.play([{ kind: 'sync', open }])
    await this.play([{ kind: 'evict' }])
    await this.check()
    this.look()
  }

  close(): void | Promise<void> {
    this.tally()
    return this.backend.close()
  }

  /** What the engine says of itself is counted before it goes. */
  private tally(): void {
    const { counts } = this
    const { pgfault, pgmajfault, refault, steal, swapOut } = this.backend.engine.memory.ledger.stat(ROOT)
    counts.faults += pgfault
    counts.majorFaults += pgmajfault
    counts.refaults += refault
    counts.evicted += steal
    counts.swappedOut += swapOut
  }

  /** The machine goes, and what another one finds must be what the last syncs promised, or what was stored since. */
  private async crash(seed: number): Promise<void> {
    this.tally()
    this.backend.crash(seed)
    this.broken = false
    this.untold.clear()
    this.world = new World(this.plan, this.backend)
    this.look()
    const left: Uint8Array[] = []
    for (const [at, file] of this.model.files.entries()) {
      const { task, bytes } = this.world.whole(at)
      await this.settle([task])
      const wrong =
        task!.errno === errno.OK ? file.forbids(bytes) : `can't be read: ${errnoName(task!.errno)}`
      if (wrong !== undefined) throw new Mismatch(`after a crash file ${at} ${wrong}`)
      left.push(bytes)
    }
    this.model.crash(left)
  }

  private async settle(tasks: readonly (Task | undefined)[]): Promise<void> {
    const over = () => tasks.every(task => task === undefined || task.state === 'ended')
    if (over()) return
    const settled = this.backend.until(over)
    if (typeof settled === 'boolean' ? settled : await settled) return
    const stuck = tasks.filter(task => task !== undefined && task.state !== 'ended')
    throw new Mismatch(
      `stuck: ${stuck.map(task => `${task!.name} waits for ${task!.wait?.ticket.what} (${task!.wait?.why})`).join('; ')}`,
    )
  }

  private start(operation: Operation): Started | undefined {
    if (operation.kind === 'break') {
      this.broken = true
      this.breaking = true
      this.everBroken = true
    }
    if (operation.kind === 'heal') this.broken = false
    return this.world.start(operation)
  }

  private finish(started: Started, alone: boolean): void {
    const { operation } = started
    const { model } = this
    switch (operation.kind) {
      case 'load':
        this.finishLoad(started, operation)
        break
      case 'store':
        this.finishStore(started, operation)
        break
      case 'read':
        this.finishRead(started, operation)
        break
      case 'write':
        this.finishWrite(started, operation)
        break
      case 'truncate':
        if (this.judge(started, errno.OK)) model.truncate(operation.file, operation.size)
        break
      case 'punch':
        if (this.judge(started, errno.OK))
          model.files[operation.file]!.zero(operation.at, operation.at + operation.length)
        break
      case 'clone':
        if (this.judge(started, remapError(model, operation)))
          model.remap(operation, (started.task!.args as RemappingArgs).remapped)
        break
      case 'dedupe':
        this.finishDedupe(started, operation, alone)
        break
      case 'copy':
        if (this.judge(started, copyError(model, operation)))
          model.remap(operation, (started.task!.args as RangeCopyingArgs).copied)
        break
      case 'collapse':
      case 'insert':
        if (this.judge(started, shiftError(model, operation))) model.shift(operation)
        break
      case 'unshare':
        this.judge(started, errno.OK)
        break
      case 'allocate':
      case 'zero':
        this.finishPreallocation(started, operation)
        break
      case 'crash':
        break
      case 'sync':
        this.finishSync(started, operation, alone)
        break
      case 'msync':
        this.judge(started, this.hasHole(operation) ? errno.ENOMEM : errno.OK)
        break
      case 'map':
        this.finishMap(started, operation)
        break
      case 'unmap':
        if (this.judge(started, errno.OK)) model.unmap(operation)
        break
      case 'mremap':
        this.finishMremap(started, operation)
        break
      case 'protect':
        this.judge(started, this.hasHole(operation) ? errno.ENOMEM : errno.OK)
        for (const page of this.beforeHole(operation)) page.allowed = operation.allowed
        break
      case 'advise':
        this.finishAdvise(started, operation)
        break
      case 'populate':
        this.finishPopulate(started, operation)
        break
      case 'lock': {
        this.judge(started, this.hasHole(operation) ? errno.ENOMEM : errno.OK)
        for (const page of this.beforeHole(operation)) page.locked = operation.to === 'locked'
        break
      }
      case 'fork':
        if (!this.judge(started, errno.OK)) break
        this.world.place(operation.child, (started.task!.args as ForkArgs).child)
        model.fork(operation.space, operation.child)
        break
      case 'exit':
        if (!this.judge(started, errno.OK)) break
        this.world.place(operation.space, undefined)
        model.exit(operation.space)
        break
      case 'reopen':
        if (!this.breaking) this.untold.delete(operation.open)
        break
      case 'break':
        for (let open = 0; open < 3; open++) this.untold.add(open)
        break
      case 'heal':
      case 'evict':
      case 'idle':
        break
    }
  }

  private finishLoad(started: Started, operation: Of<'load'>): void {
    const { space, at, length } = operation
    if (!this.judge(started, this.model.access(space, at, length, 'load'))) return
    const differs = this.model.loadDiffers(space, at, started.bytes)
    if (differs === -1) return
    const page = Math.floor((at + differs) / this.model.pageSize)
    const mapped = this.model.spaces[space]![page]!
    const what =
      mapped.share === 'anonymous'
        ? 'anonymous memory'
        : `${mapped.share} page ${mapped.index} of file ${mapped.file}`
    const inPage = (at + differs) % this.model.pageSize
    throw new Mismatch(
      `load of space ${space} page ${page} (${what}) byte ${inPage}: ${started.bytes[differs]} isn't what was stored; the file has ${this.model.files[mapped.file]!.size} bytes`,
    )
  }

  private finishStore(started: Started, operation: Of<'store'>): void {
    const { space, at, length } = operation
    if (this.judge(started, this.model.access(space, at, length, 'store')))
      this.model.store(space, at, started.bytes)
    else
      this.doubt(space, Math.floor(at / this.model.pageSize), Math.ceil((at + length) / this.model.pageSize))
  }

  private finishRead(started: Started, operation: Of<'read'>): void {
    if (!this.judge(started, errno.OK)) return
    const { copied } = started.task!.args as CopyArgs
    const file = this.model.fileOf(operation.open)
    const expected = this.model.readable(file, operation.at, operation.length)
    if (copied !== expected) throw new Mismatch(`read at ${operation.at} gave ${copied} bytes of ${expected}`)
    const { bytes } = this.model.files[file]!
    const differs = bytes.differs(started.bytes.subarray(0, copied), operation.at)
    if (differs !== -1)
      throw new Mismatch(
        `read of byte ${operation.at + differs} of file ${file} gave ${started.bytes[differs]} in place of ${bytes.one[operation.at + differs]}`,
      )
  }

  private finishWrite(started: Started, operation: Of<'write'>): void {
    const { copied } = started.task!.args as CopyArgs
    const whole = this.judge(started, errno.OK)
    if (whole && copied !== operation.length)
      throw new Mismatch(`write at ${operation.at} took ${copied} bytes of ${operation.length}`)
    this.model.write(this.model.fileOf(operation.open), operation.at, started.bytes.subarray(0, copied))
  }

  private finishSync(started: Started, operation: Of<'sync'>, alone: boolean): void {
    const synced = this.judge(started, errno.OK)
    if (!this.breaking) this.untold.delete(operation.open)
    const file = this.model.fileOf(operation.open)
    if (synced) this.model.files[file]!.promise(this.marks[file]!)
    if (synced && alone && !this.breaking) this.compareDurable()
  }

  /** After a sync the device has what the file has (SY1). */
  private compareDurable(): void {
    const durable = this.backend.durable()
    if (durable === undefined) return
    const { bytes: file, size } = this.model.files[0]!
    if (durable.length !== size)
      throw new Mismatch(`after a sync the device has ${durable.length} bytes, and the file ${size}`)
    const bytes = new Uint8Array(size)
    durable.read(bytes)
    const differs = file.differs(bytes, 0)
    if (differs !== -1)
      throw new Mismatch(
        `after a sync byte ${differs} on the device is ${bytes[differs]} in place of ${file.one[differs]}`,
      )
  }

  /** Where VMAs end isn't the model's to know: a refusal is right if it may be. */
  private finishMremap(started: Started, operation: Of<'mremap'>): void {
    const { model } = this
    const actual = this.world.errnoOf(started)
    const { space, page, pages, newPages, to } = operation
    const kept = model.pagesOf({ space, page, pages: Math.min(pages, newPages) })
    const shrinks = to === null && newPages <= pages
    const resizes = operation.old === 'stays mapped' && pages !== newPages
    const goesOver = to !== null && pages === newPages
    const isMapped = shrinks || goesOver ? kept[0] !== undefined : kept.every(each => each !== undefined)
    const overlaps = to !== null && to < page + pages && page < to + newPages
    const mayRefuse =
      (actual === errno.EFAULT && !shrinks && !goesOver && !overlaps && !resizes) ||
      (actual === errno.ENOMEM && to === null && newPages > pages)
    if (isMapped && mayRefuse) {
      this.counts.refused++
      return
    }
    const expected = overlaps || resizes ? errno.EINVAL : isMapped ? errno.OK : errno.EFAULT
    if (this.judge(started, expected)) model.mremap(operation)
  }

  private finishMap(started: Started, operation: Of<'map'>): void {
    if (!this.judge(started, errno.OK)) return
    const { space, pages } = operation
    const { start } = started.task!.args as MapArgs
    const page = start - WINDOW
    const where = { space, page, pages }
    if (operation.place === 'anywhere') {
      const taken = this.model.spaces[space]!.slice(Math.max(0, page), page + pages)
      if (taken.some(mapped => mapped !== undefined))
        throw new Mismatch(
          `a mapping of ${pages} pages was put over others, at page ${page} of space ${space}`,
        )
      if (page + pages > this.plan.windowPages) {
        this.unsettled.push(where)
        return
      }
    }
    this.model.map(where, { ...operation, file: this.model.fileOf(operation.open) })
  }

  /** Nothing can be seen of it; whether the two differed is known if nobody stored meanwhile. */
  private finishDedupe(started: Started, operation: Of<'dedupe'>, alone: boolean): void {
    if (!this.judge(started, remapError(this.model, operation)) || !alone) return
    const { source, from, target, to } = operation
    const { differs, remapped } = started.task!.args as RemappingArgs
    const one = this.model.files[source]!.bytes.one
    const other = this.model.files[target]!.bytes.one
    // Every byte is compared, and whole blocks are shared.
    const length = dedupeLength(this.model, operation)
    const alike = one.subarray(from, from + operation.length).every((byte, at) => byte === other[to + at])
    if (differs === alike || remapped !== (alike ? length : 0))
      throw new Mismatch(
        `dedupe of ${length} bytes that ${alike ? 'are the same' : 'differ'} shared ${remapped} of them`,
      )
  }

  private finishPreallocation(started: Started, operation: Of<'allocate' | 'zero'>): void {
    if (!this.judge(started, preallocationError(operation))) return
    const { kind, at, length, keeps } = operation
    const file = this.model.files[operation.file]!
    if (kind === 'zero') file.zero(at, at + length)
    if (keeps === 'nothing') file.grow(at + length)
  }

  private finishAdvise(started: Started, operation: Of<'advise'>): void {
    const { advice } = operation
    const pages = this.model.pagesOf(operation)
    const refusing = pages.findIndex(page => page !== undefined && refuses(page, advice))
    this.judge(started, refusing !== -1 ? errno.EINVAL : this.hasHole(operation) ? errno.ENOMEM : errno.OK)
    const advised = pages.slice(0, refusing === -1 ? pages.length : refusing)
    if (advice === 'dontneed') this.model.forgetCopies(advised)
    if (advice === 'free') this.model.mayForget(advised)
    for (const page of advised) {
      if (page === undefined) continue
      if (advice === 'dontfork' || advice === 'dofork') page.leftOut = advice === 'dontfork'
      if (advice === 'wipeonfork' || advice === 'keeponfork') page.wiped = advice === 'wipeonfork'
    }
  }

  private finishPopulate(started: Started, operation: Of<'populate'>): void {
    const { space, page, access } = operation
    const { model } = this
    const pages = model.pagesOf(operation)
    const failing = pages.map(each => model.accessPage(each, access)).find(error => error !== errno.OK)
    const whole = this.judge(started, failing ?? errno.OK)
    if (access === 'load') return
    const done = (started.task!.args as PopulateArgs).vpn - WINDOW - page
    for (const each of pages.slice(0, done)) if (each!.share !== 'shared') model.copyOf(each!)
    if (!whole) this.doubt(space, page + done, page + operation.pages)
  }

  /** The pages up to the first that isn't mapped. */
  private beforeHole(range: Pages): ModelPage[] {
    const pages = this.model.pagesOf(range)
    const hole = pages.indexOf(undefined)
    return pages.slice(0, hole === -1 ? pages.length : hole).filter(page => page !== undefined)
  }

  private hasHole(range: Pages): boolean {
    return this.model.pagesOf(range).some(page => page === undefined)
  }

  /** Whether the operation succeeded, as it should. A failure that the model or the plan knows is false; else a Mismatch. */
  private judge(started: Started, expected: Errno): boolean {
    const actual = this.world.errnoOf(started)
    if (actual === expected) {
      if (actual !== errno.OK) this.counts.refused++
      return actual === errno.OK
    }
    if (actual !== errno.OK && this.excuses(started.operation, actual)) {
      this.counts.excused++
      return false
    }
    const name = (error: Errno) => (error === errno.OK ? 'success' : errnoName(error))
    throw new Mismatch(`${started.operation.kind}: ${name(actual)}, expected ${name(expected)}`)
  }

  private excuses(operation: Operation, error: Errno): boolean {
    switch (operation.kind) {
      case 'advise':
        return operation.advice === 'collapse' && STAYS.has(error)
      case 'sync':
        return error === errno.EIO && (this.breaking || this.untold.has(operation.open))
      case 'msync':
        return error === errno.EIO && this.plan.errors
      case 'load':
      case 'read':
        return this.excusesAny(error)
      case 'clone':
      case 'dedupe':
      case 'truncate':
      case 'punch':
      case 'collapse':
      case 'insert':
        return (error === errno.ENOSPC && this.plan.volume !== null) || this.excusesAny(error)
      case 'store':
      case 'write':
      case 'populate':
      case 'copy':
      case 'unshare':
      case 'allocate':
      case 'zero':
        return (error === errno.ENOSPC && this.plan.blocks !== null) || this.excusesAny(error)
      default:
        return false
    }
  }

  private excusesAny(error: Errno): boolean {
    if (error === errno.EIO) return this.breaking
    return error === errno.ENOMEM && (!this.plan.swap || this.everBroken)
  }

  /** Private pages of [start, end) may have been copied by what failed, or not (XR2). */
  private doubt(space: number, start: number, end: number): void {
    for (let page = start; page < end; page++) {
      const mapped = this.model.spaces[space]?.[page]
      if (mapped?.share === 'private' && mapped.copy === undefined)
        this.unsettled.push({ space, page, pages: 1 })
    }
  }
}

/** Why pages may stay where they are: in use, no frame to be had, on a device. */
const STAYS: ReadonlySet<Errno> = new Set([errno.EAGAIN, errno.ENOMEM, errno.EINVAL])

/** Linux's EINVALs of madvise. */
function refuses({ locked, share }: ModelPage, advice: Of<'advise'>['advice']): boolean {
  if (advice === 'dontneed' || advice === 'cold' || advice === 'pageout') return locked
  if (advice === 'free') return locked || share !== 'anonymous'
  return advice === 'wipeonfork' && share !== 'anonymous'
}
