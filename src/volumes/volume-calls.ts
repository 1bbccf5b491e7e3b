/**
 * What the calls of a volume have in common: tasks become promises, errnos become errors, and an error that damage is the
 * reason of says which damage.
 */
import { type Errno, errno, ROOT } from '../base/index.ts'
import { syncArgs } from '../cache/index.ts'
import { type Call, type Context, FaultlineError, fromErrno, invalid, UnderWay } from '../calls/index.ts'
import { shown } from '../group/index.ts'
import type { Task, Verb } from '../sched/index.ts'
import { type Answer, type Volume as Core, Failure, type Usage, type VolumeFile } from '../volume/index.ts'

export class VolumeCalls {
  readonly core: Core
  /** What the volume's close waits for. */
  readonly underWay = new UnderWay()
  private lastUsage: Usage | undefined
  private readonly context: Context
  private readonly trouble: () => string | undefined

  /** `trouble`: what there is to be said of why a device failed. */
  constructor(context: Context, core: Core, trouble: () => string | undefined) {
    this.context = context
    this.trouble = trouble
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

  /** The same, and how it ended. */
  async ended<Args>(verb: Verb<Args>, args: Args, { operation, where }: Call): Promise<Errno> {
    const { performer } = this.context
    const task = performer.begin(verb, args, { name: `${operation} of ${where}`, group: ROOT })
    return performer.finished(task, each => each.errno, undefined)
  }

  /** Makes everything durable that was done to names, and all that was written to the device. */
  async sync(operation: 'sync' | 'close', where: string): Promise<void> {
    await this.perform(this.core.syncing, { commit: undefined }, { operation, where })
  }

  /** The same for a file that comes in: with the metadata there is nothing of it. */
  async commitPut(where: string): Promise<void> {
    try {
      await this.perform(this.core.syncing, { commit: undefined }, { operation: 'put', where })
    } catch (error) {
      throw error instanceof FaultlineError && isFull(error) ? metadataFull(error, 'put', where) : error
    }
  }

  /** Makes all durable that was stored and changed, by one commit. What can't be written is told when the rest is durable. */
  async settle(path: string): Promise<void> {
    let failed: unknown
    for (const file of [...this.core.dirtyFiles()])
      await this.write(file).catch(error => {
        failed ??= error
      })
    await this.sync('sync', path)
    if (failed !== undefined) throw failed
  }

  /** What was stored to the file is in blocks of its own, which the next commit makes durable. */
  private async write({ cached }: VolumeFile): Promise<void> {
    const args = syncArgs(cached, 0, Infinity, { seen: cached.errorCount }, 'written')
    await this.perform(this.context.engine.verbs.sync, args, { operation: 'sync', where: cached.name })
  }

  /** Begins to write the files, and to make all durable. */
  syncTasks(files: Iterable<VolumeFile>): Task[] {
    const { performer, engine } = this.context
    const who = { name: `end of ${this.core.parts.disk.name}`, group: ROOT }
    const begin = <Args>(verb: Verb<Args>, args: Args) => performer.begin(verb, args, who)
    const written = [...files].map(({ cached }) =>
      begin(engine.verbs.sync, syncArgs(cached, 0, Infinity, { seen: cached.errorCount })),
    )
    return [...written, begin(this.core.syncing, { commit: undefined })]
  }

  /** Whether a snapshot is being copied: who changes a name now would have all the rest copied before the event loop turns. */
  get isCopying(): boolean {
    return this.core.snapshot.underWay !== undefined
  }

  /** None is. */
  async calm(): Promise<void> {
    const { snapshot } = this.core
    for (let copying = snapshot.underWay; copying !== undefined; copying = snapshot.underWay)
      await this.context.performer.completed(copying)
  }

  /** No task of the volume is left, not even one that sees through what a killed one began. */
  async drained(): Promise<void> {
    const { engine, performer } = this.context
    const { verbs } = this.core
    const left = () => [...engine.scheduler.tasks.values()].filter(({ verb }) => verbs.has(verb))
    for (let tasks = left(); tasks.length > 0; tasks = left())
      await Promise.all(tasks.map(({ end }) => performer.completed(end)))
  }

  /** What the store itself is asked, outside of tasks and edits. */
  asked<T>(operation: string, where: string, act: () => T): T {
    try {
      return act()
    } catch (error) {
      throw error instanceof Failure ? this.explained(fromErrno(error.errno, operation, where), where) : error
    }
  }

  /** What the volume says when the records that it needs are here: of a store of this machine that is at once. */
  async answered<T>(question: () => Answer<T>): Promise<Answer<T>> {
    let answer = question()
    while (answer.outcome.kind === 'wait') {
      await this.waited(answer)
      answer = question()
    }
    return answer
  }

  /** Whether the question has to be asked again: what it lacked is here now. */
  async waited({ outcome }: Answer<unknown>): Promise<boolean> {
    if (outcome.kind !== 'wait') return false
    await this.underWay.during(() => this.context.performer.completed(outcome.ticket))
    return true
  }

  async ask<T>(question: () => Answer<T>, operation: string, where: string): Promise<T> {
    return this.said(await this.answered(question), operation, where)
  }

  /** Of a volume of many machines the counts may be on their way: so long the last ones are told. */
  usage(where: string): Usage {
    const now = this.core.usageNow()
    if (now.outcome.kind === 'wait' && this.lastUsage !== undefined) return this.lastUsage
    this.lastUsage = this.said(now, 'usage', where)
    return this.lastUsage
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
    const { operation } = error
    if (isFull(error))
      return operation in METADATA_FULL ? metadataFull(error, operation, where) : volumeFull(error, where)
    if (error.code === 'EROFS' && !this.core.isReadOnly) return sealed(error, where)
    if (error.code === 'ENXIO') return holdsNothing(error, where)
    if (error.code === 'ESTALE') return overtaken(error, where)
    const trouble = error.code === 'EIO' || error.code === 'EACCES' ? this.trouble() : undefined
    if (trouble !== undefined)
      return new FaultlineError(error.code, operation, `${error.message}: ${trouble}`, error)
    // What was found first made it read-only; what was found last is what was just read.
    const found = error.code === 'EROFS' ? damage[0] : damage.at(-1)
    if (found === undefined || !['EIO', 'EUCLEAN', 'EROFS'].includes(error.code)) return error
    return new FaultlineError(error.code, error.operation, `${error.message}; found damaged: ${found}`, error)
  }
}

function sealed({ code, operation }: FaultlineError, where: string): FaultlineError {
  return new FaultlineError(
    code,
    operation,
    `${operation} of ${where} failed with ${code}: it lies below a snapshot that was made to be read; clone it to another place to change it`,
  )
}

/** A FIFO, a socket or a device: programs that have the volume mounted open them. */
function holdsNothing({ code, operation }: FaultlineError, where: string): FaultlineError {
  return new FaultlineError(
    code,
    operation,
    `${operation} of ${where} failed with ${code}: it is a FIFO, a socket or a device, which hold no bytes; expected a file, or a symbolic link to one`,
  )
}

/** Of a volume of many machines: somebody else has taken its lease, or what a reader saw is gone. */
function overtaken({ code, operation }: FaultlineError, where: string): FaultlineError {
  return new FaultlineError(
    code,
    operation,
    `${operation} of ${where} failed with ${code}: another machine has gone on with the volume; what was not synced here is not durable: save what is open elsewhere, close the volume and open it again`,
  )
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

/** What a host without space for the metadata (docs/decisions/0403) means for a call. */
const METADATA_FULL: Readonly<Record<string, string>> = {
  sync: 'what was changed stays in memory and is not durable yet: free some space there and sync again',
  close: 'what was not durable yet is lost: free some space there before the next changes',
}

function metadataFull({ code }: FaultlineError, operation: string, where: string): FaultlineError {
  const full = `the host's filesystem has no ${code === 'EDQUOT' ? 'quota' : 'space'} left for the volume's metadata`
  const then = METADATA_FULL[operation] ?? 'nothing is left of it: free some space there first'
  return new FaultlineError(code, operation, `${operation} of ${where} failed with ${code}: ${full}; ${then}`)
}

/** Throws for what is no path: names between slashes, from the root on. Whether there is something isn't asked. */
export function checkPath(path: unknown, operation: string): void {
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw invalid(operation, `expected a path of the volume, from /, got ${shown(path)}`)
  if (path === '/') return
  for (const name of path.slice(1).split('/')) {
    const flaw = flawOf(name)
    if (flaw !== undefined)
      throw invalid(operation, `the path ${shown(path)} has ${flaw}; expected names between slashes`)
  }
}

function flawOf(name: string): string | undefined {
  if (name === '') return 'two slashes in a row, or one at its end'
  if (name === '.' || name === '..') return `"${name}", which is not followed here`
  if (name.includes('\0')) return 'a zero byte'
  // A byte that is no UTF-8 is spelt so (volume/spelling.ts).
  return name.replace(/[\uDC80-\uDCFF]/gu, '').isWellFormed() ? undefined : 'half of a surrogate pair'
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
