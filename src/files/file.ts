/**
 * An open file of a machine: read and write calls through the page cache, its size, and what makes it durable.
 *
 * Invariants
 *   OF1 A file that is mapped outlives its close: what is stored after it is synced when the last mapping has gone.
 *   OF2 An error of writeback is told once to each open file: by its next sync, or by its close.
 *   OF3 close waits for the calls that are under way; none begins after it.
 */
import type { CallEvent, CallOptions, CloseOptions, FileFace } from '../api/index.ts'
import { type Bytes, ROOT } from '../base/index.ts'
import type { Settled } from '../cache/index.ts'
import {
  type Context,
  checkBytes,
  checkKept,
  checkKeys,
  choice,
  FaultlineError,
  fromHost,
  groupId,
  INSPECT,
  invalid,
  told,
  UnderWay,
  type Who,
} from '../calls/index.ts'
import { shown } from '../group/index.ts'
import { newOpening, type OpenFile } from '../mm/index.ts'
import type { FileCalls, Job } from './file-calls.ts'

export class File implements FileFace {
  /** For spaces of this machine. */
  readonly open: OpenFile
  private readonly context: Context
  private readonly stands: FileCalls
  private readonly release: (file: File) => Promise<void>
  /** Calls (OF3). */
  private readonly underWay = new UnderWay()
  private closing: Promise<void> | undefined

  constructor(
    context: Context,
    stands: FileCalls,
    readOnly: boolean,
    release: (file: File) => Promise<void>,
  ) {
    this.context = context
    this.stands = stands
    this.release = release
    const { file, errorCount: seen } = stands
    this.open = newOpening(file, { readOnly, seen })
  }

  get name(): string {
    return this.open.file.name
  }

  get size(): Bytes {
    return this.open.file.size
  }

  get readOnly(): boolean {
    return this.open.readOnly
  }

  /** Fills `target` from `position`. Returns how many bytes there were before the end of the file. */
  async read(target: Uint8Array, position: Bytes | bigint, options: CallOptions = {}): Promise<Bytes> {
    const from = this.place('read', position, 'position')
    checkBytes('read', target)
    const { length } = target
    const job = this.stands.read(target, from, this.open.read)
    await this.perform('read', job, options)
    checkKept('read', target, length)
    return job.args.copied
  }

  /** Writes all of `source` at `position`, and makes the file longer if it must. */
  async write(source: Uint8Array, position: Bytes | bigint, options: CallOptions = {}): Promise<void> {
    checkBytes('write', source)
    const to = this.place('write', position, 'position', source.length)
    this.checkWritable('write')
    const { length } = source
    await this.perform('write', this.stands.write(source, to, this.open.read), options)
    this.stands.wrote?.()
    checkKept('write', source, length)
  }

  /** Writes all of `source` behind the end of the file, after the appends that were asked for before. Returns where it went. */
  async append(source: Uint8Array, options: CallOptions = {}): Promise<Bytes> {
    checkBytes('append', source)
    this.checkOpen('append')
    this.checkWritable('append')
    const { file } = this.open
    return this.performing('append', options, begin =>
      this.context.appends.inTurn(file, async () => {
        const position = this.within('append', this.size, 'position', source.length)
        const { length } = source
        await begin(this.stands.write(source, position, this.open.read))
        this.stands.wrote?.()
        checkKept('append', source, length)
        return position
      }),
    )
  }

  /** Makes the file `size` bytes long. Mapped pages past the end are taken away; loads of them fail with ENXIO. */
  async truncate(size: Bytes | bigint, options: CallOptions = {}): Promise<void> {
    const length = this.place('truncate', size, 'size')
    this.checkWritable('truncate')
    await this.perform('truncate', this.stands.truncate(length), options)
    this.stands.wrote?.()
  }

  /** Makes [position, position + length) read as zeros. */
  async punch(position: Bytes | bigint, length: Bytes | bigint, options: CallOptions = {}): Promise<void> {
    const from = this.place('punch', position, 'position')
    const end = Math.min(from + this.place('punch', length, 'length'), this.size)
    this.checkWritable('punch')
    if (end <= from) return
    await this.perform('punch', this.stands.punch(from, end - from), options)
    this.stands.wrote?.()
  }

  /** Makes everything stored and written so far durable, and tells an error of writeback that wasn't told before. */
  async sync(options: CallOptions = {}): Promise<void> {
    this.noteStores()
    await told('sync', this.event, () =>
      this.perform('sync', this.stands.sync(this.open, 'durable'), options),
    )
  }

  /**
   * Sees what other processes have written to the file of the host since its pages were read, and how long it is by now. What was
   * stored here and isn't synced stays. Of files of volumes and of servers nobody else's writes can be seen: nothing is done.
   */
  async refresh(options: CallOptions = {}): Promise<void> {
    this.checkOpen('refresh')
    let job: Job | undefined
    try {
      job = this.stands.refresh()
    } catch (error) {
      throw fromHost(error, 'refresh', this.name)
    }
    if (job !== undefined) await this.perform('refresh', job, options)
  }

  /** For its volume: whether a call may begin. */
  takesCalls = true

  /** For its volume: the calls of it that are under way. */
  get calls(): UnderWay {
    return this.underWay
  }

  /** Whether a mapping of this opening is left, though it may be closed by now. */
  get isMapped(): boolean {
    return this.open.mappings > 0
  }

  /** Syncs and closes. Mappings of the file go on working. */
  async close(options: CloseOptions = {}): Promise<void> {
    const until = checkClosing(options)
    this.closing ??= told('close', this.event, () => this.end(until))
    await this.closing
  }

  [INSPECT](): string {
    return `File ${this.name}, ${this.size} bytes, ${this.closing === undefined ? 'open' : 'closed'}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Does something with the open file; close waits for it. For the spaces of this machine: `context` is theirs. */
  async during<T>(operation: string, context: Context, act: () => Promise<T>): Promise<T> {
    this.checkOpen(operation)
    if (context !== this.context)
      throw invalid(
        operation,
        `${this.name} was opened by another machine; open it with the machine of this space`,
      )
    return this.underWay.during(act)
  }

  /** Stores through mappings leave their time when they are synced, at the latest. */
  private noteStores(): void {
    if (this.open.mappings > 0 && !this.readOnly && this.stands.isDirty) this.stands.wrote?.()
  }

  private async end(until: Settled): Promise<void> {
    await this.underWay.settled()
    this.noteStores()
    try {
      await this.syncLast(until)
    } finally {
      if (this.open.mappings === 0) await this.release(this)
      else this.context.unmapped.set(this.open, () => this.leave(until))
    }
  }

  /** The last mapping has gone, after the close. It runs inside an attempt, so it only begins. */
  private leave(until: Settled): void {
    const { leaving, untold } = this.context
    if (!this.readOnly && this.stands.isDirty) this.stands.wrote?.()
    const left = this.syncLast(until)
      .catch((error: unknown) => untold.push(error))
      .then(() => this.release(this))
      .catch((error: unknown) => untold.push(error))
      .then(() => void leaving.delete(left))
    leaving.add(left)
  }

  private async syncLast(until: Settled): Promise<void> {
    if (this.readOnly) return
    const { verb, args } = this.stands.sync(this.open, until)
    const who: Who = { name: `close of ${this.name}`, group: ROOT }
    await this.context.performer.perform(verb, args, who, {
      operation: 'close',
      where: this.name,
    })
  }

  private async perform<Args>(
    operation: string,
    { verb, args }: Job<Args>,
    options: CallOptions,
  ): Promise<void> {
    await this.performing(operation, options, begin => begin({ verb, args }))
  }

  /** A call: `act` begins its tasks, all of them by the same caller. */
  private async performing<T>(
    operation: string,
    options: CallOptions,
    act: (begin: <Args>(job: Job<Args>) => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const { performer } = this.context
    checkKeys(options, ['group', 'signal'], operation)
    const { signal } = options
    const who: Who = {
      name: `${operation} of ${this.name}`,
      group: groupId(options.group, this.context, operation),
    }
    return this.during(operation, this.context, () =>
      act(async ({ verb, args }) => {
        await performer.perform(verb, args, who, { operation, where: this.name, signal })
      }),
    )
  }

  private checkWritable(operation: string): void {
    if (this.readOnly)
      throw new FaultlineError(
        'EACCES',
        operation,
        `${operation} of ${this.name}: it is open for reading; open it with mode 'r+'`,
      )
  }

  private get event(): CallEvent {
    return { name: this.name, mmu: this.context.mmu }
  }

  private checkOpen(operation: string): void {
    if (this.closing !== undefined || !this.takesCalls)
      throw new FaultlineError('EBADF', operation, `${this.name} is closed; open it again`)
  }

  /** As a number. `length`: how far beyond it the call will reach. */
  private place(operation: string, given: unknown, what: string, length = 0): Bytes {
    this.checkOpen(operation)
    return this.within(operation, given, what, length)
  }

  private within(operation: string, given: unknown, what: string, length: Bytes): Bytes {
    const bytes = typeof given === 'bigint' ? Number(given) : given
    if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0)
      throw invalid(
        operation,
        `${operation} of ${this.name}: ${what}: expected whole bytes from 0, got ${shown(given)}`,
      )
    if (bytes + length > FILE_BYTES_MAX) throw tooLong(operation, this.name, bytes + length)
    return bytes
  }
}

/** What close is to wait for. */
export function checkClosing(options: CloseOptions): Settled {
  checkKeys(options, ['until'], 'close')
  return choice(options.until ?? 'durable', ['durable', 'written'], 'until', 'close')
}

/** Of a file: positions in it are safe integers. */
export const FILE_BYTES_MAX: Bytes = Number.MAX_SAFE_INTEGER

export function tooLong(operation: string, name: string, length: Bytes): FaultlineError {
  return new FaultlineError(
    'EFBIG',
    operation,
    `${operation} of ${name}: ${length} bytes are too many; a file has at most ${FILE_BYTES_MAX}`,
  )
}
