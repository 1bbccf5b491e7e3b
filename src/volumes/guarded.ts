/** Making and opening in steps of which any may fail: what was done is undone, and what the host or a store meant is said. */
import { type Bytes, codeOf, type Errno, errnoName, messageOf, ROOT } from '../base/index.ts'
import { type Context, FaultlineError, fromErrno } from '../calls/index.ts'
import type { Verb } from '../sched/index.ts'
import { BadPage, LmdbMissing, Locked, NoRoom, placeOf, Taken } from '../store/index.ts'
import { Failure } from '../volume/index.ts'

/** Takes note of what is to be done if the rest fails. */
export type Undo = (step: () => void | Promise<void>) => void
/** Undoes what was done, last first, if the rest fails (MT1); and says in one sentence what the host or the store meant. */
export async function guarded<T>(
  operation: string,
  path: string,
  act: (undo: Undo) => Promise<T>,
): Promise<T> {
  const steps: (() => void | Promise<void>)[] = []
  try {
    return await act(step => void steps.push(step))
  } catch (error) {
    for (const step of steps.reverse())
      try {
        await step()
      } catch {
        // What failed first is told.
      }
    throw translated(error, operation, path)
  }
}

/** Makes or opens a volume by a verb; `why` says what an errno doesn't. */
export async function perform<Args>(
  { performer }: Context,
  verb: Verb<Args>,
  args: Args,
  name: string,
  why: () => string,
): Promise<void> {
  const task = performer.begin(verb, args, { name, group: ROOT })
  const error = await performer.finished(task, ended => ended.errno, undefined)
  if (error !== 0) throw refusal(error, name, why())
}

function refusal(error: Errno, name: string, why: string): FaultlineError {
  if (why === '') return fromErrno(error, 'openVolume', name)
  return new FaultlineError(errnoName(error), 'openVolume', `${name} failed with ${errnoName(error)}: ${why}`)
}

function translated(error: unknown, operation: string, path: string): unknown {
  if (error instanceof FaultlineError) return error
  if (error instanceof Locked)
    return new FaultlineError('EBUSY', operation, `${operation} of ${path}: ${error.message}`, error)
  if (error instanceof Taken)
    return new FaultlineError(
      'EBUSY',
      operation,
      `${operation} of ${path}: ${error.message}; wait until it has been closed`,
      error,
    )
  if (error instanceof NoRoom)
    return new FaultlineError(
      'ENOSPC',
      operation,
      `${operation} of ${path}: its filesystem has ${megabytes(error.free)} free, which is less than is asked for; ask for less, or free some space`,
      error,
    )
  if (error instanceof Failure)
    return new FaultlineError(
      errnoName(error.errno),
      operation,
      `${operation} of ${path}: ${error.message}`,
      error,
    )
  if (error instanceof LmdbMissing) return new FaultlineError('ENOSYS', operation, error.message, error)
  if (error instanceof BadPage)
    return new FaultlineError(
      'EUCLEAN',
      operation,
      `${operation} of ${path}: ${placeOf(path).store}, offset ${error.offset}: ${error.message}`,
      error,
    )
  const code = codeOf(error)
  return code !== undefined
    ? new FaultlineError(code, operation, `${operation} of ${path}: ${messageOf(error)}`, error)
    : error
}

function megabytes(bytes: Bytes): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}
