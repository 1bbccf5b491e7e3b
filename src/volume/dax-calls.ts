/**
 * read(2) and write(2) on a DAX file: copies between a caller's bytes and the device's blocks.
 *
 * Each page is an attempt of the same `fault` and `pageMkwrite` that mappings use. A page past the end of the file has no
 * entry and nothing to copy: it gets its block, its bytes and the file's new size in one attempt.
 *
 * Invariants
 *   DW1 A read ends at EOF; a write makes the file as long as what it has copied.
 *   DW2 No block lies past the end of the file, but for those that fallocate set aside.
 */
import { type Bytes, errno, type PageIndex } from '../base/index.ts'
import { type Copying, partAt, requestAt } from '../cache/index.ts'
import { newReadState, type PageRequest } from '../memmap/index.ts'
import { done, fail, type Outcome, type Task, type Verb, wait } from '../sched/index.ts'
import type { DaxFile } from './dax-file.ts'
import { blocksOf, PLAIN } from './extents.ts'
import { canBeLong, type Parts, roomFor } from './parts.ts'
import type { Blocks } from './space.ts'

export interface DaxCallArgs extends Copying {
  readonly file: DaxFile
}

export function daxCallArgs(file: DaxFile, position: Bytes, buffer: Uint8Array): DaxCallArgs {
  return { file, position, buffer, read: newReadState('random'), copied: 0, request: undefined }
}

abstract class DaxCall {
  protected readonly parts: Parts

  constructor(parts: Parts) {
    this.parts = parts
  }

  protected request({ args, group }: Task<DaxCallArgs>, access: 'load' | 'store'): PageRequest {
    const { scheduler, disk } = this.parts
    return requestAt(args, disk.blockSize, { group, access, now: scheduler.now() })
  }

  protected part(args: DaxCallArgs, end: Bytes): { readonly inPage: Bytes; readonly length: Bytes } {
    return partAt(args, this.parts.disk.blockSize, end)
  }
}

export class DaxRead extends DaxCall implements Verb<DaxCallArgs> {
  readonly name = 'read of a DAX file'

  attempt(task: Task<DaxCallArgs>): Outcome {
    const { args } = task
    const { file, position, buffer } = args
    for (;;) {
      const end = Math.min(position + buffer.length, file.size)
      if (position + args.copied >= end) return done
      const { index, fault, ...request } = this.request(task, 'load')
      const outcome = file.fault({ index, fault, ...request })
      if (outcome.kind !== 'done') return outcome
      const { inPage, length } = this.part(args, end)
      buffer.set(file.place.bytes(fault.frame).subarray(inPage, inPage + length), args.copied)
      args.copied += length
    }
  }
}

export class DaxWrite extends DaxCall implements Verb<DaxCallArgs> {
  readonly name = 'write of a DAX file'

  attempt(task: Task<DaxCallArgs>): Outcome {
    const { args } = task
    const { file, position, buffer } = args
    const end = position + buffer.length
    if (file.readOnly) return fail(errno.EROFS)
    if (!canBeLong(end)) return fail(errno.EFBIG)
    while (position + args.copied < end) {
      const request = this.request(task, 'store')
      const isNew = request.index * this.parts.disk.blockSize >= file.size
      const outcome = isNew ? this.newPage(file, request) : file.pageMkwrite(request)
      if (outcome.kind !== 'done') return outcome
      const { inPage, length } = this.part(args, end)
      const grown = this.grow(file, position + args.copied + length)
      if (grown.kind !== 'done') return grown
      const bytes = file.place.bytes(request.fault.frame)
      bytes.set(buffer.subarray(args.copied, args.copied + length), inPage)
      args.copied += length
    }
    return done
  }

  /** An attempt: the page has a block of its own, full of zeros (DW2: the size follows in the same attempt). */
  private newPage(file: DaxFile, { index, fault }: PageRequest): Outcome {
    if (file.invalidates(index)) return wait(file.invalidation!.ticket, 'invalidate')
    const { overlay } = this.parts
    const found = overlay.ask(() => file.node.extents.at(index) !== undefined)
    if (found.value === undefined) return found.outcome
    if (!found.value) {
      const room = roomFor(this.parts, 1)
      if (room.kind !== 'done') return room
    }
    const placed = overlay.ask(() => this.place(file, index))
    if (placed.value === undefined) return placed.outcome
    fault.frame = file.place.first + placed.value.start
    file.place.bytes(fault.frame).fill(0)
    return done
  }

  private place({ node: { extents } }: DaxFile, index: PageIndex): Blocks {
    const { space } = this.parts
    const [part] = extents.inside(index, index + 1)
    if (part !== undefined) {
      extents.retag(part, PLAIN)
      return blocksOf(part)
    }
    const claimed = space.allocate(1, 1)
    space.settle(claimed)
    extents.place(index, claimed, PLAIN)
    return claimed
  }

  private grow(file: DaxFile, size: Bytes): Outcome {
    if (size <= file.size) return done
    const { overlay, names } = this.parts
    const grown = overlay.edit(() => {
      const inode = names.inode(file.node.ino)
      // A clone beside it may have made it longer already.
      names.setInode(file.node.ino, { ...inode, size: Math.max(inode.size, size) })
    })
    if (grown.kind === 'done') file.grow(size)
    return grown
  }
}
