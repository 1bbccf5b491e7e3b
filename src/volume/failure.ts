/**
 * What ends an edit of the metadata before it is done: it is thrown inside `Overlay.edit`, which undoes what was changed,
 * and comes out of it as an errno. Nobody else throws or catches it.
 */
import { type Errno, errno, errnoName } from '../base/index.ts'
import type { Ticket } from '../sched/index.ts'

export class Failure extends Error {
  override readonly name: string = 'Failure'
  readonly errno: Errno

  constructor(error: Errno, what = errnoName(error)) {
    // hot: where it was thrown nobody asks, and to find out takes longer than the edit.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(what)
    Error.stackTraceLimit = stackTraceLimit
    this.errno = error
  }
}

/** A record or a block isn't what its checksum says, or says what can't be. */
export class Damage extends Failure {
  override readonly name: string = 'Damage'

  constructor(what: string) {
    super(errno.EUCLEAN, what)
  }
}

/** Throws Damage unless what the metadata says can be so. What is written down is nobody's word: it isn't asserted. */
export function verify(canBe: boolean, what: string): asserts canBe {
  if (!canBe) throw new Damage(what)
}

/** A store can't say what it holds of the keys [start, end). */
export class Unreadable extends Damage {
  override readonly name = 'Unreadable'
  readonly start: string
  readonly end: string

  constructor(what: string, { start, end }: { readonly start: string; readonly end: string }) {
    super(what)
    this.start = start
    this.end = end
  }
}

/** A store hasn't here what it is asked for. The edit is taken back, and begins again when the ticket completes (ST6). */
export class Absent extends Failure {
  override readonly name = 'Absent'
  readonly ticket: Ticket

  constructor(ticket: Ticket) {
    super(errno.EAGAIN)
    this.ticket = ticket
  }
}
