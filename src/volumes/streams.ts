/**
 * Files that come into a volume and go out of it whole: in large pieces, several on their way, in constant memory.
 *
 *     in    source -> pieces -> blocks of a file that has no name yet      (a commit now and then, so that records don't pile up)
 *     out   three windows in turn: one is read and checked while the caller has the others
 */

import fs from 'node:fs'
import { open } from 'node:fs/promises'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { TransferOptions } from '../api/index.ts'
import { type Bytes, codeOf, solidParts } from '../base/index.ts'
import { aborted, FaultlineError, invalid, isAborted } from '../calls/index.ts'
import { shown } from '../group/index.ts'
import { memoryBuffer } from '../host/index.ts'
import { bulkReadArgs, bulkWriteArgs, type VolumeFile } from '../volume/index.ts'
import type { VolumeCalls } from './volume-calls.ts'

/** Large enough that the device works at its own rate. */
const PIECE_BYTES: Bytes = 2 ** 20
/** What `solidParts` leaves out, at least. */
const STEP_BYTES: Bytes = 64 * 2 ** 10
/** Pieces on their way at once. */
const PIECES_MAX = 6
/** After so much a commit begins. */
const COMMIT_BYTES: Bytes = 256 * 2 ** 20
/** Large, so that few turns of the event loop are waited for where processors are busy. */
const WINDOW_BYTES: Bytes = 8 * 2 ** 20
/** One is read while the caller has two. */
const WINDOWS = 3

/** What a source is, once it has been looked at. */
export type Origin =
  | { readonly path: string }
  | { readonly parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array> }

/** Throws EINVAL unless it is a source. */
export function originOf(source: unknown): Origin {
  if (typeof source === 'string' && source !== '' && !source.includes('\0')) return { path: source }
  if (source instanceof URL && source.protocol === 'file:') return { path: fileURLToPath(source) }
  if (source instanceof Uint8Array) return { parts: [source] }
  if (isIterable(source)) return { parts: source }
  throw invalid(
    'put',
    `put: expected the path or file: URL of a file, bytes in a Uint8Array or Buffer, or a stream of them; got ${shown(source)}`,
  )
}

function isIterable(source: unknown): source is AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  return (
    typeof source === 'object' &&
    source !== null &&
    !ArrayBuffer.isView(source) &&
    (Symbol.asyncIterator in source || Symbol.iterator in source)
  )
}

/** Fills an empty file that nobody else has. Returns its length. */
export async function bringIn(
  calls: VolumeCalls,
  file: VolumeFile,
  origin: Origin,
  { signal, progress }: TransferOptions,
): Promise<Bytes> {
  const { core } = calls
  const where = file.cached.name
  const inFlight = new Set<Promise<void>>()
  let failed: unknown
  let commit: Promise<void> | undefined
  let position = 0
  const solid = isSparse(origin) ? solidParts : whole
  const { blockSize } = core.header
  const writeAt = (at: Bytes, bytes: Uint8Array) =>
    calls.perform(core.bulkWrite, bulkWriteArgs(file, at, bytes), { operation: 'put', where })
  const begin = (piece: Uint8Array, free: () => void) => {
    // The steps of holes are whole blocks of all but the largest sizes.
    const parts = [...(STEP_BYTES % blockSize === 0 ? solid : whole)(piece)]
    const writes = parts.map(({ start, end }) => writeAt(position + start, piece.subarray(start, end)))
    const write = Promise.all(writes)
      .catch(async (error: unknown) => {
        failed ??= error
        await Promise.allSettled(writes)
      })
      .then(() => {
        inFlight.delete(write)
        free()
      })
    inFlight.add(write)
    position += piece.length
  }
  try {
    for await (const { piece, free } of pieces(origin, signal)) {
      begin(piece, free)
      if (inFlight.size === PIECES_MAX) await Promise.race(inFlight)
      if (isAborted(signal)) failed ??= aborted('put', where, signal.reason)
      if (failed !== undefined) break
      progress?.(position)
      if (Math.floor(position / COMMIT_BYTES) === Math.floor((position - piece.length) / COMMIT_BYTES))
        continue
      await commit
      commit = calls.commitPut(where)
      commit.catch(() => {})
    }
  } catch (error) {
    failed ??= isAborted(signal) ? aborted('put', where, signal.reason) : told(error)
  }
  if (isAborted(signal)) failed ??= aborted('put', where, signal.reason)
  await Promise.all(inFlight)
  if (failed !== undefined) throw failed
  await commit
  if (file.cached.size < position) await writeEnd(position)
  return position

  /** A file that ends in a hole has its last block. */
  async function writeEnd(size: Bytes): Promise<void> {
    const last = Math.floor((size - 1) / blockSize) * blockSize
    await writeAt(last, new Uint8Array(size - last))
  }
}

function* whole(piece: Uint8Array): Generator<{ readonly start: Bytes; readonly end: Bytes }> {
  yield { start: 0, end: piece.length }
}

/** Whether a file of the host has holes. What is wrong with it is told when it is read. */
function isSparse(origin: Origin): boolean {
  if (!('path' in origin)) return false
  try {
    const stat = fs.statSync(origin.path)
    return stat.isFile() && stat.blocks * 512 < stat.size
  } catch {
    return false
  }
}

/** What the file holds, from its start: each part is good until the next but one is asked for. */
export async function* takeOut(
  calls: VolumeCalls,
  operation: string,
  file: VolumeFile,
  { signal, progress }: TransferOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { name, size } = file.cached
  const { blockSize } = calls.core.header
  const memory = Math.min(WINDOWS * WINDOW_BYTES, Math.ceil(size / blockSize) * blockSize)
  // Only long parts go past the host's cache, and memory that begins on a page takes longer to make.
  const windows = new Uint8Array(memory < PIECE_BYTES ? new ArrayBuffer(memory) : memoryBuffer(memory))
  const bring = (position: Bytes) => {
    const blocks = Math.ceil(Math.min(WINDOW_BYTES, size - position) / blockSize)
    const start = position % (WINDOWS * WINDOW_BYTES)
    const buffer = windows.subarray(start, start + blocks * blockSize)
    const call = { operation, where: name }
    const reading = calls.perform(calls.core.bulkRead, bulkReadArgs(file, position, buffer), call)
    reading.catch(() => {})
    return reading
  }
  let next = bring(0)
  for (let position = 0; position < size; position += WINDOW_BYTES) {
    const { buffer } = await next
    if (isAborted(signal)) throw aborted(operation, name, signal.reason)
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

/** The source in pieces of one size, the last excepted. */
async function* pieces(origin: Origin, signal: AbortSignal | undefined): AsyncGenerator<Piece> {
  if ('parts' in origin) return yield* piecesOfStream(origin.parts, signal)
  const { path } = origin
  const stat = fs.statSync(path)
  if (stat.isDirectory())
    throw new FaultlineError('EISDIR', 'put', `put of ${path}: it is a directory; expected a file`)
  if (stat.isFIFO()) yield* piecesOfStream(pipe(path), signal)
  else if (stat.isFile() || stat.isBlockDevice()) yield* piecesOfFile(path)
  else yield* piecesOfStream(fs.createReadStream(path), signal)
}

/**
 * What comes through a FIFO. Without O_NONBLOCK its open would wait for the other end, in a thread that can't be called back;
 * so the event loop waits. Opened once: an end that is opened when the writer has gone never hears of it.
 */
function pipe(path: string): Socket {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  return new Socket({ fd, readable: true, writable: false })
}

/** Each is read while the one before is used. */
async function* piecesOfFile(path: string): AsyncGenerator<Piece> {
  const pool = new Pieces()
  const failed = (error: unknown) => {
    throw told(error, path)
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

async function* piecesOfStream(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Piece> {
  const pool = new Pieces()
  let buffer = pool.take()
  let filled = 0
  for await (const chunk of untilAborted(source, signal)) {
    if (!(chunk instanceof Uint8Array))
      throw invalid('put', `put: expected a source of Uint8Arrays or Buffers, and it gave ${shown(chunk)}`)
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
  }
  if (filled > 0) yield pool.cut(buffer, filled)
}

/** What a source gives, until the signal comes: a source that says nothing for long keeps nobody waiting. */
async function* untilAborted<T>(
  source: AsyncIterable<T> | Iterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const parts = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  const stopped = Promise.withResolvers<never>()
  stopped.promise.catch(() => {})
  const stop = () => stopped.reject(signal?.reason)
  signal?.addEventListener('abort', stop, { once: true })
  let isAtEnd = false
  try {
    for (;;) {
      signal?.throwIfAborted()
      const next = await Promise.race([parts.next(), stopped.promise])
      isAtEnd = next.done === true
      if (next.done === true) return
      yield next.value
    }
  } catch (error) {
    isAtEnd = !isAborted(signal)
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
    if (!isAtEnd) leave(source, parts)
  }
}

/** Nobody waits for it: a source may be waiting itself. */
function leave(source: object, parts: AsyncIterator<unknown> | Iterator<unknown>): void {
  if ('destroy' in source && typeof source.destroy === 'function') source.destroy()
  else void Promise.resolve(parts.return?.()).catch(() => {})
}

const HOST_WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this process may not read it',
  ENOTDIR: 'a part of the path is not a directory',
  ENAMETOOLONG: 'a name in the path is longer than its filesystem takes',
  EIO: 'the device failed to read it',
}

/** What the host says of a source; what a program's own source throws is its own. */
function told(error: unknown, source = 'its source'): unknown {
  if (error instanceof FaultlineError || !(error instanceof Error) || !('syscall' in error)) return error
  const code = codeOf(error) ?? 'EIO'
  const path = 'path' in error && typeof error.path === 'string' ? error.path : source
  const words = HOST_WORDS[code] ?? error.message
  return new FaultlineError(code, 'put', `put of ${path} failed with ${code}: ${words}`, error)
}
