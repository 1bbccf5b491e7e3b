/**
 * A volume that becomes larger: the device has grown, and its new blocks are free from one commit on. The device's first block stays
 * as it was made; the header in the store counts.
 *
 *     header, free blocks, state -> commit
 *
 * Invariants
 *   GW1 Whatever was the volume's before is after, where it was; a crash leaves the old size or the new one.
 */
import { errno } from '../base/index.ts'
import { done, fail, type Outcome, type Task, type Ticket, type Verb, wait } from '../sched/index.ts'
import { encodeHeader, HEADER_KEY, NUMBERS_MAX } from './records.ts'
import type { Volume } from './volume.ts'

export interface GrowingArgs {
  readonly volume: Volume
  /** Of the device, the first with them. */
  readonly blocks: number
  commit: Ticket | undefined
}

export function growingArgs(volume: Volume, blocks: number): GrowingArgs {
  return { volume, blocks, commit: undefined }
}

/** EINVAL: it has more blocks already. EFBIG: more than have numbers. */
export class Growing implements Verb<GrowingArgs> {
  readonly name = 'growth of a volume'

  attempt({ args }: Task<GrowingArgs>): Outcome {
    const { volume, blocks } = args
    const { overlay, space, commits } = volume.parts
    if (args.commit === undefined) {
      if (volume.isReadOnly) return fail(errno.EROFS)
      if (blocks < volume.header.blocks) return fail(errno.EINVAL)
      if (blocks > NUMBERS_MAX) return fail(errno.EFBIG)
      if (blocks === volume.header.blocks) return done
      const { header } = volume
      space.size = blocks - 1
      const grown = overlay.edit(() => {
        overlay.put(HEADER_KEY, encodeHeader({ ...header, blocks }))
        space.extend({ start: header.blocks, end: blocks })
      })
      if (grown.kind !== 'done') {
        space.size = header.blocks - 1
        return grown
      }
      volume.header = { ...header, blocks }
      args.commit = commits.request()
    }
    if (!args.commit.complete) return wait(args.commit, 'device')
    return args.commit.errno === errno.OK ? done : fail(args.commit.errno)
  }
}
