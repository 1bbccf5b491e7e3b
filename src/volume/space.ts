/**
 * The blocks of a volume: which are free, which are promised, how many files share one, and which wait for a commit.
 *
 *     free --allocate--> pending free, allocated --settle--> used --drop, last reference--> pending free, freed --commit--> free
 *                            \--cancel--> free      ^--share, drop--'
 *
 * A block that is freed may still be what the last commit points at, so it isn't given out again before the next one is
 * durable. A block that is allocated belongs to nobody until its data is written. What is pending free is both, and is part of what is
 * committed: when a volume is opened, what lies pending free is free.
 *
 * A reservation is a promise of one block without saying which. It is kept in memory only, as dirty pages are.
 *
 * Invariants
 *   VS1  available + reserved + used = size, and none is negative. Limbo counts as used.
 *   VS2  Each block is free, pending free, or referenced by extents; never two of these.
 *   VS3  A block that the durable state refers to is never allocated.
 *   VS5  A block that a reader elsewhere can see, at its commit, is never allocated.
 *   VS6  Where numbers only grow no block is allocated twice, in one life or several: not even one that is free.
 *   VS4  A run of the table of shared blocks has value n >= 2: n extents refer to each of its blocks.
 */
import { assert, errno } from '../base/index.ts'
import { Failure, verify } from './failure.ts'
import type { Overlay } from './overlay.ts'
import { decodeState, encodeState, NUMBERS_MAX, STATE_KEY, type State } from './records.ts'
import { type Run, RunTable } from './runs.ts'
import type { Store } from './store.ts'

/** The tag of a allocated run pending free. That of a freed one is the number of the commit that frees it, or of a later one; from 1. */
const ALLOCATED = 0

/** Which blocks are given out: what is free, or, of a device that keeps what was written, only ones from there on, each once. */
export type Reuse = 'of what is free' | { readonly growsFrom: number }

export interface Blocks {
  readonly start: number
  readonly end: number
}

export class Space {
  /** Blocks that data can lie in: all but the first. */
  size: number
  /** No block from this one on is allocated: the volume is to become smaller. */
  limit = Infinity
  /** Blocks that the device has, the first with them, if it has become shorter. */
  present = Infinity
  private readonly overlay: Overlay
  private readonly freeRuns: RunTable
  private readonly shared: RunTable
  private readonly pendingFree: RunTable
  /** Blocks that were shared and have one owner since a commit that isn't durable yet, tagged as what is pending free is. */
  private readonly unshared: RunTable
  private promised = 0
  /** Where the last allocation ended: the next one looks from there. */
  private cursor: number
  readonly reuse: Reuse
  /** The number of the commit that what is freed now waits for: higher by one for each commit that failed. */
  private epoch: number
  /** hot: the state, and when it was so. */
  private latest: { readonly moment: number; readonly state: State } | undefined

  /** `at`: the commit that it begins from. */
  constructor(overlay: Overlay, blocks: number, at: number, reuse: Reuse = 'of what is free') {
    this.overlay = overlay
    this.reuse = reuse
    this.cursor = reuse === 'of what is free' ? 1 : reuse.growsFrom
    this.epoch = at + 1
    this.size = blocks - 1
    this.freeRuns = new RunTable(overlay, 'f', 'still')
    this.shared = new RunTable(overlay, 'r', 'still')
    this.pendingFree = new RunTable(overlay, 'l', 'still')
    this.unshared = new RunTable(overlay, 'p', 'still')
  }

  get reserved(): number {
    return this.promised
  }

  /** Blocks that can still be promised. */
  get available(): number {
    return this.state.free - this.withheld - this.promised
  }

  get used(): number {
    return this.size - this.state.free + this.withheld
  }

  /** Blocks that are free and behind the limit. */
  private get withheld(): number {
    if (this.limit === Infinity) return 0
    let blocks = 0
    for (const { start, end } of this.freeRuns.inside(this.limit, NUMBERS_MAX)) blocks += end - start
    return blocks
  }

  /** Blocks that the next commit gives back. */
  get deferred(): number {
    return this.state.deferred
  }

  /** Blocks that are allocated and neither settled nor cancelled yet: counted, not kept. */
  get allocated(): number {
    let blocks = 0
    for (const { start, end, tag } of this.pendingFree.overlapping(0, NUMBERS_MAX))
      if (tag === ALLOCATED) blocks += end - start
    return blocks
  }

  /** hot: the same where it is known without asking. */
  get availableAsKnown(): number | undefined {
    if (this.limit !== Infinity || this.latest?.moment !== this.overlay.moment) return undefined
    return this.latest.state.free - this.promised
  }

  reserve(blocks: number): void {
    const value = this.availableAsKnown ?? this.overlay.ask(() => this.available).value
    assert(value === undefined || blocks <= value, 'VS1: no more is promised than there is')
    this.promised += blocks
  }

  unreserve(blocks: number): void {
    this.promised -= blocks
    assert(this.promised >= 0, 'VS1: what is given back was promised')
  }

  // ---- inside an edit

  /** Throws Damage if the counts can't be read, or can't be so. */
  look(): void {
    this.believeState(this.state)
  }

  /** Throws Damage unless the blocks are the volume's. */
  believeIn({ start, end }: Blocks): void {
    verify(
      start >= 1 && end <= this.size + 1,
      `blocks ${start} to ${end - 1} are told of, and the volume has ${this.size}`,
    )
    verify(end <= this.present, `blocks ${start} to ${end - 1} lie past the end of the device`)
  }

  /** Blocks that the volume has from now on. */
  extend({ start, end }: Blocks): void {
    this.toFree(start, end)
  }

  /** What a new volume begins with. */
  format(): void {
    this.overlay.put(STATE_KEY, encodeState({ nextIno: 1, free: this.size, deferred: 0, generation: 0 }))
    this.freeRuns.add({ start: 1, end: this.size + 1, value: 0, tag: 0 })
  }

  /** Allocates one to `wanted` blocks in a row. `most`: how many are the caller's to allocate, promised or available. */
  allocate(wanted: number, most: number): Blocks {
    if (most < 1) throw new Failure(errno.ENOSPC)
    const ahead = this.claimableFrom(this.cursor)
    const run = ahead ?? (this.reuse === 'of what is free' ? this.claimableFrom(0) : undefined)
    if (run === undefined) throw new Failure(errno.ENOSPC)
    const start = ahead === undefined ? run.start : Math.max(run.start, this.cursor)
    const end = Math.min(run.end, this.limit, start + Math.min(wanted, most))
    this.believeIn({ start, end })
    this.freeRuns.take(start, end)
    this.count(start - end, 0)
    this.pendingFree.add({ start, end, value: 0, tag: ALLOCATED })
    this.cursor = end
    return { start, end }
  }

  private claimableFrom(block: number): Run | undefined {
    const run = this.freeRuns.from(block)
    return run !== undefined && Math.max(run.start, block) < this.limit ? run : undefined
  }

  /** Whether blocks from `block` on are allocated, or wait for a commit. */
  isWaitingFrom(block: number): boolean {
    return this.pendingFree.inside(block, NUMBERS_MAX).next().value !== undefined
  }

  /** Blocks that the volume hasn't any more; all are free. */
  cut({ start, end }: Blocks): void {
    let blocks = 0
    for (const run of this.freeRuns.take(start, end)) blocks += run.end - run.start
    verify(blocks === end - start, `VS2: of blocks ${start} to ${end - 1} only ${blocks} are free`)
    this.unshared.take(start, end)
    this.count(-blocks, 0)
    this.cursor = 1
  }

  /** What was allocated is referred to by one extent from now on. */
  settle({ start, end }: Blocks): void {
    this.takeClaimed(start, end)
  }

  /** What was allocated isn't needed. */
  cancel({ start, end }: Blocks): void {
    this.takeClaimed(start, end)
    this.toFree(start, end)
  }

  /** One extent more refers to these blocks. */
  share({ start, end }: Blocks): void {
    this.adjust(start, end, 1)
  }

  /** One extent less refers to these blocks. */
  drop({ start, end }: Blocks): void {
    this.adjust(start, end, -1)
  }

  /** The first part of `blocks` that is alike: shared by how many, 1 if by none, and up to where. */
  references({ start, end }: Blocks): { readonly count: number; readonly end: number } {
    const run = this.shared.from(start)
    if (run === undefined || run.start >= end) return { count: 1, end }
    if (run.start > start) return { count: 1, end: run.start }
    return { count: run.value, end: Math.min(run.end, end) }
  }

  /** The runs of blocks among these that are shared by as many extents. */
  sharedIn({ start, end }: Blocks): Iterable<Blocks> {
    return this.shared.overlapping(start, end)
  }

  /** Up to where one extent alone refers to each of the blocks, now and in the durable state: nobody else can come to see them. */
  exclusiveEnd({ start, end }: Blocks): number {
    const shared = this.shared.from(start)?.start ?? end
    const unshared = this.unshared.from(start)?.start ?? end
    return Math.max(start, Math.min(end, shared, unshared))
  }

  /**
   * Gives back what durable commits have freed and nobody sees any more. `allocated too`, when a volume is opened: of the life
   * before nothing that lies pending free is needed. From block `from` on, and about `most` runs: returns the block to go on from,
   * Infinity: nothing is left.
   */
  giveBack(
    { at, horizon }: Pick<Store, 'at' | 'horizon'>,
    which: 'freed' | 'allocated too',
    from: number,
    most: number,
  ): number {
    const durable = which === 'freed' ? this.epoch - 1 : Infinity
    const last = horizon === at ? durable : Math.min(durable, horizon)
    const first = which === 'freed' ? ALLOCATED + 1 : ALLOCATED
    let next = Infinity
    let left = most
    for (const { start, end, tag } of this.pendingFree.overlapping(from, NUMBERS_MAX)) {
      if (left-- <= 0) {
        next = start
        break
      }
      if (tag < first || tag > last) continue
      this.pendingFree.take(start, end)
      if (tag !== ALLOCATED) this.count(0, start - end)
      this.toFree(start, end)
    }
    left = most
    for (const { start, end, tag } of this.unshared.overlapping(from, next)) {
      if (left-- <= 0) return start
      if (tag <= last) this.unshared.take(start, end)
    }
    return next
  }

  // ---- outside

  /** What was freed until now becomes free by the commit that begins, which is to have that number. */
  seal(number: number): void {
    this.epoch = Math.max(this.epoch, number) + 1
  }

  private get state(): State {
    const { moment } = this.overlay
    if (this.latest?.moment !== moment)
      this.latest = { moment, state: decodeState(this.overlay.get(STATE_KEY)) }
    return this.latest.state
  }

  private count(free: number, deferred: number): void {
    const { state } = this
    const next = { ...state, free: state.free + free, deferred: state.deferred + deferred }
    this.believeState(next)
    this.overlay.put(STATE_KEY, encodeState(next))
  }

  private believeState({ free, deferred }: State): void {
    const canBe = free >= 0 && deferred >= 0 && free + deferred <= this.size
    verify(canBe, `VS1: of ${this.size} blocks ${free} are free and ${deferred} wait for a commit`)
  }

  private toFree(start: number, end: number): void {
    this.freeRuns.add({ start, end, value: 0, tag: 0 })
    this.count(end - start, 0)
  }

  private takeClaimed(start: number, end: number): void {
    let blocks = 0
    for (const run of this.pendingFree.take(start, end)) {
      verify(
        run.tag === ALLOCATED,
        `VS2: of blocks ${start} to ${end - 1}, which are allocated, some are freed`,
      )
      blocks += run.end - run.start
    }
    verify(blocks === end - start, `VS2: of blocks ${start} to ${end - 1} only ${blocks} are allocated`)
  }

  private adjust(start: number, end: number, change: 1 | -1): void {
    // One run after the other: all out first, and each that comes in again would pass over the gaps of all behind it.
    for (let at = start; at < end; ) {
      const next = this.shared.from(at)
      const from = Math.min(end, Math.max(at, next?.start ?? end))
      this.adjustSingle(at, from, change)
      at = from
      if (next === undefined || at === end) continue
      const [run] = this.shared.take(at, Math.min(end, next.end))
      this.keepShared({ ...run!, value: run!.value + change })
      at = run!.end
    }
  }

  private adjustSingle(start: number, end: number, change: 1 | -1): void {
    if (start === end) return
    if (change === 1) {
      this.keepShared({ start, end, value: 2, tag: 0 })
      return
    }
    this.pendingFree.add({ start, end, value: 0, tag: this.epoch })
    this.count(0, end - start)
  }

  private keepShared(run: Run): void {
    if (run.value > 1) this.shared.add(run)
    else this.part(run)
  }

  private part({ start, end }: Blocks): void {
    this.unshared.take(start, end)
    this.unshared.add({ start, end, value: 0, tag: this.epoch })
  }
}
