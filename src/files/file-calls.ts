/** What a File asks the engine for, by the kind of file that it stands on; and the kind whose pages are in the cache. */
import { type Bytes, ROOT } from '../base/index.ts'
import {
  type CachedFile,
  copyArgs,
  refreshArgs,
  type Settled,
  syncArgs,
  truncateArgs,
} from '../cache/index.ts'
import type { Context } from '../calls/index.ts'
import type { Engine } from '../engine/index.ts'
import type { Mappable, ReadState } from '../memmap/index.ts'
import type { OpenFile } from '../mm/index.ts'
import type { Verb } from '../sched/index.ts'

/** A task to be begun. */
export interface Job<Args = unknown> {
  readonly verb: Verb<Args>
  readonly args: Args
}

export interface FileCalls {
  readonly file: Mappable
  /** How many errors of writeback it has had. */
  readonly errorCount: number
  /** Whether something was stored that isn't written yet, as far as that is known. */
  readonly isDirty: boolean
  /** Of a file of a volume: takes note of the time. */
  wrote?: () => void
  read(target: Uint8Array, position: Bytes, read: ReadState): Job<{ copied: number }>
  write(source: Uint8Array, position: Bytes, read: ReadState): Job
  truncate(size: Bytes): Job
  punch(position: Bytes, length: Bytes): Job
  sync(open: OpenFile, until: Settled): Job
  /** undefined: nobody else can have written to it. Throws what the host says. */
  refresh(): Job | undefined
}

export class CachedCalls implements FileCalls {
  readonly file: CachedFile
  private readonly verbs: Engine['verbs']

  private readonly measure: (() => Bytes) | undefined

  /** `measure`: of a file that others may write to, how long it is by now. */
  constructor({ verbs }: Engine, file: CachedFile, measure?: () => Bytes) {
    this.file = file
    this.verbs = verbs
    this.measure = measure
  }

  get errorCount(): number {
    return this.file.errorCount
  }

  wrote?: () => void

  get isDirty(): boolean {
    return this.file.dirtiedAt !== Infinity
  }

  read(target: Uint8Array, position: Bytes, read: ReadState): Job<{ copied: number }> {
    return job(this.verbs.read, copyArgs(this.file, position, target, read))
  }

  write(source: Uint8Array, position: Bytes, read: ReadState): Job {
    return job(this.verbs.write, copyArgs(this.file, position, source, read))
  }

  truncate(size: Bytes): Job {
    return job(this.verbs.truncate, truncateArgs(this.file, { size }))
  }

  punch(position: Bytes, length: Bytes): Job {
    return job(this.verbs.truncate, truncateArgs(this.file, { position, length }))
  }

  sync(open: OpenFile, until: Settled): Job {
    return job(this.verbs.sync, syncArgs(this.file, 0, Infinity, open, until))
  }

  refresh(): Job | undefined {
    return this.measure && job(this.verbs.refresh, refreshArgs(this.file, this.measure()))
  }
}

/** The kinds of arguments are the verbs' own matter: whoever performs a job only hands them on. */
export function job<Args, Seen>(verb: Verb<Args>, args: Args & Seen): Job<Seen> {
  return { verb, args } as unknown as Job<Seen>
}

/** Lets go of all pages of a file that nobody has open. */
export async function forget({ performer, engine }: Context, file: CachedFile): Promise<void> {
  const who = { name: `close of ${file.name}`, group: ROOT }
  const call = { operation: 'close', where: file.name }
  await performer.perform(engine.verbs.forget, { file }, who, call)
}
