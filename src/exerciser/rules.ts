/**
 * What Linux refuses of clones, dedupes and their like (fs/remap_range.c, fs/read_write.c, fs/open.c), told by sizes alone.
 */
import { type Bytes, type Errno, errno } from '../base/index.ts'
import type { Model } from './model.ts'
import type { Of, Remap } from './operations.ts'

/** EINVAL unless both places are whole blocks, or end both files, and don't overlap. */
export function remapError(model: Model, operation: Of<'clone' | 'dedupe'>): Errno {
  const { kind, source, from, target, to, length } = operation
  const block = model.pageSize
  const [sourceSize, targetSize] = [model.files[source]!.size, model.files[target]!.size]
  if (from % block !== 0 || to % block !== 0) return errno.EINVAL
  if (from + length > sourceSize || (kind === 'dedupe' && to + length > targetSize)) return errno.EINVAL
  const asked = kind === 'dedupe' ? dedupeLength(model, operation) : length
  const ends = from + asked === sourceSize && to + asked >= targetSize
  if (asked % block !== 0 && !ends) return errno.EINVAL
  // A dedupe compares every byte that is asked for: none of them may be in both ranges, shared or not.
  const blocks = Math.ceil((kind === 'dedupe' ? length : asked) / block) * block
  return source === target && from < to + blocks && to < from + blocks ? errno.EINVAL : errno.OK
}

/** A dedupe is shortened to whole blocks, unless it ends both files. */
export function dedupeLength(model: Model, { source, from, target, to, length }: Remap): Bytes {
  const ends = from + length === model.files[source]!.size && to + length === model.files[target]!.size
  return ends ? length : length - (length % model.pageSize)
}

/** EINVAL if a file is copied onto itself. */
export function copyError(model: Model, { source, from, target, to, length }: Remap): Errno {
  const copied = Math.max(0, Math.min(length, model.files[source]!.size - from))
  return source === target && from < to + copied && to < from + copied ? errno.EINVAL : errno.OK
}

/** EINVAL unless they are whole blocks inside of the file; what is taken out doesn't reach its end. */
export function shiftError(model: Model, { kind, file, at, length }: Of<'collapse' | 'insert'>): Errno {
  const block = model.pageSize
  const { size } = model.files[file]!
  if (at % block !== 0 || length % block !== 0 || length === 0) return errno.EINVAL
  return (kind === 'collapse' ? at + length >= size : at >= size) ? errno.EINVAL : errno.OK
}

export function preallocationError({ length }: Of<'allocate' | 'zero'>): Errno {
  return length > 0 ? errno.OK : errno.EINVAL
}
