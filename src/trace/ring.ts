/**
 * The kernel's ring-buffer pages, as trace_pipe_raw and trace.dat hold them, merged over the CPUs by time.
 *
 *     page    u64 time | long commit: bytes used in the low 30 bits, bit 31 events were lost before it, bit 30 and how many
 *     entry   u32: type_len 5 bits, time_delta 27 bits; the first field lies where the machine has its lowest bits, or highest
 *               1..28   an event of 4 * type_len bytes          0   its length in the next word
 *               29      padding, or the end of the page         30  time += (next word << 27) + delta
 *               31      time = (next word << 27) + delta
 *
 * Invariants
 *   RI1  Records come in order of time over all CPUs, as long as each CPU's pages do.
 *   RI2  Memory is one page for each CPU.
 *   RI3  A page that makes no sense is counted in `unread` and left, and the next is read.
 */
import { LITTLE_64, type Words } from './bytes.ts'
import type { Decoder } from './format.ts'
import { emptyRecord, Kind, type Sink, type TraceRecord } from './record.ts'

const COMMIT = 8
const COMMIT_MASK = 0x3fffffff
const LOST_BIT = 0x80000000
const LOST_COUNT_BIT = 0x40000000
const PADDING = 29
const TIME_EXTEND = 30
const TIME_STAMP = 31
const SHIFT = 2 ** 27

export interface PageSource {
  readonly cpu: number
  /** The next page, or null when there is none now. */
  next(): Buffer | null
}

export interface PagesTold {
  readonly events: number
  readonly unread: number
}

/** Reads all pages of all sources. */
export function readPages(
  sources: readonly PageSource[],
  byId: ReadonlyMap<number, Decoder>,
  commOf: ReadonlyMap<number, string>,
  sink: Sink,
  words: Words = LITTLE_64,
): PagesTold {
  const merge = new Merge(sources, byId, commOf, sink, words)
  merge.until(Number.POSITIVE_INFINITY)
  return merge
}

/** Merges the CPUs up to a time; a live reader calls it again with a later one. */
export class Merge implements PagesTold {
  events = 0
  private readonly cursors: Cursor[]
  private readonly sink: Sink
  private readonly record = emptyRecord()

  constructor(
    sources: readonly PageSource[],
    byId: ReadonlyMap<number, Decoder>,
    commOf: ReadonlyMap<number, string>,
    sink: Sink,
    words: Words = LITTLE_64,
  ) {
    const comms = new Map(commOf)
    const cursorSink: Sink = record => {
      if (record.kind === Kind.switchOut) {
        comms.set(record.tid, record.comm)
        comms.set(record.nextTid, record.nextComm)
      } else record.comm = comms.get(record.tid) ?? ''
      sink(record)
    }
    this.sink = cursorSink
    this.cursors = sources.map(source => new Cursor(source, byId, words))
  }

  get unread(): number {
    return this.cursors.reduce((sum, cursor) => sum + cursor.unread, 0)
  }

  until(limit: number): void {
    for (;;) {
      let first: Cursor | null = null
      let second = Number.POSITIVE_INFINITY
      for (const cursor of this.cursors) {
        if (!cursor.ready()) continue
        if (first === null || cursor.time < first.time) {
          second = Math.min(second, first?.time ?? Number.POSITIVE_INFINITY)
          first = cursor
        } else second = Math.min(second, cursor.time)
      }
      if (first === null || first.time > limit) return
      this.events += first.run(Math.min(second, limit), this.record, this.sink)
    }
  }
}

class Cursor {
  /** Time of the next event, once `ready` has said that there is one. */
  time = 0
  unread = 0
  private readonly source: PageSource
  private readonly byId: ReadonlyMap<number, Decoder>
  private readonly isBig: boolean
  private readonly longBytes: number
  private page: Buffer = Buffer.alloc(0)
  private at = 0
  private end = 0
  private lost = 0
  /** Where the next event's payload is, 0 when it hasn't been looked for. */
  private payload = 0
  private payloadEnd = 0

  constructor(source: PageSource, byId: ReadonlyMap<number, Decoder>, { order, longBytes }: Words) {
    this.source = source
    this.byId = byId
    this.isBig = order === 'big'
    this.longBytes = longBytes
  }

  ready(): boolean {
    while (this.payload === 0) {
      if (this.at < this.end) {
        this.advance()
        continue
      }
      const page = this.source.next()
      if (page === null) return false
      this.open(page)
    }
    return true
  }

  /** Passes on events up to `limit`; at least the first. */
  run(limit: number, record: TraceRecord, sink: Sink): number {
    let events = 0
    do {
      if (this.lost > 0) {
        record.kind = Kind.lost
        record.time = this.time
        record.cpu = this.source.cpu
        record.count = this.lost
        this.lost = 0
        sink(record)
      }
      events++
      this.decode(record, sink)
      this.payload = 0
      while (this.payload === 0 && this.at < this.end) this.advance()
    } while (this.payload !== 0 && this.time <= limit)
    return events
  }

  private decode(record: TraceRecord, sink: Sink): void {
    const page = this.page
    const at = this.payload
    const decoder = this.byId.get(this.isBig ? page.readUInt16BE(at) : page.readUInt16LE(at))
    if (decoder === undefined) return
    record.time = this.time
    record.cpu = this.source.cpu
    record.tid = this.word(page, at + 4) | 0
    decoder(record, page, at, this.payloadEnd)
    sink(record)
  }

  private open(page: Buffer): void {
    this.at = 0
    this.end = 0
    const header = COMMIT + this.longBytes
    if (page.length < header) {
      this.unread++
      return
    }
    const commit = this.word(page, this.isBig ? header - 4 : COMMIT)
    const used = commit & COMMIT_MASK
    if (header + used > page.length) {
      this.unread++
      return
    }
    this.page = page
    this.time = this.double(page, 0)
    this.at = header
    this.end = header + used
    if ((commit & LOST_BIT) === 0) return
    const hasCount = (commit & LOST_COUNT_BIT) !== 0 && this.end + this.longBytes <= page.length
    const count = this.end + (this.isBig ? this.longBytes - 4 : 0)
    this.lost += hasCount ? Math.max(1, this.word(page, count)) : 1
  }

  /** Steps over one entry; leaves its payload in `payload` when it is an event. */
  private advance(): void {
    const page = this.page
    const at = this.at
    if (at + 4 > this.end) {
      this.at = this.end
      return
    }
    const header = this.word(page, at)
    const type = this.isBig ? header >>> 27 : header & 31
    const delta = this.isBig ? header & (SHIFT - 1) : header >>> 5
    if (type === TIME_STAMP || type === TIME_EXTEND || type === 0 || type === PADDING) {
      if (at + 8 > this.end) {
        this.at = this.end
        return
      }
      const word = this.word(page, at + 4)
      if (type === TIME_EXTEND) {
        this.time += word * SHIFT + delta
        this.at = at + 8
      } else if (type === TIME_STAMP) {
        const high = Math.floor(this.time / 2 ** 59) * 2 ** 59
        this.time = high + word * SHIFT + delta
        this.at = at + 8
      } else if (type === PADDING) {
        this.time += delta
        this.at = delta === 0 ? this.end : at + 4 + word
      } else this.event(at + 8, at + 4 + word, delta)
      return
    }
    this.event(at + 4, at + 4 + type * 4, delta)
  }

  private word(page: Buffer, at: number): number {
    return this.isBig ? page.readUInt32BE(at) : page.readUInt32LE(at)
  }

  private double(page: Buffer, at: number): number {
    const [low, high] = this.isBig ? [at + 4, at] : [at, at + 4]
    return this.word(page, low) + this.word(page, high) * 2 ** 32
  }

  private event(payload: number, end: number, delta: number): void {
    this.time += delta
    if (end > this.end || end - payload < 8) {
      this.unread++
      this.at = this.end
      return
    }
    this.payload = payload
    this.payloadEnd = end
    this.at = end
  }
}
