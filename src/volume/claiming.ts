/**
 * What changes files of a volume from outside their pages: clone, dedupe, fallocate, and for DAX files a new size too.
 *
 *     claim the ranges -> nothing of them is on its way -> change the extents -> release
 *
 * While a claim stands nobody brings, dirties or writes a page of its range, and no copy of one begins; whoever needs one
 * waits for the claim's ticket without its locks. All ranges of an operation are claimed in one attempt or none is, so no
 * two operations wait for one another.
 *
 * Invariants
 *   CL1 The change begins only when no page of a claimed range is being read, written or copied.
 *   CL2 However the task ends, its claims end with it, and not before the change has.
 */
import { type Bytes, type Errno, errno, type PageIndex, type PageRange } from '../base/index.ts'
import type { Dropping, Invalidation } from '../cache/index.ts'
import { fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import type { Node, Parts } from './parts.ts'

/** A file of a volume that is open, whichever way: what an operation on a range of it needs. */
export interface Claimable {
  /** Two files share blocks only if they are open the same way. */
  readonly opened: 'cached' | 'dax'
  readonly name: string
  readonly node: Node
  readonly size: Bytes
  invalidation: Invalidation | undefined
  /**
   * An attempt, in slices: no entry of the claimed range lets a store in without asking, nothing of it is on its way, and the
   * bytes that the claim needs are on the device.
   */
  settle(claim: Claim): Outcome
  /** An attempt, in slices: what the pages of `range`, which is claimed, held is gone, and what was promised for them. */
  drop(claim: Claim, range: PageRange): Outcome
  /** The file is so long from now on, if it wasn't longer. */
  grow(size: Bytes): void
  /** What its claimed pages hold has moved, and it is so long from now on. */
  shifted(size: Bytes): void
  /** An attempt, in slices: private copies of what lies behind its end are mapped no more. */
  cut(claim: Claim): Outcome
}

export interface Claim extends PageRange {
  readonly file: Claimable
  /** Which pages of the range must be on the device as they were stored: all, the first and the last, or none. */
  readonly needs: 'all' | 'edges' | 'none'
  /** Up to which page those that are dirty have been asked to be written. */
  written: 'not yet' | PageIndex | 'all of it'
  /** How far they have been dropped. */
  dropping: Dropping | undefined
  /** Behind the end of the file, up to which page no private copy is mapped any more. */
  cut: PageIndex
}

export interface ClaimingArgs {
  claims: readonly Claim[]
  /** Completes when the claims end; undefined: nothing is claimed yet. */
  ticket: Ticket | undefined
}

export function unclaimed(): ClaimingArgs {
  return { claims: [], ticket: undefined }
}

export abstract class Claiming<Args extends ClaimingArgs> implements Verb<Args> {
  abstract readonly name: string
  protected readonly parts: Parts

  constructor(parts: Parts) {
    this.parts = parts
  }

  attempt({ args }: Task<Args>): Outcome {
    if (args.ticket === undefined) {
      const refused = this.parts.readOnly ? errno.EROFS : this.refusal(args)
      if (refused !== errno.OK) return fail(refused)
      const claims = this.claims(args)
      for (const { file } of claims)
        if (file.invalidation !== undefined) return wait(file.invalidation.ticket, 'invalidate')
      this.claim(args, claims)
    }
    const outcome = this.step(args)
    if (outcome.kind === 'done' || outcome.kind === 'fail') this.release(args)
    return outcome
  }

  /** Killed. What the device has been asked can't be called back: another task sees it through. */
  abandon({ args, name, group }: Task<Args>): void {
    if (args.ticket === undefined) return
    if (this.isUnderWay(args)) this.parts.scheduler.spawn(this, args, { name, group })
    else this.release(args)
  }

  /** Why it can't be done, whatever the state of the pages. */
  protected abstract refusal(args: Args): Errno
  /** One for each file. */
  protected abstract claims(args: Args): readonly Claim[]
  /** An attempt at the change itself. */
  protected abstract change(args: Args): Outcome

  /** Whether the device is at work for it. */
  protected isUnderWay(_args: Args): boolean {
    return false
  }

  /** What it had beside its claims is given back. */
  protected giveBack(_args: Args): void {}

  /** The pages that bytes [position, position + length) lie in. */
  protected pages(position: Bytes, length: Bytes): PageRange {
    const { blockSize } = this.parts.disk
    return { start: Math.floor(position / blockSize), end: Math.ceil((position + length) / blockSize) }
  }

  private step(args: Args): Outcome {
    for (const claim of args.claims) {
      const settled = claim.file.settle(claim)
      if (settled.kind !== 'done') return settled
    }
    return this.change(args)
  }

  private claim(args: Args, claims: readonly Claim[]): void {
    const ticket = this.parts.scheduler.ticket(
      `${this.name} of ${claims.map(({ file }) => file.name).join(' and ')}`,
    )
    args.ticket = ticket
    args.claims = claims
    for (const { file, start, end } of claims) {
      file.invalidation = { start, end, ticket }
    }
  }

  /** Its claims end, and another attempt makes them anew. */
  protected release(args: Args): void {
    this.giveBack(args)
    for (const { file } of args.claims) file.invalidation = undefined
    this.parts.scheduler.complete(args.ticket!)
    args.ticket = undefined
    args.claims = []
  }
}

/** A claim of a range that isn't written yet. */
export function claimOf(file: Claimable, { start, end }: PageRange, needs: Claim['needs']): Claim {
  return { file, start, end, needs, written: 'not yet', dropping: undefined, cut: 0 }
}
