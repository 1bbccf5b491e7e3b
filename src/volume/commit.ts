/**
 * The commit: makes all that has changed durable, data first.
 *
 *     request -> seal -> flush the device, checksums in slices -> commit the store -> give freed blocks back, in slices -> the ticket completes
 *                 ^                                                     |
 *                 '------------ requested again meanwhile --------------'
 *
 * An extent is put in place only when its data has been written, so what is sealed points at nothing that isn't on the
 * device, and the flush makes it durable before anything durable points at it.
 *
 * A commit that the store refused is tried again with the next one: until then everything stays in memory, and freed
 * blocks stay pending free. One that is known never to be made (ETIMEDOUT), since the store wasn't heard of, is begun anew at once, some
 * times. A flush that failed may have lost what was written before it, and no second one brings it back:
 * the volume takes no more changes until it is opened again. Neither does one whose lease is lost: somebody else writes now.
 *
 * A change that takes several edits, in slices, holds commits from its first to its last: a crash leaves all of it or nothing.
 *
 * Invariants
 *   CM1 A ticket completes well only when every edit that ended before it was requested is durable, data and all.
 *   CM2 One commit is on its way at a time.
 *   CM3 After ESTALE nothing is committed any more, and everything that was changed shows as it did.
 */
import { type Errno, errno, ROOT } from '../base/index.ts'
import {
  again,
  done,
  type Outcome,
  type Scheduler,
  type Task,
  type Ticket,
  type Verb,
  wait,
} from '../sched/index.ts'
import type { Disk } from './disk.ts'
import type { Overlay } from './overlay.ts'
import type { Space } from './space.ts'
import type { Basis, Change, Store } from './store.ts'

/** To give a change its checksum takes a part of what making a record does. */
const CHANGES_A_RECORD = 8

/** How often a commit is begun, of which the store says each time that it never will be made. */
const TRIES = 8

interface CommitArgs {
  /** Whose commit is on its way. */
  ticket: Ticket | undefined
  isBegun: boolean
  tries: number
  /** What was sealed, or as much of it as has its checksum. */
  changes: Change[]
  whole: boolean
  /** What it stands on. */
  basis: Basis
  flush: Ticket | undefined
  store: Ticket | undefined
  /** How it went, once the overlay has been told. */
  result: Errno | undefined
  /** From which block on what was freed is to be given back yet. */
  givenBack: number
}

export class Commits implements Verb<CommitArgs> {
  readonly name = 'commit'
  /** Commits that have become durable. */
  count = 0
  /** The flush that failed, or ESTALE if the lease is lost: no more changes are taken. */
  broken: Errno = errno.OK
  private readonly scheduler: Scheduler
  private readonly disk: Pick<Disk, 'flush'>
  private readonly store: Store
  private readonly overlay: Overlay
  private readonly space: Space
  private readonly sliceRecords: number
  private next: Ticket | undefined
  private running = false
  /** The ticket of the commit that is on its way. */
  underWay: Ticket | undefined
  /** Completes when nobody holds commits any more. */
  held: Ticket | undefined
  private holders = 0

  constructor(
    scheduler: Scheduler,
    disk: Pick<Disk, 'flush'>,
    store: Store,
    overlay: Overlay,
    space: Space,
    sliceRecords: number,
  ) {
    this.scheduler = scheduler
    this.disk = disk
    this.store = store
    this.overlay = overlay
    this.space = space
    this.sliceRecords = sliceRecords
  }

  /** Whether a commit may give back some of what was freed: what was freed before the last one, readers elsewhere see yet. */
  get mayGiveBack(): boolean {
    const { store, overlay } = this
    if (this.broken !== errno.OK) return false
    return store.horizon === store.at || overlay.changed || overlay.committing
  }

  /** The ticket of a commit that has everything changed so far. */
  request(): Ticket {
    this.next ??= this.scheduler.ticket('commit')
    if (!this.running) {
      this.running = true
      const args: CommitArgs = {
        ticket: undefined,
        isBegun: false,
        tries: 0,
        changes: [],
        whole: false,
        basis: this.basis(),
        flush: undefined,
        store: undefined,
        result: undefined,
        givenBack: 0,
      }
      this.scheduler.spawn(this, args, { name: 'commit', group: ROOT })
    }
    return this.next
  }

  /** No commit begins from now on, until `letGo`. Who holds them waits for nothing meanwhile but for its turn and for records. */
  hold(what: string): void {
    if (this.holders++ === 0) this.held = this.scheduler.ticket(what)
  }

  letGo(): void {
    if (--this.holders > 0) return
    const { held } = this
    this.held = undefined
    this.scheduler.complete(held!)
  }

  attempt({ args }: Task<CommitArgs>): Outcome {
    for (;;) {
      if (args.ticket === undefined) {
        if (this.next === undefined) {
          this.running = false
          return done
        }
        if (this.held !== undefined) return wait(this.held, 'reserve')
        args.ticket = this.next
        this.underWay = this.next
        this.next = undefined
        args.tries = 0
        args.isBegun = false
      }
      if (!args.isBegun) {
        if (this.held !== undefined) return wait(this.held, 'reserve')
        this.begin(args)
      }
      if (args.flush !== undefined && !args.whole) {
        this.sumSome(args)
        if (!args.whole) return again
      }
      if (args.flush?.complete === false) return wait(args.flush, 'device')
      if (args.flush !== undefined && args.flush.errno === errno.OK && args.changes.length > 0)
        args.store ??= this.store.commit(args.changes, args.basis)
      if (args.store?.complete === false) return wait(args.store, 'device')
      args.result ??= this.settle(args)
      if (args.result === errno.ETIMEDOUT && args.tries < TRIES) {
        args.isBegun = false
        continue
      }
      const given = args.result === errno.OK ? this.giveBack(args) : done
      if (given.kind === 'wait' || given.kind === 'again') return given
      this.end(args, given.kind === 'fail' ? given.errno : args.result)
    }
  }

  abandon({ args }: Task<CommitArgs>): void {
    // What is on its way can't be called back: another task sees it through.
    this.scheduler.spawn(this, args, { name: 'commit', group: ROOT })
  }

  private basis(): Basis {
    return { epoch: this.store.lease.epoch, after: this.store.at }
  }

  private begin(args: CommitArgs): void {
    args.isBegun = true
    args.tries++
    args.store = undefined
    args.flush = undefined
    args.result = undefined
    args.changes = []
    args.whole = false
    args.givenBack = 0
    if (this.broken !== errno.OK) return
    args.basis = this.basis()
    if (this.overlay.changed) this.space.seal(args.basis.after + 1)
    this.overlay.seal()
    args.flush = this.disk.flush()
  }

  /** The next changes with their checksums. */
  private sumSome(args: CommitArgs): void {
    const most = CHANGES_A_RECORD * this.sliceRecords
    const some = this.overlay.changes(args.changes.at(-1)?.key ?? '', most)
    for (const change of some) args.changes.push(change)
    args.whole = some.length < most
  }

  /** It is durable; what it gives back may have to wait for its records. */
  private giveBack(args: CommitArgs): Outcome {
    const { overlay, space, store, sliceRecords } = this
    const given = overlay.ask(() => space.giveBack(store, 'freed', args.givenBack, sliceRecords))
    if (given.value === undefined || given.value === Infinity) return given.outcome
    args.givenBack = given.value
    return again
  }

  private end(args: CommitArgs, error: Errno): void {
    const ticket = args.ticket!
    args.ticket = undefined
    this.underWay = undefined
    this.scheduler.complete(ticket, error)
  }

  private settle({ flush, store }: CommitArgs): Errno {
    if (flush === undefined) return this.broken
    if (flush.errno !== errno.OK) this.broken = flush.errno
    const failed = flush.errno !== errno.OK ? flush.errno : (store?.errno ?? errno.OK)
    this.overlay.settled(failed === errno.OK ? 'durable' : 'lost')
    if (failed === errno.OK) this.count++
    if (failed === errno.ESTALE) this.broken = failed
    return failed
  }
}
