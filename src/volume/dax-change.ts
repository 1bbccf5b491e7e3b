/**
 * What truncation is for files in the cache, for DAX files: a new size, or a range that becomes a hole. Private copies go
 * with what a new size cuts off, and stay with a punch.
 *
 * Invariants
 *   DG1 When a range that is claimed begins to change, no entry maps the file there.
 *   DG2 A task that fails has changed nothing; one that is killed is seen through, or had not begun.
 */
import { type Bytes, type Errno, errno } from '../base/index.ts'
import { done, type Outcome } from '../sched/index.ts'
import { type Claim, Claiming, type ClaimingArgs, claimOf, unclaimed } from './claiming.ts'
import type { DaxFile } from './dax-file.ts'
import type { Transfers } from './file-device.ts'
import { canBeLong, type Parts } from './parts.ts'
import { NUMBERS_MAX } from './records.ts'
import type { ReshapingArgs } from './reshaping.ts'

export type DaxChangePlan =
  | { readonly how: 'resize'; readonly file: DaxFile; readonly size: Bytes }
  | { readonly how: 'punch'; readonly file: DaxFile; readonly position: Bytes; readonly length: Bytes }

export interface DaxChangeArgs extends ClaimingArgs {
  readonly plan: DaxChangePlan
  reshaping: ReshapingArgs | undefined
  /** The file is as it is to be, and its private copies are left. */
  isReshaped: boolean
}

export function daxChangeArgs(plan: DaxChangePlan): DaxChangeArgs {
  return { plan, ...unclaimed(), reshaping: undefined, isReshaped: false }
}

export class DaxChange extends Claiming<DaxChangeArgs> {
  readonly name = 'change of a DAX file'
  private readonly transfers: Transfers

  constructor(parts: Parts, transfers: Transfers) {
    super(parts)
    this.transfers = transfers
  }

  protected refusal({ plan }: DaxChangeArgs): Errno {
    if (plan.how === 'resize') {
      if (plan.size < 0) return errno.EINVAL
      return canBeLong(plan.size) ? errno.OK : errno.EFBIG
    }
    return plan.position < 0 || plan.length <= 0 ? errno.EINVAL : errno.OK
  }

  /** The pages that may look different afterwards. */
  protected claims({ plan }: DaxChangeArgs): readonly Claim[] {
    const { file } = plan
    if (plan.how === 'punch') return [claimOf(file, this.pages(plan.position, plan.length), 'all')]
    const { start } = this.pages(Math.min(plan.size, file.size), 0)
    return [claimOf(file, { start, end: NUMBERS_MAX }, 'all')]
  }

  protected change(args: DaxChangeArgs): Outcome {
    const { plan } = args
    const { file } = plan
    args.reshaping ??= {
      node: file.node,
      request:
        plan.how === 'resize'
          ? { operation: 'resize', position: 0, length: plan.size, buffers: [] }
          : { operation: 'zero', position: plan.position, length: plan.length, buffers: [] },
      plan: undefined,
    }
    if (!args.isReshaped) {
      const outcome = this.transfers.reshaping.step(args.reshaping)
      if (outcome.kind !== 'done') return outcome
      if (plan.how === 'resize') file.resize(plan.size)
      args.isReshaped = true
    }
    return plan.how === 'resize' ? file.cut(args.claims[0]!) : done
  }

  protected override isUnderWay({ reshaping }: DaxChangeArgs): boolean {
    return reshaping !== undefined
  }
}
