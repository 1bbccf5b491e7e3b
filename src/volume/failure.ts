/**
 * What ends an edit of the metadata before it is done: it is thrown inside `Journal.edit`, which undoes what was changed,
 * and comes out of it as an errno. Nobody else throws or catches it.
 */
import { type Errno, errno, errnoName } from '../base/index.ts'

export class Failure extends Error {
  override readonly name: string = 'Failure'
  readonly errno: Errno

  constructor(error: Errno, what = errnoName(error)) {
    super(what)
    this.errno = error
  }
}

/** A record or a block isn't what its checksum says, or says what can't be. */
export class Damage extends Failure {
  override readonly name = 'Damage'

  constructor(what: string) {
    super(errno.EUCLEAN, what)
  }
}
