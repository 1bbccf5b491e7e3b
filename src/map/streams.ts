/**
 * Files that come into a volume and go out of it whole: in large pieces, several on their way, in constant memory.
 *
 *     in    source -> pieces -> blocks of a file that has no name yet      (a commit now and then, so that records don't pile up)
 *     out   two windows in turn: one is read and checked while the caller has the other
 */
import type { Bytes } from '../base/index.ts'
import { bulkReadArgs, bulkWriteArgs, type VolumeFile } from '../volume/index.ts'
import { aborted } from './error.ts'
import { isAborted } from './performer.ts'
import type { VolumeCalls } from './volume-calls.ts'

export interface TransferOptions {
  readonly signal?: AbortSignal
  /** Called with the bytes that have gone so far. */
  readonly progress?: (bytes: Bytes) => void
}

/** Large enough that the device works at its own rate. */
const PIECE_BYTES: Bytes = 2 ** 20
/** Pieces on their way at once. */
const PIECES_MAX = 6
/** After so much a commit begins. */
const COMMIT_BYTES: Bytes = 256 * 2 ** 20
const WINDOW_BYTES: Bytes = 4 * 2 ** 20

/** Fills an empty file that nobody else has. Returns its length. */
export async function bringIn(
  calls: VolumeCalls,
  file: VolumeFile,
  source: AsyncIterable<Uint8Array>,
  { signal, progress }: TransferOptions,
): Promise<Bytes> {
  const { core } = calls
  const where = file.cached.name
  const flying = new Set<Promise<void>>()
  let failed: unknown
  let commit: Promise<void> | undefined
  let position = 0
  const begin = (piece: Uint8Array, free: () => void) => {
    const write = calls
      .perform(core.bulkWrite, bulkWriteArgs(file, position, piece), { operation: 'put', where })
      .catch((error: unknown) => {
        failed ??= error
      })
      .then(() => {
        flying.delete(write)
        free()
      })
    flying.add(write)
    position += piece.length
  }
  try {
    for await (const { piece, free } of pieces(source)) {
      begin(piece, free)
      if (flying.size === PIECES_MAX) await Promise.race(flying)
      if (isAborted(signal)) failed ??= aborted('put', where, signal.reason)
      if (failed !== undefined) break
      progress?.(position)
      if (Math.floor(position / COMMIT_BYTES) === Math.floor((position - piece.length) / COMMIT_BYTES))
        continue
      await commit
      commit = calls.sync(where)
      commit.catch(() => {})
    }
  } finally {
    await Promise.all(flying)
  }
  if (failed !== undefined) throw failed
  await commit
  return position
}

/** What the file holds, from its start: each part is good until the next is asked for. */
export async function* takeOut(
  calls: VolumeCalls,
  file: VolumeFile,
  { signal, progress }: TransferOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { name, size } = file.cached
  const { blockSize } = calls.core.header
  const buffers = [new Uint8Array(WINDOW_BYTES), new Uint8Array(WINDOW_BYTES)]
  const bring = (position: Bytes) => {
    const blocks = Math.ceil(Math.min(WINDOW_BYTES, size - position) / blockSize)
    const buffer = buffers[(position / WINDOW_BYTES) % 2]!.subarray(0, blocks * blockSize)
    const call = { operation: 'get', where: name }
    const reading = calls.perform(calls.core.bulkRead, bulkReadArgs(file, position, buffer), call)
    reading.catch(() => {})
    return reading
  }
  let next = bring(0)
  for (let position = 0; position < size; position += WINDOW_BYTES) {
    const { buffer } = await next
    if (isAborted(signal)) throw aborted('get', name, signal.reason)
    const end = Math.min(size, position + WINDOW_BYTES)
    if (end < size) next = bring(end)
    yield buffer.subarray(0, end - position)
    progress?.(end)
  }
  await next
}

interface Piece {
  readonly piece: Uint8Array
  /** Its bytes are needed no more. */
  readonly free: () => void
}

/** The source in pieces of one size, the last but one excepted; each is memory of its own until it is freed. */
async function* pieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Piece> {
  const unused: Uint8Array<ArrayBuffer>[] = []
  let buffer = new Uint8Array(PIECE_BYTES)
  let filled = 0
  const cut = (): Piece => {
    const whole = buffer
    const piece = whole.subarray(0, filled)
    buffer = unused.pop() ?? new Uint8Array(PIECE_BYTES)
    filled = 0
    return { piece, free: () => void unused.push(whole) }
  }
  for await (const chunk of source)
    for (let from = 0; from < chunk.length; ) {
      const part = chunk.subarray(from, from + PIECE_BYTES - filled)
      buffer.set(part, filled)
      filled += part.length
      from += part.length
      if (filled === PIECE_BYTES) yield cut()
    }
  if (filled > 0) yield cut()
}
