/**
 * Opens a trace file of any form and passes its records to a sink, in constant memory.
 *
 *     bytes --unpack--> trace.dat?  -> a file to seek in (unpacked into a temporary one if it came packed)
 *                       text?       -> pieces of CHUNK_BYTES
 *
 * The form is read from the first bytes, never from the name.
 */

import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf } from '../base/index.ts'
import {
  DumpReader,
  isDump,
  isPerfData,
  isTraceDat,
  Kallsyms,
  type ReadOptions,
  type ReadResult,
  readPerfData,
  readTraceDat,
  type Sink,
  TextReader,
  TraceError,
} from '../trace/index.ts'
import { mayBeApart, partsOf, readApart } from './apart.ts'
import { piecesOfPipe } from './pipe.ts'
import { unpack } from './unpack.ts'

/** Layers that say something of where a trace has been. */
const NOTED: ReadonlySet<string> = new Set(['UTF-16', 'records of a log'])
const CHUNK_BYTES = 1 << 20
const BINARY_SNIFF = 4096
const NEWLINE = 10
/** Tab, newline, carriage return, escape. */
const TEXT_CONTROLS: readonly number[] = [9, NEWLINE, 13, 27]
/** A task's name may hold any byte; of what is binary more than this part are bytes that no text has. */
const BINARY_PART = 1 / 32

export async function readTrace(path: string, sink: Sink, options: ReadOptions = {}): Promise<ReadResult> {
  const { size, isPipe } = lookAt(path)
  const pieces = piecesOf(
    path,
    isPipe ? piecesOfPipe(path, options.signal) : piecesOfFile(path),
    size,
    options,
  )
  const { value: first, done: isEmpty } = await pieces.next()
  if (isEmpty) throw new TraceError(`${path} is empty; expected a kernel trace`)
  if ((isTraceDat(first) || isPerfData(first)) && size > 0) {
    await pieces.return(undefined)
    return readContainer(path, path, sink, options)
  }
  try {
    const { inside, layers } = await unpack(behind(first, pieces))
    return await readUnpacked(path, { inside, layers, size }, sink, options)
  } catch (error) {
    throw named(path, error, 0)
  }
}

/** What comes of it, in pieces; each is gone when the next is asked for. */
async function* piecesOf(
  path: string,
  pieces: AsyncGenerator<Buffer>,
  size: number,
  { onProgress }: ReadOptions,
): AsyncGenerator<Buffer> {
  let read = 0
  try {
    for await (const piece of pieces) {
      read += piece.length
      onProgress?.(read, size)
      yield piece
    }
  } catch (error) {
    throw named(path, error, 0)
  }
}

async function* piecesOfFile(path: string): AsyncGenerator<Buffer> {
  const file = await open(path)
  try {
    const piece = Buffer.allocUnsafe(CHUNK_BYTES)
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, piece.length)
      if (bytesRead === 0) return
      yield piece.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/** The piece that was looked at, and the rest; leaving early closes the file. */
async function* behind(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield first
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

async function readUnpacked(
  path: string,
  {
    inside,
    layers,
    size,
  }: {
    readonly inside: AsyncIterable<Buffer>
    readonly layers: readonly string[]
    /** Of the file, 0 for a pipe. */
    readonly size: number
  },
  sink: Sink,
  options: ReadOptions,
): Promise<ReadResult> {
  const reader = new TextReader(sink, {
    clockHz: options.clockHz ?? null,
    ...(options.onTask === undefined ? {} : { onTask: options.onTask }),
  })
  const dump = new DumpReader()
  let form: 'text' | 'dump' | null = null
  let spool: Spool | null = null
  try {
    for await (const chunk of inside) {
      options.signal?.throwIfAborted()
      if (form === null && spool === null) {
        if (isTraceDat(chunk) || isPerfData(chunk)) spool = new Spool()
        else {
          form = formOf(chunk)
          // The files of several CPUs one behind the other are read side by side, where they can be reached by offset.
          if (form === 'text' && size > 0 && !layers.includes('a page') && mayBeApart(chunk)) {
            if (layers.length > 0) spool = new Spool()
            else {
              const parts = partsOf(path, size, options)
              if (parts.length > 1) return readApart(path, parts, sink, options)
            }
          }
        }
      }
      if (spool !== null) spool.write(chunk)
      else if (form === 'text') reader.push(chunk)
      else dump.push(chunk)
    }
    if (spool !== null && form === 'text') {
      const read = await readSpooled(path, spool.path, sink, options)
      return { ...read, notes: [...notesOf(layers), ...read.notes] }
    }
    if (spool !== null) return await readContainer(path, spool.path, sink, options)
    if (form === 'dump') return tellDump(dump, options)
    reader.end()
  } catch (error) {
    throw named(path, error, reader.events)
  } finally {
    spool?.remove()
  }
  if (reader.events === 0) throw new TraceError(`${path} has no events: ${reader.whyNoEvents}`)
  return {
    format: 'text',
    events: reader.events,
    unread: reader.unread,
    unreadEvents: reader.unreadEvents,
    notes: [...notesOf(layers), ...reader.notes],
  }
}

const notesOf = (layers: readonly string[]): string[] =>
  layers.filter(layer => NOTED.has(layer)).map(layer => `read from ${layer}`)

/** A text that has events of a trace in its beginning is one, even in a log that has more; one with stacks of tasks is a dump. */
function formOf(chunk: Buffer): 'text' | 'dump' {
  assertText(chunk)
  const sample = chunk.subarray(0, chunk.lastIndexOf(NEWLINE) + 1 || chunk.length)
  const text = sample.toString('latin1')
  if (!isDump(text) || text.includes('\n#~')) return 'text'
  let events = 0
  try {
    const reader = new TextReader(() => events++, { clockHz: 1 })
    reader.push(sample)
    reader.end()
  } catch {
    // No trace, or a damaged one: what it is shows in the stacks.
  }
  return events > 0 && /(mmap_lock|sched)_\w+:/.test(text) ? 'text' : 'dump'
}

function tellDump(dump: DumpReader, { onTask }: ReadOptions): ReadResult {
  const tasks = dump.end()
  if (onTask === undefined)
    throw new TraceError('it is a dump of tasks, which has no times to replay or draw; expected a trace')
  if (tasks.length === 0)
    throw new TraceError(
      'it has no task with a stack; expected hung-task reports, the output of sysrq-w, or files of /proc/PID/task/TID/stack',
    )
  for (const task of tasks) onTask(task)
  return { format: 'dump of tasks', events: tasks.length, unread: 0, unreadEvents: [], notes: [] }
}

/** Text that was unpacked; `at` is where it lies, `path` what its user calls it. */
async function readSpooled(path: string, at: string, sink: Sink, options: ReadOptions): Promise<ReadResult> {
  try {
    return await readTrace(at, sink, options)
  } catch (error) {
    if (!(error instanceof TraceError)) throw error
    throw new TraceError(error.message.replaceAll(at, path), error.code, error.cause)
  }
}

/** A container whose sections are reached by offset; `at` is where it lies, `path` what its user calls it. */
async function readContainer(
  path: string,
  at: string,
  sink: Sink,
  options: ReadOptions,
): Promise<ReadResult> {
  try {
    const file = openSync(at, 'r')
    const first = Buffer.alloc(16)
    readSync(file, first)
    closeSync(file)
    if (isTraceDat(first)) return readTraceDat(at, sink, options)
    return await readPerfData(at, sink, { ...options, symbols: release => symbolsOf(release, options) })
  } catch (error) {
    if (error instanceof TraceError)
      throw new TraceError(error.message.replaceAll(at, path), error.code, error.cause)
    if (error instanceof RangeError)
      throw new TraceError(
        `${path} is damaged: ${error.message}; expected a whole file, record or copy it anew`,
      )
    throw error
  }
}

/** The running kernel's symbols, for a recording of the same kernel. */
function symbolsOf(osRelease: string, { kallsyms }: ReadOptions): Kallsyms | null {
  if (kallsyms !== undefined) return new Kallsyms(kallsyms)
  if (process.platform !== 'linux' || (osRelease !== '' && osRelease !== release())) return null
  const symbols = new Kallsyms(readFileSync('/proc/kallsyms', 'latin1'))
  return symbols.size === 0 ? null : symbols
}

function assertText(chunk: Buffer): void {
  const sample = chunk.subarray(0, BINARY_SNIFF)
  let zeros = 0
  let odd = 0
  for (const byte of sample) {
    if (byte === 0) zeros++
    if (byte < 0x20 && !TEXT_CONTROLS.includes(byte)) odd++
  }
  if (zeros > 1 && odd > sample.length * BINARY_PART)
    throw new TraceError(
      'it is binary, and no trace.dat or perf.data; expected the text of a kernel trace, or one of these, packed or not',
    )
}

/** A gzipped trace.dat, unpacked into a file of its own: its sections are reached by offset. */
class Spool {
  readonly path: string
  private readonly folder = mkdtempSync(join(tmpdir(), 'faultline-'))
  private readonly file: number

  constructor() {
    this.path = join(this.folder, 'trace.dat')
    this.file = openSync(this.path, 'w')
  }

  write(bytes: Buffer): void {
    writeSync(this.file, bytes)
  }

  remove(): void {
    closeSync(this.file)
    rmSync(this.folder, { recursive: true })
  }
}

/** 0 for a pipe. */
function lookAt(path: string): { readonly size: number; readonly isPipe: boolean } {
  try {
    const stat = statSync(path)
    if (stat.isDirectory()) throw new TraceError(`${path} is a folder; expected a trace file`, 'EISDIR')
    return { size: stat.size, isPipe: stat.isFIFO() }
  } catch (error) {
    throw named(path, error, 0)
  }
}

/** Names the file in an error, and says in a sentence what the system only has a code for. */
function named(path: string, error: unknown, events: number): unknown {
  if (!(error instanceof Error)) return error
  if (error instanceof TraceError)
    return error.message.startsWith(path)
      ? error
      : new TraceError(`${path}: ${error.message}`, error.code, error.cause)
  const code = codeOf(error) ?? ''
  if (code === 'ENOENT') return new TraceError(`${path} does not exist; expected a trace file`, code, error)
  if (code === 'EACCES')
    return new TraceError(
      `${path} may not be read by this user; make it readable or run as its owner`,
      code,
      error,
    )
  if (code.startsWith('Z_') || code.startsWith('ZSTD_') || code === 'ERR_TRAILING_JUNK_AFTER_STREAM_END')
    return new TraceError(
      `${path}: the packed data ends or breaks after ${events} events; expected a whole file, make it anew`,
      'EBADMSG',
      error,
    )
  if (error instanceof SyntaxError)
    return new TraceError(`${path} is damaged: ${error.message}; expected a whole file`, 'EBADMSG', error)
  if ('syscall' in error)
    return new TraceError(`${path} can't be read: ${error.message}; expected a trace file`, code, error)
  return error
}
