/**
 * Large pieces of a file to and from the device, past the page cache: how files come into a volume and leave it as fast as
 * their devices go.
 *
 *     write   new blocks, as writeback would choose them, for pages of a file that nobody has in the cache
 *     read    claim the range -> wait for its pages in flight -> several reads at once -> checksums -> release
 *
 * The claim is that of truncation (cache/truncate.ts): while it stands nobody moves or frees a block of the range. What is
 * dirty in the cache isn't on the device yet, so whoever wants it syncs first.
 *
 * Invariants
 *   BK1 What is read was the file's all at one moment, as far as it was written, and has its checksums.
 *   BK2 However a task ends, its claim ends with it.
 */
import { type Bytes, errno } from '../base/index.ts'
import type { PageCache } from '../cache/index.ts'
import { again, done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import type { Transfers } from './file-device.ts'
import { type Parts, roomFor } from './parts.ts'
import { slice } from './pieces.ts'
import { type ReadingArgs, readingArgs } from './reading.ts'
import type { VolumeFile } from './volume-file.ts'
import type { WritingArgs } from './writing.ts'

/** What one read of the device brings; a task has several on their way. */
const READ_BYTES: Bytes = 2 * 2 ** 20

export interface BulkWriteArgs extends WritingArgs {
  readonly file: VolumeFile
}

/** `buffer` goes to `position`, a multiple of the block size; it may end within a block only where the file ends. */
export function bulkWriteArgs(file: VolumeFile, position: Bytes, buffer: Uint8Array): BulkWriteArgs {
  const request = { operation: 'write' as const, position, length: buffer.length, buffers: [buffer] }
  return { file, node: file.node, request, pieces: undefined, paid: [] }
}

export class BulkWrite implements Verb<BulkWriteArgs> {
  readonly name = 'bulk write'
  private readonly parts: Parts
  private readonly cache: PageCache
  private readonly transfers: Transfers

  constructor(parts: Parts, cache: PageCache, transfers: Transfers) {
    this.parts = parts
    this.cache = cache
    this.transfers = transfers
  }

  attempt({ args }: Task<BulkWriteArgs>): Outcome {
    const { request, file } = args
    if (args.pieces === undefined) {
      if (this.parts.readOnly) return fail(errno.EROFS)
      const room = roomFor(this.parts, Math.ceil(request.length / this.parts.disk.blockSize))
      if (room.kind !== 'done') return room
    }
    const outcome = this.transfers.writing.step(args)
    if (outcome.kind === 'done') this.cache.extend(file.cached, request.position + request.length)
    return outcome
  }

  /** A device ends what it has begun: another task sees it through. */
  abandon({ args, name, group }: Task<BulkWriteArgs>): void {
    if (args.pieces !== undefined) this.parts.scheduler.spawn(this, args, { name, group })
  }
}

export interface BulkReadArgs {
  readonly file: VolumeFile
  /** A multiple of the block size. */
  readonly position: Bytes
  /** Whole blocks. What lies past the end of the file is zero. */
  readonly buffer: Uint8Array
  claim: Ticket | undefined
  reads: readonly ReadingArgs[] | undefined
  /** How many of them have ended. */
  ended: number
}

export function bulkReadArgs(file: VolumeFile, position: Bytes, buffer: Uint8Array): BulkReadArgs {
  return { file, position, buffer, claim: undefined, reads: undefined, ended: 0 }
}

export class BulkRead implements Verb<BulkReadArgs> {
  readonly name = 'bulk read'
  private readonly parts: Parts
  private readonly cache: PageCache
  private readonly transfers: Transfers

  constructor(parts: Parts, cache: PageCache, transfers: Transfers) {
    this.parts = parts
    this.cache = cache
    this.transfers = transfers
  }

  attempt(task: Task<BulkReadArgs>): Outcome {
    const { args } = task
    const { invalidation } = args.file.cached
    if (args.claim === undefined) {
      if (invalidation !== undefined) return wait(invalidation.ticket, 'invalidate')
      this.claim(args)
    }
    const outcome = this.read(task)
    if (outcome.kind === 'done' || outcome.kind === 'fail') this.release(args)
    return outcome
  }

  /** The reads end in buffers that nobody looks at any more; what they read must stay until then. */
  abandon({ args, name, group }: Task<BulkReadArgs>): void {
    if (args.reads !== undefined) this.parts.scheduler.spawn(this, args, { name, group })
    else if (args.claim !== undefined) this.release(args)
  }

  private claim(args: BulkReadArgs): void {
    const { file, position, buffer } = args
    const { blockSize } = this.parts.disk
    args.claim = this.parts.scheduler.ticket(`bulk read of ${file.cached.name}`)
    const start = position / blockSize
    file.cached.invalidation = { start, end: start + buffer.length / blockSize, ticket: args.claim }
  }

  private release({ file, claim }: BulkReadArgs): void {
    file.cached.invalidation = undefined
    this.parts.scheduler.complete(claim!)
  }

  private read({ args, group }: Task<BulkReadArgs>): Outcome {
    if (args.reads === undefined) {
      const { cached } = args.file
      const inFlight = cached.bioIn(cached.invalidation!.start, cached.invalidation!.end)
      if (inFlight !== undefined) return wait(this.cache.boostBio(inFlight, group), 'page lock')
      args.reads = this.plan(args)
    }
    // All are begun, one after the other, and then they are waited for.
    for (const read of args.reads)
      if (read.begun < read.request.length) {
        const begun = this.transfers.reading.step(read)
        if (begun.kind === 'fail' || read.begun < read.request.length) return begun
        return again
      }
    for (; args.ended < args.reads.length; args.ended++) {
      const outcome = this.transfers.reading.step(args.reads[args.ended]!)
      if (outcome.kind !== 'done') return outcome
    }
    return done
  }

  private plan({ file, position, buffer }: BulkReadArgs): ReadingArgs[] {
    const reads: ReadingArgs[] = []
    for (let at = 0; at < buffer.length; at += READ_BYTES) {
      const buffers = slice([buffer], at, at + READ_BYTES)
      const { length } = buffers[0]!
      const request = { operation: 'read' as const, position: position + at, length, buffers }
      reads.push(readingArgs({ node: file.node, request }))
    }
    return reads
  }
}
