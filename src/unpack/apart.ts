/**
 * Traces whose parts lie one behind the other, each from its own beginning, as `cat per_cpu/cpu*\/trace` gives them: read side
 * by side, in order of time.
 *
 *     | cpu 0, 1 s to 9 s | cpu 1, 2 s to 9 s | ...     one reader for each part, and the earliest record of all is next
 *
 * A file is looked at twice only if its beginning and its end have each CPU's events together.
 *
 * Invariants
 *   SB1  Memory is PIECE_BYTES of text for each part; a file of more than PARTS_MAX is refused.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import {
  emptyRecord,
  Kind,
  type ReadOptions,
  type ReadResult,
  type Sink,
  TextReader,
  TraceError,
  type TraceRecord,
} from '../trace/index.ts'

const SAMPLE_BYTES = 64 * 1024
const PIECE_BYTES = 64 * 1024
const PARTS_MAX = 512
const CPU = /\[(\d{3,})\] [^\n]{0,16}?\d+(?:\.\d{6})?: /g
/** They have the time of the event before them. */
const TIMELESS: ReadonlySet<Kind> = new Set([Kind.stack, Kind.lost, Kind.wrapped])

interface Part {
  readonly start: number
  readonly end: number
}

/** Whether no CPU's events stand between another's. */
export function mayBeApart(text: Buffer): boolean {
  const cpus = cpusOf(text.subarray(0, SAMPLE_BYTES))
  return cpus.length > 1 && areTogether(cpus)
}

/** The parts of a file that lie one behind the other; one for a trace in order. */
export function partsOf(path: string, size: number, options: ReadOptions): Part[] {
  const file = openSync(path, 'r')
  try {
    const piece = Buffer.allocUnsafe(PIECE_BYTES)
    const read = (at: number) => piece.subarray(0, readSync(file, piece, 0, PIECE_BYTES, at))
    const cpus = [...cpusOf(read(0)), ...(size > PIECE_BYTES ? cpusOf(read(size - PIECE_BYTES)) : [])]
    const starts = [0]
    if (new Set(cpus).size > 1 && areTogether(cpus)) {
      const reader = new TextReader(() => {}, {
        clockHz: options.clockHz ?? null,
        onBack: at => {
          starts.push(at)
          if (starts.length > PARTS_MAX)
            throw new TraceError(
              `its times go back more than ${PARTS_MAX} times; expected events in order of time, or the files of several CPUs one behind the other`,
            )
        },
      })
      for (let at = 0; at < size; at += PIECE_BYTES) {
        options.signal?.throwIfAborted()
        reader.push(Buffer.from(read(at)))
      }
      reader.end()
    }
    return starts.map((start, at) => ({ start, end: starts[at + 1] ?? size }))
  } finally {
    closeSync(file)
  }
}

/** Reads parts side by side. */
export function readApart(
  path: string,
  parts: readonly Part[],
  sink: Sink,
  options: ReadOptions,
): ReadResult {
  const file = openSync(path, 'r')
  const total = parts.at(-1)!.end
  let bytes = 0
  const onRead = (read: number) => {
    options.signal?.throwIfAborted()
    bytes += read
    options.onProgress?.(bytes, total)
  }
  try {
    const cursors = parts.map(part => new Cursor(file, part, { ...options, onRead }))
    for (;;) {
      let first: Cursor | null = null
      let second = Number.POSITIVE_INFINITY
      for (const cursor of cursors) {
        const time = cursor.time()
        if (time < (first?.time() ?? Number.POSITIVE_INFINITY)) {
          second = first?.time() ?? second
          first = cursor
        } else second = Math.min(second, time)
      }
      if (first === null) break
      while (first.time() <= second && first.time() !== Number.POSITIVE_INFINITY) sink(first.next())
    }
    return told(cursors.map(cursor => cursor.reader))
  } finally {
    closeSync(file)
  }
}

class Cursor {
  readonly reader: TextReader
  private readonly file: number
  private readonly end: number
  private readonly onRead: (bytes: number) => void
  private readonly piece = Buffer.allocUnsafe(PIECE_BYTES)
  private at: number
  private isRead = false
  private records: TraceRecord[] = []
  private taken = 0
  private latest = 0

  constructor(
    file: number,
    { start, end }: Part,
    options: ReadOptions & { readonly onRead: (bytes: number) => void },
  ) {
    this.file = file
    this.at = start
    this.end = end
    this.onRead = options.onRead
    this.reader = new TextReader(record => this.take(record), {
      clockHz: options.clockHz ?? null,
      ...(options.onTask === undefined ? {} : { onTask: options.onTask }),
    })
  }

  /** Of the next record; infinite behind the last. */
  time(): number {
    while (this.taken === this.records.length && !this.isRead) this.fill()
    return this.records[this.taken]?.time ?? Number.POSITIVE_INFINITY
  }

  next(): TraceRecord {
    return this.records[this.taken++]!
  }

  private fill(): void {
    this.records = []
    this.taken = 0
    const length = Math.min(PIECE_BYTES, this.end - this.at)
    const read = length === 0 ? 0 : readSync(this.file, this.piece, 0, length, this.at)
    this.at += read
    this.onRead(read)
    if (read > 0) this.reader.push(this.piece.subarray(0, read))
    else {
      this.isRead = true
      this.reader.end()
    }
  }

  private take(record: TraceRecord): void {
    if (!TIMELESS.has(record.kind)) this.latest = record.time
    this.records.push({ ...emptyRecord(), ...record, time: this.latest })
  }
}

function told(readers: readonly TextReader[]): ReadResult {
  const unread = new Map<string, { lines: number; unread: number }>()
  for (const { event, lines, unread: missed } of readers.flatMap(reader => reader.unreadEvents)) {
    const row = unread.get(event) ?? { lines: 0, unread: 0 }
    unread.set(event, { lines: row.lines + lines, unread: row.unread + missed })
  }
  return {
    format: 'text',
    events: readers.reduce((sum, reader) => sum + reader.events, 0),
    unread: readers.reduce((sum, reader) => sum + reader.unread, 0),
    unreadEvents: [...unread].map(([event, row]) => ({ event, ...row })),
    notes: [
      ...new Set(readers.flatMap(reader => reader.notes)),
      `its ${readers.length} parts, one behind the other, read side by side in order of time`,
    ],
  }
}

const cpusOf = (text: Buffer): string[] => [...text.toString('latin1').matchAll(CPU)].map(found => found[1]!)

function areTogether(cpus: readonly string[]): boolean {
  const changes = cpus.filter((cpu, at) => at > 0 && cpu !== cpus[at - 1]).length
  return changes === new Set(cpus).size - 1
}
