/**
 * read(2) and write(2) through the cache: copies between a caller's bytes and the pages of a file.
 *
 * Each page is an attempt of the same filemap functions that faults use, so calls and mappings see one another's bytes
 * at once. A call goes on page by page, and what it has copied when it is interrupted stays copied, as in Linux.
 *
 * Invariants
 *   RW1 A read ends at EOF; a write makes the file as long as what it has copied.
 *   RW2 A page that is written as a whole and has its space, or lies past EOF, isn't read first. Its bytes change in the
 *       attempt that puts it in place, so nobody sees it half made.
 *   RW3 Space for a page is reserved before it is changed: a write that has succeeded can't meet ENOSPC later.
 */
import { type Bytes, errno } from '../base/index.ts'
import type { PageRequest, ReadState } from '../memmap/index.ts'
import { CACHE, UPTODATE } from '../memory/index.ts'
import { again, done, fail, type Outcome, type Task, type Verb, wait } from '../sched/index.ts'
import type { CachedFile } from './cached-file.ts'
import { type Copying, partAt, requestAt } from './copying.ts'
import { filemapFault, filemapMkwrite } from './filemap.ts'
import { lend } from './lending.ts'
import type { PageCache } from './page-cache.ts'
import type { Writeback } from './writeback.ts'

/** Pages have numbers of 32 bits. */
const PAGES_MAX = 2 ** 41

export interface CopyArgs extends Copying {
  readonly file: CachedFile
}

export function copyArgs(file: CachedFile, position: Bytes, buffer: Uint8Array, read: ReadState): CopyArgs {
  return { file, position, buffer, read, copied: 0, request: undefined }
}

abstract class Copy {
  protected readonly cache: PageCache

  constructor(cache: PageCache) {
    this.cache = cache
  }

  protected request({ args, group }: Task<CopyArgs>, access: 'load' | 'store'): PageRequest {
    const now = this.cache.scheduler.now()
    return requestAt(args, this.cache.frames.pageSize, { group, access, now })
  }

  protected part(args: CopyArgs, end: Bytes): { readonly inPage: Bytes; readonly length: Bytes } {
    return partAt(args, this.cache.frames.pageSize, end)
  }
}

export class ReadCall extends Copy implements Verb<CopyArgs> {
  readonly name = 'read'

  attempt(task: Task<CopyArgs>): Outcome {
    const { args } = task
    const { file } = args
    if (this.copyAll(args)) return done
    for (let pages = 0; pages < this.cache.slicePages; pages++) {
      const end = Math.min(args.position + args.buffer.length, file.size)
      if (args.position + args.copied >= end) return done
      const request = this.request(task, 'load')
      const outcome = filemapFault(this.cache, file, request)
      if (outcome.kind !== 'done') return outcome
      const { inPage, length } = this.part(args, end)
      const bytes = this.cache.frames.bytes(request.fault.frame)
      args.buffer.set(bytes.subarray(inPage, inPage + length), args.copied)
      args.copied += length
      args.read.next = request.index + 1
    }
    return again
  }

  /** hot: what is left of several pages is there as a whole: no page of it is looked at alone. */
  private copyAll(args: CopyArgs): boolean {
    const position = args.position + args.copied
    const length = args.buffer.length - args.copied
    if (length <= this.cache.frames.pageSize) return false
    const pieces = lend(this.cache, args.file, { position, length, read: args.read })
    if (pieces === undefined) return false
    for (const piece of pieces) {
      args.buffer.set(piece, args.copied)
      args.copied += piece.length
    }
    return true
  }
}

export class WriteCall extends Copy implements Verb<CopyArgs> {
  readonly name = 'write'
  private readonly writeback: Writeback

  constructor(cache: PageCache, writeback: Writeback) {
    super(cache)
    this.writeback = writeback
  }

  attempt(task: Task<CopyArgs>): Outcome {
    const { args } = task
    const { file } = args
    if (file.readOnly) return fail(errno.EROFS)
    const end = args.position + args.buffer.length
    for (let pages = 0; args.position + args.copied < end; pages++) {
      if (pages === this.cache.slicePages) return again
      const request = this.request(task, 'store')
      const { inPage, length } = this.part(args, end)
      const outcome = this.pageFor(args, request, inPage, length)
      if (outcome.kind !== 'done') return outcome
      const pause = this.copyIn(args, request, inPage, length, task)
      if (pause !== undefined) return pause
    }
    return done
  }

  /** An attempt: the page is there, may be written, and has its space. */
  private pageFor(args: CopyArgs, request: PageRequest, inPage: Bytes, length: Bytes): Outcome {
    const { file } = args
    const { index, fault } = request
    const { pageSize } = this.cache.frames
    const covers = inPage === 0 && (length === pageSize || index * pageSize + length >= file.size)
    const isNew = index >= file.pages || (covers && file.backing.isReserved(file, index))
    if (isNew && this.cache.find(file.id, index) === 0 && !file.invalidates(index)) {
      const outcome = this.newPage(file, request)
      return outcome.kind === 'done' ? this.firstWrite(file, request, length) : outcome
    }
    const outcome = this.oldPage(file, request)
    return outcome.kind === 'done' && fault.frame !== 0 ? filemapMkwrite(this.cache, file, request) : outcome
  }

  /** Of a new page: zeros come before what is written, but where this attempt writes all of it. */
  private firstWrite(file: CachedFile, request: PageRequest, length: Bytes): Outcome {
    const { frames } = this.cache
    const outcome = filemapMkwrite(this.cache, file, request)
    if (outcome.kind !== 'done' || length !== frames.pageSize) frames.zero(request.fault.frame)
    return outcome
  }

  /** A page of the file, or one past EOF that an earlier attempt has put in place. */
  private oldPage(file: CachedFile, request: PageRequest): Outcome {
    if (request.index < file.pages) return filemapFault(this.cache, file, request)
    if (file.invalidates(request.index)) return wait(file.invalidation!.ticket, 'invalidate')
    request.fault.frame = this.cache.find(file.id, request.index)
    return done
  }

  /** A frame for the page, with whatever bytes: the caller writes or zeroes all of them in this attempt. */
  private newPage(file: CachedFile, { index, fault }: PageRequest): Outcome {
    if (index >= PAGES_MAX) return fail(errno.EFBIG)
    if (!this.cache.admits(file, index)) return fail(errno.ENOMEM)
    const frame = this.cache.memory.allocate(fault.group, CACHE)
    if (typeof frame !== 'number') return frame
    this.cache.insert(file, index, frame)
    this.cache.frames.raise(frame, UPTODATE)
    fault.frame = frame
    return done
  }

  private copyIn(
    args: CopyArgs,
    { fault }: PageRequest,
    inPage: Bytes,
    length: Bytes,
    task: Task,
  ): Outcome | undefined {
    const { file } = args
    const { frame } = fault
    const from = args.buffer.subarray(args.copied, args.copied + length)
    this.cache.setDirty(file, frame, task.group)
    this.cache.extend(file, args.position + args.copied + length)
    this.cache.frames.put(frame, inPage, from)
    args.copied += length
    return this.writeback.balance(task.group)
  }
}
