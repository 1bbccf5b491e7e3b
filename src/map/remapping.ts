/** What `resize` and `remap` of a mapping are asked for, looked at once, and what is said when it can't be had. */
import type { RemapOptions } from '../api/index.ts'
import { type Bytes, pagesOf } from '../base/index.ts'
import { addressPage, bytes, checkKeys, choice, FaultlineError, invalid } from '../calls/index.ts'
import { FILE_BYTES_MAX, tooLong } from '../files/index.ts'
import { shown } from '../group/index.ts'
import type { MremapArgs } from '../space/index.ts'

export type RemapCall = 'resize' | 'remap'

/** What is remapped: bytes of `name` from `offset` on. */
export interface Remapped {
  readonly name: string
  readonly length: Bytes
  readonly offset: Bytes
  readonly pageSize: Bytes
}

export type RemapPlan = Pick<MremapArgs, 'newPages' | 'where' | 'old'> & { readonly length: Bytes }

export function remapPlan(
  options: RemapOptions,
  { name, length: before, offset, pageSize }: Remapped,
  call: RemapCall,
): RemapPlan {
  checkKeys(options, ['length', 'where', 'fixed', 'old'], call)
  const length = options.length === undefined ? before : bytes(options.length, 'length', call)
  if (length < 1) throw invalid(call, `length: expected at least 1 byte, got ${shown(options.length)}`)
  if (offset + length > FILE_BYTES_MAX) throw tooLong(call, name, offset + length)
  const newPages = pagesOf(length, pageSize)
  const moves = choice(options.where ?? 'may move', ['stays', 'may move'], 'where', call)
  const old = choice(options.old ?? 'is unmapped', ['is unmapped', 'stays mapped'], 'old', call)
  if (moves === 'stays' && (options.fixed !== undefined || old === 'stays mapped'))
    throw invalid(
      call,
      "where: 'stays' goes with no fixed place, and not with old 'stays mapped'; leave one out",
    )
  if (old === 'stays mapped' && length !== before)
    throw invalid(
      call,
      `length: pages that leave a mapping behind keep its length, ${before} bytes; leave it out`,
    )
  const fixed = addressPage(options.fixed, newPages, pageSize, call)
  return { length, newPages, where: fixed === undefined ? moves : { fixed }, old }
}

/** The engine's error in the words of what was asked for. */
export function notRemapped(error: unknown, name: string, call: RemapCall, { where }: RemapPlan): unknown {
  if (!(error instanceof FaultlineError)) return error
  const says = (code: string, what: string) =>
    new FaultlineError(code, call, `${call} of ${name}: ${what}`, error)
  if (error.code === 'EFAULT')
    return says(
      'EFAULT',
      'a part of it was protected, advised, locked or replaced on its own, and only what is of one kind grows; make it so first, or map the file again',
    )
  if (error.code === 'EINVAL')
    return says('EINVAL', 'the new place overlaps the old one; choose one that lies apart')
  if (error.code === 'ENOMEM' && where === 'stays')
    return says('ENOMEM', 'something else is mapped behind it; let it move, or unmap that first')
  if (error.code === 'ENOMEM')
    return says('ENOMEM', 'the space has no room for it; ask for less, or unmap something')
  return error
}
