/** What leaves the library when a call fails. Sections have it from their views, which lie below the doors, so it stands here. */
import { printable } from './printable.ts'

/**
 * The one error that leaves the library. Its message is a sentence: the call and what it was of, what was wrong, what was
 * expected, what to do. An error of the host is its `cause`.
 */
export class FaultlineError extends Error {
  /** 'FaultlineError', to tell it from others across threads and copies of the package. */
  override readonly name = 'FaultlineError'
  /** ENOSPC, EIO, ENOMEM, EFAULT, …; ABORT_ERR for an aborted call. */
  readonly code: string
  /** The operation that failed: "store", "sync", "open", … */
  readonly operation: string

  /** For the library itself. */
  constructor(code: string, operation: string, message: string, cause?: unknown) {
    super(printable(message), cause === undefined ? undefined : { cause })
    this.code = code
    this.operation = operation
  }
}
