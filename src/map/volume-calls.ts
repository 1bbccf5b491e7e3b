/**
 * What the calls of a volume have in common: tasks become promises, errnos become errors, and an error that damage is the
 * reason of says which damage.
 */
import { type Errno, errno, ROOT } from '../base/index.ts'
import { syncArgs } from '../cache/index.ts'
import { shown } from '../group/index.ts'
import type { Verb } from '../sched/index.ts'
import type { Answer, Volume as Core, VolumeFile } from '../volume/index.ts'
import type { Context } from './context.ts'
import { FaultlineError, fromErrno } from './error.ts'
import { invalid } from './options.ts'
import type { Call } from './performer.ts'
import { UnderWay } from './under-way.ts'

export class VolumeCalls {
  readonly core: Core
  /** What the volume's close waits for. */
  readonly underWay = new UnderWay()
  private readonly context: Context

  constructor(context: Context, core: Core) {
    this.context = context
    this.core = core
  }

  async perform<Args>(verb: Verb<Args>, args: Args, call: Call): Promise<Args> {
    const who = { name: `${call.operation} of ${call.where}`, group: ROOT }
    try {
      return await this.context.performer.perform(verb, args, who, call)
    } catch (error) {
      throw error instanceof FaultlineError ? this.explained(error, call.where) : error
    }
  }

  /** Makes everything durable that was done to names, and all that was written to the device. */
  async sync(operation: string, where: string): Promise<void> {
    const { syncing } = this.core
    try {
      await this.perform(syncing, { commit: undefined }, { operation, where })
    } catch (error) {
      throw error instanceof FaultlineError && isFull(error) ? metadataFull(error, operation, where) : error
    }
  }

  async syncFile({ cached }: VolumeFile): Promise<void> {
    const args = syncArgs(cached, 0, Infinity, { seen: cached.errorCount })
    await this.perform(this.context.engine.verbs.sync, args, { operation: 'sync', where: cached.name })
  }

  /** No task of the volume is left, not even one that sees through what a killed one began. */
  async drained(): Promise<void> {
    const { engine, performer } = this.context
    const { verbs } = this.core
    const left = () => [...engine.scheduler.tasks.values()].filter(({ verb }) => verbs.has(verb))
    for (let tasks = left(); tasks.length > 0; tasks = left())
      await Promise.all(tasks.map(({ end }) => performer.completed(end)))
  }

  said<T>(answer: Answer<T>, operation: string, where: string): T {
    this.went(answer.errno, operation, where)
    return answer.value as T
  }

  went(error: Errno, operation: string, where: string): void {
    if (error !== errno.OK) throw this.explained(fromErrno(error, operation, where), where)
  }

  private explained(error: FaultlineError, where: string): FaultlineError {
    const { damage } = this.core
    if (isFull(error)) return volumeFull(error, where)
    // What was found first made it read-only; what was found last is what was just read.
    const found = error.code === 'EROFS' ? damage[0] : damage.at(-1)
    if (found === undefined || !['EIO', 'EUCLEAN', 'EROFS'].includes(error.code)) return error
    return new FaultlineError(error.code, error.operation, `${error.message}; found damaged: ${found}`, error)
  }
}

function isFull({ code }: FaultlineError): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** No block of the volume is free. */
function volumeFull({ code, operation }: FaultlineError, where: string): FaultlineError {
  const left = operation === 'put' ? ', and nothing is left of it' : ''
  return new FaultlineError(
    code,
    operation,
    `${operation} of ${where} failed with ${code}: the volume is full${left}: remove something from it, or use a larger one`,
  )
}

/** The store beside the volume's data could not be written (docs/decisions/0403). */
function metadataFull({ code }: FaultlineError, operation: string, where: string): FaultlineError {
  const full =
    code === 'ENOSPC'
      ? "the host's filesystem has no space for the volume's metadata"
      : "the quota of the host's filesystem leaves no space for the volume's metadata"
  const lost = METADATA_FULL[operation] ?? METADATA_FULL['sync']!
  return new FaultlineError(code, operation, `${operation} of ${where} failed with ${code}: ${full}; ${lost}`)
}

const METADATA_FULL: Readonly<Record<string, string>> = {
  sync: 'what was changed stays in memory and is not durable yet: free some space there and sync again',
  put: 'nothing is left of it: free some space there first',
  close: 'what was not durable yet is lost: free some space there before the next changes',
}

export function checkPath(path: unknown, operation: string): void {
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw invalid(operation, `expected a path of the volume, from /, got ${shown(path)}`)
}

export function checkProgress(progress: unknown, operation: string): void {
  if (progress !== undefined && typeof progress !== 'function')
    throw invalid(
      operation,
      `progress: expected a function that is called with bytes, got ${shown(progress)}`,
    )
}

export function checkWhole(bytes: unknown, what: string, operation: string): void {
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0)
    throw invalid(operation, `${what}: expected whole bytes from 0, got ${shown(bytes)}`)
}
