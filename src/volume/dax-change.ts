/**
 * What happens to a DAX file from outside its mappings: a new size, a range that becomes zero, and a range that is to lie
 * where one of another DAX file does.
 *
 *     claim the ranges, all their entries go -> wait for copies of their pages -> change the extents -> release
 *
 * Whoever touches a page of a claimed range waits for the claim without its locks, and maps what is there then.
 *
 * Invariants
 *   DG1 While a range is claimed no entry maps it, and no copy of its pages is on its way once the change begins.
 *   DG2 A task that fails has changed nothing; one that is killed is seen through, or had not begun.
 */
import { type Bytes, type Errno, errno, type PageRange } from '../base/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import { type DaxFile, zeroTail } from './dax-file.ts'
import type { Transfers } from './file-device.ts'
import type { Parts } from './parts.ts'
import { NUMBERS_MAX } from './records.ts'
import type { ReshapingArgs } from './reshaping.ts'

export type DaxChangePlan =
  | { readonly how: 'resize'; readonly file: DaxFile; readonly size: Bytes }
  | { readonly how: 'zero'; readonly file: DaxFile; readonly position: Bytes; readonly length: Bytes }
  /** The whole source, at the start of the file. */
  | { readonly how: 'clone'; readonly source: DaxFile; readonly file: DaxFile }

export interface DaxChangeArgs {
  readonly plan: DaxChangePlan
  claim: Ticket | undefined
  reshaping: ReshapingArgs | undefined
}

export function daxChangeArgs(plan: DaxChangePlan): DaxChangeArgs {
  return { plan, claim: undefined, reshaping: undefined }
}

export class DaxChange implements Verb<DaxChangeArgs> {
  readonly name = 'change of a DAX file'
  private readonly parts: Parts
  private readonly transfers: Transfers

  constructor(parts: Parts, transfers: Transfers) {
    this.parts = parts
    this.transfers = transfers
  }

  attempt({ args }: Task<DaxChangeArgs>): Outcome {
    const files = filesOf(args.plan)
    if (args.claim === undefined) {
      if (this.parts.readOnly) return fail(errno.EROFS)
      if (new Set(files).size < files.length) return fail(errno.EINVAL)
      for (const { invalidation } of files)
        if (invalidation !== undefined) return wait(invalidation.ticket, 'invalidate')
      this.claim(args, files)
    }
    for (const file of files)
      for (const [index, { ticket }] of file.copies) if (file.invalidates(index)) return wait(ticket, 'copy')
    const outcome = this.change(args)
    if (outcome.kind !== 'wait') this.release(args)
    return outcome
  }

  abandon({ args, name, group }: Task<DaxChangeArgs>): void {
    if (args.reshaping !== undefined) this.parts.scheduler.spawn(this, args, { name, group })
    else if (args.claim !== undefined) this.release(args)
  }

  private claim(args: DaxChangeArgs, files: readonly DaxFile[]): void {
    const { plan } = args
    args.claim = this.parts.scheduler.ticket(`${plan.how} of ${plan.file.name}`)
    for (const file of files) {
      const range = this.rangeOf(plan, file)
      file.invalidation = { ...range, ticket: args.claim }
      const cutsOff = plan.how === 'resize' && plan.size < file.size
      file.place.mappers.unmapRange(
        file.id,
        range.start,
        range.end,
        cutsOff ? 'with private copies' : 'shared pages',
      )
    }
  }

  private release({ plan, claim }: DaxChangeArgs): void {
    for (const file of filesOf(plan)) file.invalidation = undefined
    this.parts.scheduler.complete(claim!)
  }

  private change(args: DaxChangeArgs): Outcome {
    const { plan } = args
    const { file } = plan
    const failed = this.parts.journal.edit(() => {
      for (const each of filesOf(plan)) zeroTail(this.parts, each.place, each.node, each.size)
    })
    if (failed !== errno.OK) return fail(failed)
    if (plan.how === 'clone') {
      const refused = this.clone(plan.source, file)
      return refused === errno.OK ? done : fail(refused)
    }
    args.reshaping ??= {
      node: file.node,
      request:
        plan.how === 'resize'
          ? { operation: 'resize', position: 0, length: plan.size, buffers: [] }
          : { operation: 'zero', position: plan.position, length: plan.length, buffers: [] },
      plan: undefined,
    }
    const outcome = this.transfers.reshaping.step(args.reshaping)
    if (outcome.kind === 'done' && plan.how === 'resize') file.size = plan.size
    return outcome
  }

  private clone(source: DaxFile, file: DaxFile): Errno {
    const { journal, names, disk } = this.parts
    const failed = journal.edit(() => {
      file.node.extents.shareFrom(source.node.extents, 0, 0, Math.ceil(source.size / disk.blockSize))
      const inode = names.inode(file.node.ino)
      names.setInode(file.node.ino, { ...inode, size: Math.max(inode.size, source.size) })
    })
    if (failed === errno.OK) file.size = Math.max(file.size, source.size)
    return failed
  }

  /** The pages that may look different afterwards, or that may be stored to no more. */
  private rangeOf(plan: DaxChangePlan, file: DaxFile): PageRange {
    const { blockSize } = this.parts.disk
    if (plan.how === 'clone') return { start: 0, end: NUMBERS_MAX }
    if (plan.how === 'resize')
      return { start: Math.floor(Math.min(plan.size, file.size) / blockSize), end: NUMBERS_MAX }
    return {
      start: Math.floor(plan.position / blockSize),
      end: Math.ceil((plan.position + plan.length) / blockSize),
    }
  }
}

function filesOf(plan: DaxChangePlan): readonly DaxFile[] {
  return plan.how === 'clone' ? [plan.source, plan.file] : [plan.file]
}
