/**
 * Reads perf.data, the file of perf record: tracepoints with their callchains, in both orders of bytes, compressed or not,
 * written to a file or to a pipe.
 *
 *     file   PERFILE2 | attr: which event, which fields a sample has | data: events | features: formats, kernel, ...
 *     pipe   PERFILE2 | events, of which the first say what the sections of a file do
 *     event  u32 type, u16 misc, u16 size | SAMPLE: the fields of sample_type, in the order of its bits
 *                                         | COMM, FORK, LOST, FINISHED_ROUND ...
 *     compressed   the payloads of COMPRESSED events are one zstd stream of events
 *
 * Buffers of CPUs are written one after the other, in rounds; what is older than the last round's latest can't be preceded by
 * anything to come, and is passed on, in order of time.
 *
 * Invariants
 *   PD1 Records come in order of time, up to ROUND_EVENTS_MAX events in a round.
 *   PD2 Memory is two rounds.
 */
import { closeSync, openSync } from 'node:fs'
import { type ByteOrder, type Bytes, bytesOf, FileBytes, ftraceFormats, systemFormats } from './bytes.ts'
import { type Decoder, decoders, readFormat } from './format.ts'
import { Kallsyms } from './kallsyms.ts'
import type { ReadOptions, ReadResult } from './reading.ts'
import { emptyRecord, Kind, type Sink, TraceError } from './record.ts'
import { ZstdStream } from './unpackers.ts'

const MAGIC: Readonly<Record<ByteOrder, string>> = { little: 'PERFILE2', big: '2ELIFREP' }
const PIPE_HEADER = 16
const TRACEPOINT = 2
const WINDOW_BYTES = 1 << 20
const ROUND_EVENTS_MAX = 1 << 20
const FRAMES_MAX = 128
const FEATURES_AT = 72
const FEATURE_BYTES = 32

const Type = {
  mmap: 1,
  lost: 2,
  comm: 3,
  fork: 7,
  sample: 9,
  lostSamples: 13,
  headerAttr: 64,
  headerTracingData: 66,
  finishedRound: 68,
  auxtrace: 71,
  headerFeature: 80,
  compressed: 81,
  compressed2: 83,
} as const
const Feature = { tracingData: 1, osRelease: 4 } as const
/** Bits of sample_type, in the order of the fields in a sample; those behind the raw data aren't needed. */
const Sample = {
  ip: 1 << 0,
  tid: 1 << 1,
  time: 1 << 2,
  addr: 1 << 3,
  read: 1 << 4,
  callchain: 1 << 5,
  id: 1 << 6,
  cpu: 1 << 7,
  period: 1 << 8,
  streamId: 1 << 9,
  raw: 1 << 10,
  identifier: 1 << 16,
} as const
/** Addresses above this are marks in a callchain: what follows is the kernel's, or the user's. */
const CONTEXT_HIGH = 0xffffffff
const CONTEXT_LOW = 0xfffff000
const CONTEXT_KERNEL = 0xffffff80

export const isPerfData = (first: Buffer): boolean => {
  const magic = first.toString('latin1', 0, 8)
  return magic === MAGIC.little || magic === MAGIC.big
}

interface Attr {
  readonly type: number
  /** Of a tracepoint: the id of its format. */
  readonly config: number
  readonly sampleType: number
  readonly readFormat: number
  readonly ids: readonly string[]
}

/** An event that waits for its round to end. */
interface Pending {
  readonly time: number
  readonly type: number
  readonly body: Buffer
}

export interface PerfOptions extends ReadOptions {
  /** The names of the recorded kernel's functions, told its release; null if they can't be had. */
  readonly symbols: (osRelease: string) => Kallsyms | null
}

/** Reads a whole file. */
export async function readPerfData(path: string, sink: Sink, options: PerfOptions): Promise<ReadResult> {
  const file = openSync(path, 'r')
  try {
    return await new PerfReader(new FileBytes(file, path), sink, options).read()
  } finally {
    closeSync(file)
  }
}

class PerfReader {
  private readonly bytes: FileBytes
  private readonly sink: Sink
  private readonly options: PerfOptions
  private readonly order: ByteOrder
  private readonly record = emptyRecord()
  private readonly attrs: Attr[] = []
  private readonly attrOf = new Map<string, Attr>()
  private readonly commOf = new Map<number, string>()
  private readonly unpacker = new ZstdStream()
  private carried = Buffer.alloc(0)
  private formats: string[] = []
  private osRelease = ''
  private decoders: Map<number, Decoder> | null = null
  private kallsyms: Kallsyms | null = null
  /** What the kernel's addresses were moved by since, as KASLR moves them at each boot. */
  private moved = 0n
  private text: { readonly name: string; readonly address: bigint } | null = null
  private pending: Pending[] = []
  private latest = 0
  private lastRound = 0
  private events = 0
  private unread = 0

  constructor(bytes: FileBytes, sink: Sink, options: PerfOptions) {
    this.bytes = bytes
    this.sink = sink
    this.options = options
    this.order = bytes.string(8) === MAGIC.little ? 'little' : 'big'
    bytes.order = this.order
  }

  async read(): Promise<ReadResult> {
    const bytes = this.bytes
    const headerSize = bytes.u64()
    if (headerSize === PIPE_HEADER) await this.data(PIPE_HEADER, bytes.size)
    else {
      const attrSize = bytes.u64()
      const attrs = { offset: bytes.u64(), size: bytes.u64() }
      const data = { offset: bytes.u64(), size: bytes.u64() }
      for (let at = attrs.offset; at < attrs.offset + attrs.size; at += attrSize)
        this.attrSection(at, attrSize)
      this.features(data.offset + data.size)
      const whole = Math.min(data.size === 0 ? bytes.size : data.offset + data.size, bytes.size)
      await this.data(data.offset, whole)
    }
    this.unpacker.end()
    this.flush(Number.POSITIVE_INFINITY)
    if (this.attrs.every(attr => attr.type !== TRACEPOINT))
      throw new TraceError(
        `${bytes.path} has samples of a profile and no tracepoints; expected a recording of events, such as perf record -a -g -e 'mmap_lock:*' -e sched:sched_switch -e sched:sched_waking`,
      )
    const named = this.kallsyms !== null || this.decoders === null
    return {
      format: 'perf.data',
      events: this.events,
      unread: this.unread,
      unreadEvents: [],
      notes: named
        ? []
        : [
            `its kernel${this.osRelease === '' ? '' : `, ${this.osRelease},`} is not the one that runs here, so functions in stacks have no names; give its /proc/kallsyms by --kallsyms`,
          ],
    }
  }

  private attrSection(at: number, attrSize: number): void {
    const bytes = this.bytes
    bytes.at = at
    const attr = bytesOf(bytes.slice(attrSize - 16), { path: bytes.path, order: this.order })
    const ids = { offset: bytes.u64(), size: bytes.u64() }
    bytes.at = ids.offset
    this.addAttr(attr, bytes.slice(ids.size))
  }

  private addAttr(attr: Bytes, ids: Buffer): void {
    const type = attr.u32()
    attr.u32()
    const config = attr.u64()
    attr.u64()
    const sampleType = Number(attr.u64() % 2 ** 32)
    const readFormat = attr.u64()
    const names = Array.from({ length: Math.floor(ids.length / 8) }, (_, at) =>
      ids.toString('hex', at * 8, at * 8 + 8),
    )
    const found: Attr = { type, config, sampleType, readFormat, ids: names }
    this.attrs.push(found)
    for (const id of names) this.attrOf.set(id, found)
    if ((sampleType & Sample.time) === 0)
      throw new TraceError(`${this.bytes.path} has samples without times; expected perf record with -T`)
  }

  private features(table: number): void {
    const bytes = this.bytes
    bytes.at = FEATURES_AT
    const bits = bytes.slice(FEATURE_BYTES)
    let at = table
    for (let bit = 0; bit < FEATURE_BYTES * 8; bit++) {
      // A bitmap of words of 64 bits, each in the file's order.
      const byte = Math.floor(bit / 8)
      const place = this.order === 'little' ? byte : (byte & ~7) + 7 - (byte & 7)
      if ((bits[place]! & (1 << (bit & 7))) === 0) continue
      bytes.at = at
      const section = { offset: bytes.u64(), size: bytes.u64() }
      at += 16
      bytes.at = section.offset
      if (bit === Feature.tracingData) this.tracingData(bytes)
      else if (bit === Feature.osRelease) this.osRelease = text(bytes.string(bytes.u32()))
    }
  }

  /** The formats of events, in the layout of trace.dat's beginning. */
  private tracingData(bytes: Bytes): void {
    bytes.skip(10)
    bytes.text()
    bytes.skip(2)
    bytes.u32()
    for (let header = 0; header < 2; header++) {
      bytes.text()
      bytes.skip(bytes.u64())
    }
    this.formats = [...ftraceFormats(bytes), ...systemFormats(bytes)]
    this.decoders = null
  }

  private async data(start: number, end: number): Promise<void> {
    const bytes = this.bytes
    let at = start
    let steps = 0
    while (at + 8 <= end) {
      if (steps++ % 64 === 0) {
        this.options.signal?.throwIfAborted()
        this.options.onProgress?.(at, bytes.size)
      }
      bytes.at = at
      const window = bytes.slice(Math.min(WINDOW_BYTES, end - at))
      const used = await this.eventsIn(window, at)
      if (used === 0) {
        // The last event was cut.
        this.unread++
        return
      }
      at += used
    }
  }

  /** Takes the whole events of a piece of the file that begins at `offset`; how many bytes they were, with what lies behind them. */
  private async eventsIn(bytes: Buffer, offset: number): Promise<number> {
    let at = 0
    while (at + 8 <= bytes.length) {
      const size = this.u16(bytes, at + 6)
      if (size < 8) {
        this.unread++
        return bytes.length
      }
      if (at + size > bytes.length) break
      const type = this.u32(bytes, at)
      const body = bytes.subarray(at + 8, at + size)
      at += size
      if (type === Type.compressed || type === Type.compressed2)
        await this.unpack(type === Type.compressed ? body : body.subarray(8))
      else if (type === Type.headerTracingData) {
        this.bytes.at = offset + at
        const following = Math.ceil(this.u32(body, 0) / 8) * 8
        this.tracingData(this.bytes)
        return at + following
      } else if (type === Type.auxtrace) return at + this.u64(body, 0)
      else this.event(type, body)
    }
    return at
  }

  /** Events within compressed ones; the last may be cut, and goes on in the next. */
  private async unpack(packed: Buffer): Promise<void> {
    const bytes = Buffer.concat([this.carried, ...(await this.unpacker.unpack(packed))])
    let at = 0
    while (at + 8 <= bytes.length) {
      const size = this.u16(bytes, at + 6)
      if (size < 8 || at + size > bytes.length) break
      this.event(this.u32(bytes, at), bytes.subarray(at + 8, at + size))
      at += size
    }
    this.carried = Buffer.from(bytes.subarray(at))
  }

  private event(type: number, body: Buffer): void {
    switch (type) {
      case Type.sample:
      case Type.lost:
      case Type.lostSamples:
      case Type.comm:
      case Type.fork:
        this.wait(type, body)
        return
      case Type.mmap:
        this.mapped(body)
        return
      case Type.headerAttr:
        this.attrEvent(body)
        return
      case Type.headerFeature:
        if (this.u64(body, 0) === Feature.osRelease) this.osRelease = text(body.toString('latin1', 12))
        return
      case Type.finishedRound:
        this.flush(this.lastRound)
        this.lastRound = this.latest
        return
      default:
        return
    }
  }

  /** A pipe's event that says what a file's attr section does. */
  private attrEvent(body: Buffer): void {
    const size = this.u32(body, 4)
    const attr = bytesOf(body.subarray(0, size), { path: this.bytes.path, order: this.order })
    this.addAttr(attr, body.subarray(size))
  }

  /** Where the kernel's text lay when this was recorded, against a symbol of it. */
  private mapped(body: Buffer): void {
    const name = text(body.toString('latin1', 32))
    const symbol = /^\[kernel\.kallsyms\](_s?text)$/.exec(name)?.[1]
    if (symbol !== undefined && this.text === null) this.text = { name: symbol, address: this.big(body, 24) }
  }

  private wait(type: number, body: Buffer): void {
    const time = type === Type.sample ? this.sampleTime(body) : this.trailingTime(body)
    if (time > this.latest) this.latest = time
    this.pending.push({ time, type, body: Buffer.from(body) })
    if (this.pending.length >= 2 * ROUND_EVENTS_MAX) this.flush(this.latest - 1e9)
  }

  private flush(until: number): void {
    if (this.pending.length === 0) return
    const due = this.pending.filter(each => each.time <= until)
    this.pending = this.pending.filter(each => each.time > until)
    due.sort((a, b) => a.time - b.time)
    for (const { time, type, body } of due) {
      if (type === Type.sample) this.sample(body)
      else if (type === Type.comm) this.commOf.set(this.u32(body, 4), text(body.toString('utf8', 8)))
      else if (type === Type.fork) {
        const comm = this.commOf.get(this.u32(body, 12))
        if (comm !== undefined) this.commOf.set(this.u32(body, 8), comm)
      } else {
        const record = this.record
        record.kind = Kind.lost
        record.time = time
        record.cpu = -1
        record.count = this.u64(body, type === Type.lost ? 8 : 0)
        this.sink(record)
      }
    }
  }

  private attrFor(body: Buffer): Attr | undefined {
    const [only] = this.attrs
    if (this.attrs.length === 1 || only === undefined) return only
    if ((only.sampleType & Sample.identifier) !== 0) return this.attrOf.get(body.toString('hex', 0, 8))
    const { id } = offsetsOf(only.sampleType)
    return id === -1 ? only : this.attrOf.get(body.toString('hex', id, id + 8))
  }

  private sampleTime(body: Buffer): number {
    const attr = this.attrFor(body)
    return attr === undefined ? this.latest : this.u64(body, offsetsOf(attr.sampleType).time)
  }

  /** What isn't a sample ends with who, when and where, if the recorder asked for that, as perf does. */
  private trailingTime(body: Buffer): number {
    const sampleType = this.attrs[0]?.sampleType ?? 0
    let back = 8
    for (const bit of [Sample.id, Sample.streamId, Sample.cpu, Sample.identifier])
      if ((sampleType & bit) !== 0) back += 8
    return body.length < back ? 0 : this.u64(body, body.length - back)
  }

  private sample(body: Buffer): void {
    const attr = this.attrFor(body)
    if (attr === undefined || attr.type !== TRACEPOINT) return
    this.events++
    const { sampleType } = attr
    const { time, tid, cpu, after } = offsetsOf(sampleType)
    const decoder = this.decoderOf(attr.config)
    if (decoder === undefined) return
    let at = after
    if ((sampleType & Sample.read) !== 0) at += this.readBytes(body, at, attr.readFormat)
    let frames: string[] = []
    if ((sampleType & Sample.callchain) !== 0) {
      const count = this.u64(body, at)
      if (at + 8 + count * 8 > body.length) {
        this.unread++
        return
      }
      frames = this.framesOf(body, at + 8, count)
      at += 8 + count * 8
    }
    if ((sampleType & Sample.raw) === 0) return
    const size = this.u32(body, at)
    const start = at + 4
    if (start + size > body.length) {
      this.unread++
      return
    }
    const record = this.record
    record.time = this.u64(body, time)
    record.tid = tid === -1 ? 0 : this.u32(body, tid + 4)
    record.cpu = cpu === -1 ? -1 : this.u32(body, cpu)
    record.comm = this.commOf.get(record.tid) ?? ''
    decoder(record, body, start, start + size)
    if (record.kind === Kind.switchOut) {
      this.commOf.set(record.tid, record.comm)
      this.commOf.set(record.nextTid, record.nextComm)
    }
    this.sink(record)
    if (frames.length === 0) return
    record.kind = Kind.stack
    record.frames = frames
    this.sink(record)
  }

  private decoderOf(id: number): Decoder | undefined {
    if (this.decoders === null) {
      this.kallsyms = this.options.symbols(this.osRelease)
      const now = this.text === null ? undefined : this.kallsyms?.addressOf(this.text.name)
      if (now !== undefined) this.moved = now - this.text!.address
      const symbols = this.kallsyms ?? new Kallsyms('')
      this.decoders = decoders(this.formats.map(readFormat), symbols, {
        order: this.order,
        longBytes: 8,
      })
    }
    return this.decoders.get(id)
  }

  private framesOf(body: Buffer, start: number, count: number): string[] {
    const kallsyms = this.kallsyms
    if (kallsyms === null) return []
    const frames: string[] = []
    let isKernel = true
    for (let at = start; at < start + count * 8 && frames.length < FRAMES_MAX; at += 8) {
      const address = this.big(body, at)
      const high = Number(address >> 32n)
      const low = Number(address & 0xffffffffn)
      if (high === CONTEXT_HIGH && low >= CONTEXT_LOW) isKernel = low === CONTEXT_KERNEL
      else if (isKernel) {
        const now = BigInt.asUintN(64, address + this.moved)
        frames.push(kallsyms.nameOf(Number(now >> 32n), Number(now & 0xffffffffn)))
      }
    }
    return frames
  }

  /** How long the values of counters are that a sample may carry. */
  private readBytes(body: Buffer, at: number, format: number): number {
    const [enabled, running, id, group, lost] = [1, 2, 4, 8, 16].map(bit => (format & bit) !== 0)
    const times = (enabled ? 8 : 0) + (running ? 8 : 0)
    const each = 8 + (id ? 8 : 0) + (lost ? 8 : 0)
    return group ? 8 + times + this.u64(body, at) * each : times + each
  }

  private u16(bytes: Buffer, at: number): number {
    return this.order === 'little' ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at)
  }

  private u32(bytes: Buffer, at: number): number {
    return this.order === 'little' ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)
  }

  private big(bytes: Buffer, at: number): bigint {
    return this.order === 'little' ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at)
  }

  private u64(bytes: Buffer, at: number): number {
    return Number(this.big(bytes, at))
  }
}

/** Where the fields of a sample lie, -1 for those it doesn't have; `after` is where those of variable length begin. */
function offsetsOf(sampleType: number): {
  readonly tid: number
  readonly time: number
  readonly id: number
  readonly cpu: number
  readonly after: number
} {
  let at = 0
  const place = (bit: number): number => {
    if ((sampleType & bit) === 0) return -1
    at += 8
    return at - 8
  }
  place(Sample.identifier)
  place(Sample.ip)
  const tid = place(Sample.tid)
  const time = place(Sample.time)
  place(Sample.addr)
  const id = place(Sample.id)
  place(Sample.streamId)
  const cpu = place(Sample.cpu)
  place(Sample.period)
  return { tid, time, id, cpu, after: at }
}

/** Up to the zero that ends it. */
const text = (padded: string): string => {
  const end = padded.indexOf('\0')
  return end === -1 ? padded : padded.slice(0, end)
}
