/**
 * copy_file_range: what is aligned in both files is shared, and the rest is copied.
 *
 *     source    | head |  whole blocks  | tail |        the same place in a block as in the target: head and tail by
 *     target    | head |     shared     | tail |        calls, the blocks between them by a clone; else all by calls
 *
 * It goes on piece by piece, each a task of its own, and what it has copied when it is interrupted stays copied, as in
 * Linux. Files that are open in different ways share nothing.
 *
 * Invariants
 *   CP1 `copied` bytes of the target are the source's, and no other byte of it has changed.
 */
import { type Bytes, type Errno, errno } from '../base/index.ts'
import { type CopyArgs, copyArgs } from '../cache/index.ts'
import { newReadState } from '../memmap/index.ts'
import { done, fail, type Outcome, type Scheduler, type Spawn, type Task, type Verb } from '../sched/index.ts'
import { type DaxCallArgs, daxCallArgs } from './dax-calls.ts'
import { DaxFile } from './dax-file.ts'
import type { Parts } from './parts.ts'
import { type Remapping, type RemappingArgs, remappingArgs } from './remapping.ts'
import type { VolumeFile } from './volume-file.ts'

/** Bytes that are copied by one pair of calls at most. */
const PIECE_BYTES_MAX: Bytes = 256 * 1024

export interface RangeCopyPlan {
  readonly source: VolumeFile | DaxFile
  readonly from: Bytes
  readonly target: VolumeFile | DaxFile
  readonly to: Bytes
  readonly length: Bytes
}

type Step =
  | { readonly how: 'share'; readonly task: Task<RemappingArgs> }
  | { readonly how: 'read' | 'write'; readonly task: Task<CopyArgs> | Task<DaxCallArgs> }

export interface RangeCopyingArgs {
  readonly plan: RangeCopyPlan
  copied: Bytes
  /** How many are to be copied: no more than the source had when it began, even if the copy makes it longer. */
  length: Bytes | undefined
  step: Step | undefined
}

export function rangeCopyingArgs(plan: RangeCopyPlan): RangeCopyingArgs {
  return { plan, copied: 0, length: undefined, step: undefined }
}

/** The calls on files, cached and DAX. */
export interface Calls {
  readonly read: Verb<CopyArgs>
  readonly write: Verb<CopyArgs>
  readonly daxRead: Verb<DaxCallArgs>
  readonly daxWrite: Verb<DaxCallArgs>
}

export class RangeCopying implements Verb<RangeCopyingArgs> {
  readonly name = 'copy_file_range'
  private readonly parts: Parts
  private readonly scheduler: Scheduler
  private readonly remapping: Remapping
  private readonly calls: Calls

  constructor(parts: Parts, remapping: Remapping, calls: Calls) {
    this.parts = parts
    this.scheduler = parts.scheduler
    this.remapping = remapping
    this.calls = calls
  }

  attempt(task: Task<RangeCopyingArgs>): Outcome {
    const { args } = task
    const { plan } = args
    if (args.length === undefined) {
      args.length = Math.max(0, Math.min(plan.length, plan.source.size - plan.from))
      const refused = this.refusal(plan, args.length)
      if (refused !== errno.OK) return fail(refused)
    }
    for (;;) {
      const { step } = args
      if (step !== undefined) {
        if (!step.task.end.complete) return this.scheduler.join(step.task)
        this.account(args, step)
        const failed = step.task.errno
        // The source has become shorter since the piece was chosen: it is chosen anew.
        const outrun = step.how === 'share' && failed === errno.EINVAL
        if (failed !== errno.OK && !outrun) return args.copied > 0 ? done : fail(failed)
        if (step.how === 'read') {
          const { buffer, copied } = step.task.args
          if (copied === 0) return done
          args.step = this.write(plan, args.copied, buffer.subarray(0, copied), task)
          continue
        }
      }
      args.step = this.next(args, task)
      if (args.step === undefined) return done
    }
  }

  abandon({ args }: Task<RangeCopyingArgs>): void {
    if (args.step !== undefined) this.scheduler.kill(args.step.task)
  }

  private refusal({ source, from, target, to }: RangeCopyPlan, length: Bytes): Errno {
    if (this.parts.readOnly) return errno.EROFS
    if (from < 0 || to < 0) return errno.EINVAL
    return source === target && from < to + length && to < from + length ? errno.EINVAL : errno.OK
  }

  /** A write that failed has taken what it has copied. */
  private account(args: RangeCopyingArgs, { how, task }: Step): void {
    if (how === 'share') args.copied += task.args.remapped
    else if (how === 'write') args.copied += task.args.copied
  }

  /** The next piece: shared if both its ends allow, else read first; undefined: all is copied. */
  private next({ plan, copied, length: most }: RangeCopyingArgs, who: Spawn): Step | undefined {
    const { source, target } = plan
    const { blockSize } = this.parts.disk
    const from = plan.from + copied
    const to = plan.to + copied
    const left = Math.min(most! - copied, source.size - from)
    if (left <= 0) return undefined
    const alike = source.opened === target.opened && from % blockSize === to % blockSize
    const inBlock = from % blockSize
    if (alike && inBlock === 0) {
      const endsFiles = from + left === source.size && to + left >= target.size
      const length = endsFiles ? left : left - (left % blockSize)
      if (length > 0) {
        const args = remappingArgs({ how: 'clone', source, from, target, to, length })
        return { how: 'share', task: this.scheduler.spawn(this.remapping, args, who) }
      }
    }
    const piece = alike && inBlock > 0 ? blockSize - inBlock : PIECE_BYTES_MAX
    return this.read(source, from, new Uint8Array(Math.min(left, piece)), who)
  }

  private read(file: VolumeFile | DaxFile, position: Bytes, buffer: Uint8Array, who: Spawn): Step {
    const { scheduler, calls } = this
    const task =
      file instanceof DaxFile
        ? scheduler.spawn(calls.daxRead, daxCallArgs(file, position, buffer), who)
        : scheduler.spawn(calls.read, copyArgs(file.cached, position, buffer, newReadState('normal')), who)
    return { how: 'read', task }
  }

  private write({ target, to }: RangeCopyPlan, copied: Bytes, buffer: Uint8Array, who: Spawn): Step {
    const { scheduler, calls } = this
    const task =
      target instanceof DaxFile
        ? scheduler.spawn(calls.daxWrite, daxCallArgs(target, to + copied, buffer), who)
        : scheduler.spawn(
            calls.write,
            copyArgs(target.cached, to + copied, buffer, newReadState('normal')),
            who,
          )
    return { how: 'write', task }
  }
}
