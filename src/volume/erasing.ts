/**
 * What is left of files that lie in many pieces and that nobody can reach any more goes in slices, an edit each.
 *
 * Such a file is an orphan until its last extent has gone, so a crash between two slices leaves nothing wrong: whoever opens the
 * volume goes on. Its blocks are free some at a time; who finds no block meanwhile waits for the ticket.
 */
import { ROOT } from '../base/index.ts'
import {
  again,
  done,
  type Outcome,
  type Scheduler,
  type Task,
  type Ticket,
  type Verb,
} from '../sched/index.ts'
import type { Extents } from './extents.ts'
import type { Names } from './names.ts'
import type { Overlay } from './overlay.ts'
import { NUMBERS_MAX } from './records.ts'

interface Scope {
  readonly overlay: Overlay
  readonly names: Names
  readonly sliceRecords: number
  extents(ino: number): Extents
}

interface ErasingArgs {
  readonly ticket: Ticket
}

export class Erasing implements Verb<ErasingArgs> {
  readonly name = 'erase'
  /** Completes when nothing is left to be erased; undefined: nothing is. */
  underWay: Ticket | undefined
  private readonly scheduler: Scheduler
  private readonly scope: Scope
  /** Inodes, and the page from which on each has extents yet. */
  private readonly left = new Map<number, number>()

  constructor(scheduler: Scheduler, scope: Scope) {
    this.scheduler = scheduler
    this.scope = scope
  }

  /** Part of an edit; if that fails the inode is no orphan, and nothing of it goes. */
  add(ino: number, page: number): void {
    this.left.set(ino, page)
    if (this.underWay !== undefined) return
    this.underWay = this.scheduler.ticket('the erasing of files')
    this.scheduler.spawn(this, { ticket: this.underWay }, { name: 'erase', group: ROOT })
  }

  attempt({ args }: Task<ErasingArgs>): Outcome {
    const [next] = this.left
    if (next === undefined) {
      this.underWay = undefined
      this.scheduler.complete(args.ticket)
      return done
    }
    return this.eraseSome(...next)
  }

  abandon({ args }: Task<ErasingArgs>): void {
    this.scheduler.spawn(this, args, { name: 'erase', group: ROOT })
  }

  private eraseSome(ino: number, page: number): Outcome {
    const { overlay, names, sliceRecords } = this.scope
    const said = overlay.ask(() => {
      if (!names.isOrphan(ino)) return Infinity
      const next = this.scope.extents(ino).removeSome(page, NUMBERS_MAX, sliceRecords)
      if (next === Infinity) names.forgetInode(ino)
      return next
    })
    if (said.outcome.kind === 'wait') return said.outcome
    // What is damaged stays an orphan.
    if (said.value === undefined || said.value === Infinity) this.left.delete(ino)
    else this.left.set(ino, said.value)
    return again
  }
}
