/**
 * The one error of the library. errno values inside become it here, once: what was wrong, what was expected, what to do.
 */
import { type Errno, errno, errnoName } from '../base/index.ts'

export class FaultlineError extends Error {
  override readonly name = 'FaultlineError'
  /** ENOSPC, EIO, ENOMEM, EFAULT, …; ABORT_ERR for an aborted call. */
  readonly code: string
  /** The operation that failed: "store", "sync", "open", … */
  readonly operation: string

  constructor(code: string, operation: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.operation = operation
  }
}

const ADVICE: ReadonlyMap<Errno, string> = new Map([
  [errno.ENOSPC, "the file's filesystem is full; the page was not changed: free some space and store again"],
  [errno.EDQUOT, "the file's quota is used up; the page was not changed: free some space and store again"],
  [errno.EIO, 'the device failed; what could not be written stays in memory and is tried again'],
  [
    errno.ENXIO,
    'it lies past the end of the file; expected an offset inside it, or a file made longer by truncate',
  ],
  [errno.EFAULT, 'nothing is mapped there any more'],
  [errno.EACCES, 'the mapping or the file does not allow it; expected a protection that does'],
  [
    errno.ENOMEM,
    'memory is used up and nothing could be reclaimed; raise memory.max or memory, or touch fewer pages in one section',
  ],
  [errno.ESTALE, 'the file was made shorter by somebody else; reopen it'],
  [errno.EINTR, 'the task was killed while it waited'],
  [errno.EAGAIN, 'it would have had to wait'],
  [errno.EROFS, 'the filesystem is read-only'],
])

export function fromErrno(error: Errno, operation: string, where: string): FaultlineError {
  const code = errnoName(error)
  const advice = ADVICE.get(error) ?? 'the host refused it'
  return new FaultlineError(code, operation, `${operation} of ${where} failed with ${code}: ${advice}`)
}

export function aborted(operation: string, where: string, reason: unknown): FaultlineError {
  return new FaultlineError(
    'ABORT_ERR',
    operation,
    `${operation} of ${where} was aborted by its caller`,
    reason,
  )
}
