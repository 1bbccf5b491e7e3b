/**
 * What asking a server for a part of a file ended with, where it ended badly: an errno for the engine and a sentence for
 * whoever called. The library's door makes its own error of it, once.
 */
import { type Errno, errnoName } from '../base/index.ts'

export class RemoteError extends Error {
  override readonly name = 'RemoteError'
  readonly errno: Errno

  constructor(errno: Errno, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.errno = errno
  }

  get code(): string {
    return errnoName(this.errno)
  }
}
