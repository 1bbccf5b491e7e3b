/**
 * Files that come into a volume and go out of it whole: in large pieces, several on their way, in constant memory.
 *
 *     in    source -> pieces -> blocks of a file that has no name yet      (a commit now and then, so that records don't pile up)
 *     out   two windows in turn: one is read and checked while the caller has the other
 */
import { open } from 'node:fs/promises'
import type { Bytes } from '../base/index.ts'
import { bulkReadArgs, bulkWriteArgs, type VolumeFile } from '../volume/index.ts'
import { aborted, fromHost } from './error.ts'
import { isAborted } from './performer.ts'
import type { VolumeCalls } from './volume-calls.ts'

export interface TransferOptions {
  readonly signal?: AbortSignal
  /** Called with the bytes that have gone so far. */
  readonly progress?: (bytes: Bytes) => void
}

/** A file of the host by its path, or bytes as they come. */
export type Source = string | AsyncIterable<Uint8Array>

/** Large enough that the device works at its own rate. */
const PIECE_BYTES: Bytes = 2 ** 20
/** Pieces on their way at once. */
const PIECES_MAX = 6
/** After so much a commit begins. */
const COMMIT_BYTES: Bytes = 256 * 2 ** 20
/** Large, so that few turns of the event loop are waited for where processors are busy. */
const WINDOW_BYTES: Bytes = 16 * 2 ** 20

/** Fills an empty file that nobody else has. Returns its length. */
export async function bringIn(
  calls: VolumeCalls,
  file: VolumeFile,
  source: Source,
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
    for await (const { piece, free } of until(signal, pieces(source))) {
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
  } catch (error) {
    failed ??= isAborted(signal) ? aborted('put', where, signal.reason) : error
  }
  if (isAborted(signal)) failed ??= aborted('put', where, signal.reason)
  await Promise.all(flying)
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
  const window = Math.min(WINDOW_BYTES, Math.ceil(size / blockSize) * blockSize)
  const buffers = [new Uint8Array(window), new Uint8Array(size > window ? window : 0)]
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

/** Memory for pieces, used again and again. */
class Pieces {
  private readonly unused: Uint8Array<ArrayBuffer>[] = []

  take(): Uint8Array<ArrayBuffer> {
    return this.unused.pop() ?? new Uint8Array(PIECE_BYTES)
  }

  /** The first bytes of a buffer that was taken. */
  cut(buffer: Uint8Array<ArrayBuffer>, length: Bytes): Piece {
    return { piece: buffer.subarray(0, length), free: () => void this.unused.push(buffer) }
  }
}

/** What comes before the signal: a source that has nothing more to give for now isn't waited for after it. */
async function* until<T>(signal: AbortSignal | undefined, source: AsyncGenerator<T>): AsyncGenerator<T> {
  const { promise: aborted, resolve } = Promise.withResolvers<'aborted'>()
  const abort = () => resolve('aborted')
  signal?.addEventListener('abort', abort)
  try {
    while (!isAborted(signal)) {
      const next = source.next()
      next.catch(() => {})
      const step = await Promise.race([next, aborted])
      if (step === 'aborted' || step.done === true) return
      yield step.value
    }
  } finally {
    signal?.removeEventListener('abort', abort)
    // It ends when it comes to it: the caller's own stream may be waiting for this very call to end.
    source.return(undefined).catch(() => {})
  }
}

/** The source in pieces of one size, the last excepted. */
function pieces(source: Source): AsyncGenerator<Piece> {
  return typeof source === 'string' ? piecesOfFile(source) : piecesOfStream(source)
}

/** Each is read while the one before is used. */
async function* piecesOfFile(path: string): AsyncGenerator<Piece> {
  const pool = new Pieces()
  const failed = (error: unknown) => {
    throw fromHost(error, 'put', path)
  }
  const file = await open(path).catch(failed)
  let position = 0
  const read = async () => {
    const buffer = pool.take()
    let length = 0
    for (let got = -1; got !== 0 && length < PIECE_BYTES; length += got)
      got = (await file.read(buffer, length, PIECE_BYTES - length, position + length).catch(failed)).bytesRead
    return { buffer, length }
  }
  let next = read()
  try {
    for (;;) {
      const { buffer, length } = await next
      if (length === 0) return
      position += length
      next = read()
      next.catch(() => {})
      yield pool.cut(buffer, length)
    }
  } finally {
    await next.catch(() => {})
    await file.close()
  }
}

async function* piecesOfStream(source: AsyncIterable<Uint8Array>): AsyncGenerator<Piece> {
  const pool = new Pieces()
  let buffer = pool.take()
  let filled = 0
  for await (const chunk of source)
    for (let from = 0; from < chunk.length; ) {
      const part = chunk.subarray(from, from + PIECE_BYTES - filled)
      buffer.set(part, filled)
      filled += part.length
      from += part.length
      if (filled < PIECE_BYTES) continue
      yield pool.cut(buffer, filled)
      buffer = pool.take()
      filled = 0
    }
  if (filled > 0) yield pool.cut(buffer, filled)
}
