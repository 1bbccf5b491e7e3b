/**
 * An open file of a machine: read and write calls through the page cache, its size, and what makes it durable.
 *
 * Invariants
 *   OF1 A file that is mapped outlives its close: the host's file is closed when the last mapping has gone.
 *   OF2 An error of writeback is told once to each open file: by its next sync, or by its close.
 */
import { type Bytes, ROOT } from '../base/index.ts'
import { type CachedFile, copyArgs, syncArgs, truncateArgs } from '../cache/index.ts'
import { newReadState } from '../memmap/index.ts'
import type { OpenFile } from '../mm/index.ts'
import type { Verb } from '../sched/index.ts'
import type { Context } from './context.ts'
import { FaultlineError } from './error.ts'
import type { Group } from './group.ts'
import { invalid } from './options.ts'
import type { Who } from './performer.ts'

export interface CallOptions {
  /** Who is charged and limited; the root group if left out. */
  readonly group?: Group
  readonly signal?: AbortSignal
}

export class File {
  /** For spaces of this machine. */
  readonly open: OpenFile
  private readonly context: Context
  private readonly cached: CachedFile
  private readonly release: () => Promise<void>
  private closed = false

  constructor(context: Context, cached: CachedFile, readOnly: boolean, release: () => Promise<void>) {
    this.context = context
    this.cached = cached
    this.release = release
    this.open = { file: cached, read: newReadState('normal'), readOnly, mappings: 0, seen: cached.errorCount }
  }

  get name(): string {
    return this.cached.name
  }

  get size(): Bytes {
    return this.cached.size
  }

  get readOnly(): boolean {
    return this.open.readOnly
  }

  /** Fills `target` from `position`. Returns how many bytes there were before the end of the file. */
  async read(target: Uint8Array, position: Bytes, options: CallOptions = {}): Promise<Bytes> {
    this.check('read', position)
    const args = copyArgs(this.cached, position, target, this.open.read)
    await this.perform(this.context.engine.verbs.read, args, options)
    return args.copied
  }

  /** Writes all of `source` at `position`, and makes the file longer if it must. */
  async write(source: Uint8Array, position: Bytes, options: CallOptions = {}): Promise<void> {
    this.check('write', position)
    this.checkWritable('write')
    await this.perform(
      this.context.engine.verbs.write,
      copyArgs(this.cached, position, source, this.open.read),
      options,
    )
  }

  /** Makes the file `size` bytes long. Mapped pages past the end are taken away; loads of them fail with ENXIO. */
  async truncate(size: Bytes, options: CallOptions = {}): Promise<void> {
    this.check('truncate', size)
    this.checkWritable('truncate')
    await this.perform(this.context.engine.verbs.truncate, truncateArgs(this.cached, { size }), options)
  }

  /** Makes [position, position + length) read as zeros. */
  async punch(position: Bytes, length: Bytes, options: CallOptions = {}): Promise<void> {
    this.check('punch', position)
    this.check('punch', length)
    this.checkWritable('punch')
    const end = Math.min(position + length, this.size)
    if (end <= position) return
    const change = { position, length: end - position }
    await this.perform(this.context.engine.verbs.truncate, truncateArgs(this.cached, change), options)
  }

  /** Makes everything stored and written so far durable, and tells an error of writeback that wasn't told before. */
  async sync(options: CallOptions = {}): Promise<void> {
    this.check('sync', 0)
    await this.perform(this.context.engine.verbs.sync, syncArgs(this.cached, 0, Infinity, this.open), options)
  }

  /** Syncs and closes. Mappings of the file go on working. */
  async close(): Promise<void> {
    if (this.closed) return
    try {
      if (!this.readOnly) await this.sync()
    } finally {
      this.closed = true
      if (this.open.mappings === 0) await this.release()
      else this.context.unmapped.set(this.open, () => void this.release())
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async perform<Args>(verb: Verb<Args>, args: Args, { group, signal }: CallOptions): Promise<void> {
    const who: Who = { name: `${verb.name} of ${this.name}`, group: group?.id ?? ROOT }
    await this.context.performer.perform(verb, args, who, this.name, signal)
  }

  private checkWritable(operation: string): void {
    if (this.readOnly)
      throw new FaultlineError(
        'EACCES',
        operation,
        `${this.name} is open for reading; open it with mode 'r+'`,
      )
  }

  private check(operation: string, bytes: Bytes): void {
    if (this.closed) throw new FaultlineError('EBADF', operation, `${this.name} is closed; open it again`)
    if (!Number.isSafeInteger(bytes) || bytes < 0)
      throw invalid(operation, `${operation} of ${this.name}: expected whole bytes from 0, got ${bytes}`)
  }
}
