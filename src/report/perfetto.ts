/**
 * A trace file for the Perfetto UI, from timelines: protobuf TrackEvent, written by hand.
 *
 *     timeline / group          a process
 *       row                     a thread: its spans are slices
 *         row (2) …             child tracks, for spans that overlap without nesting
 *       counter                 a counter track
 *     arrow                     a flow: from the slice of the wait to an instant on the holder's thread
 *
 * A flow runs in the order of time, and the holder's slice is older than the wait; so the arrow ends at an instant that
 * stands on the holder's thread at the arrow's time.
 *
 * Invariants
 *   PX1  Slices of one track strictly nest; a span that would cross another goes to a child track.
 *   PX2  The first packet clears the incremental state; a name is written out once and numbered from then on.
 *   PX3  At one time and on one track an end comes before a begin, because readers sort by time and keep the order of ties.
 *   PX4  No number is used twice: not a track's, not a process's or thread's, not a flow's.
 *
 * Units    nanoseconds. Chunks are whole packets; a chunk is about CHUNK_BYTES long.
 */
import { type Counter, checkTimeline, type Span, type Timeline } from './model.ts'
import { Wire } from './protobuf.ts'

const CHUNK_BYTES = 256 * 1024

const TRACE = { packet: 1 }
const PACKET = { time: 8, sequence: 10, event: 11, interned: 12, flags: 13, track: 60 }
const TRACK = { uuid: 1, name: 2, process: 3, thread: 4, parent: 5, counter: 8, childOrder: 11, rank: 12 }
const PROCESS = { pid: 1, name: 6 }
const THREAD = { pid: 1, tid: 2, name: 5 }
const COUNTER = { unitName: 6 }
const EVENT = {
  categories: 3,
  notes: 4,
  type: 9,
  name: 10,
  track: 11,
  value: 44,
  flows: 47,
  flowsEnding: 48,
}
const INTERNED = { categories: 1, names: 2, noteNames: 3 }
const ENTRY = { number: 1, name: 2 }
const NOTE = { name: 1, text: 6 }
const BEGIN = 1
const END = 2
const INSTANT = 3
const SAMPLE = 4
const ORDER_EXPLICIT = 3
const STATE_CLEARED = 1
const STATE_NEEDED = 2
const SEQUENCE = 1

/** The trace of `timelines`, in chunks to be written one after another. */
export function* perfettoTrace(timelines: readonly Timeline[]): Generator<Uint8Array> {
  const trace = new TraceWriter()
  for (const timeline of timelines) {
    checkTimeline(timeline)
    yield* new TimelineTracks(trace, timeline).chunks()
  }
  yield trace.take()
}

/** An arrow's number, and whether the slice it comes from has carried it. */
interface Flow {
  readonly time: number
  readonly number: number
  told: boolean
}

/** The tracks of one timeline: declares them, then tells what happened on each. */
class TimelineTracks {
  private readonly trace: TraceWriter
  private readonly timeline: Timeline
  private readonly processes = new Map<string, { uuid: number; pid: number }>()
  private readonly threads: readonly number[]

  constructor(trace: TraceWriter, timeline: Timeline) {
    this.trace = trace
    this.timeline = timeline
    this.threads = timeline.rows.map((row, place) => {
      const uuid = trace.fresh()
      const process = this.processOf(row.group)
      trace.track(uuid, row.name, track => {
        const thread = new Wire().varint(THREAD.pid, process.pid).varint(THREAD.tid, trace.fresh())
        track.varint(TRACK.parent, process.uuid).message(TRACK.thread, thread.text(THREAD.name, row.name))
        track.varint(TRACK.rank, place).varint(TRACK.childOrder, ORDER_EXPLICIT)
      })
      return uuid
    })
  }

  *chunks(): Generator<Uint8Array> {
    const { rows, spans, arrows = [], markers = [], counters = [] } = this.timeline
    const flows: Flow[] = arrows.map(({ time }) => ({ time, number: this.trace.fresh(), told: false }))
    const flowsFrom: Flow[][] = rows.map(() => [])
    for (const [place, arrow] of arrows.entries()) flowsFrom[arrow.fromRow]!.push(flows[place]!)
    for (const row of flowsFrom) row.sort((a, b) => a.time - b.time)
    const byRow: Span[][] = rows.map(() => [])
    for (const span of spans) byRow[span.row]!.push(span)
    for (const [row, own] of byRow.entries()) {
      for (const [depth, track] of nestedTracks(own).entries()) {
        const uuid = depth === 0 ? this.threads[row]! : this.childTrack(row, depth)
        for (const event of eventsOf(track)) {
          if (event.begins) this.trace.begin(uuid, event.span, tellFlows(flowsFrom[row]!, event.span))
          else this.trace.end(uuid, event.span.end)
          if (this.trace.isFull()) yield this.trace.take()
        }
      }
    }
    for (const [place, arrow] of arrows.entries()) {
      const { number, told } = flows[place]!
      if (!told) this.trace.instant(this.threads[arrow.fromRow]!, arrow.time, arrow.label, { flow: number })
      this.trace.instant(this.threads[arrow.toRow]!, arrow.time, arrow.label, { flowEnding: number })
      if (this.trace.isFull()) yield this.trace.take()
    }
    if (markers.length > 0) {
      const uuid = this.trace.fresh()
      this.trace.track(uuid, `${this.timeline.title}: marks`, () => {})
      for (const { time, label } of markers) this.trace.instant(uuid, time, label, {})
    }
    for (const counter of counters) yield* this.counterChunks(counter)
  }

  private *counterChunks(counter: Counter): Generator<Uint8Array> {
    const uuid = this.trace.fresh()
    const process = this.processOf('')
    this.trace.track(uuid, counter.name, track =>
      track
        .varint(TRACK.parent, process.uuid)
        .message(TRACK.counter, new Wire().text(COUNTER.unitName, counter.unit)),
    )
    for (const { time, value } of counter.points) {
      this.trace.sample(uuid, time, value)
      if (this.trace.isFull()) yield this.trace.take()
    }
  }

  private processOf(group: string): { uuid: number; pid: number } {
    const known = this.processes.get(group)
    if (known !== undefined) return known
    const process = { uuid: this.trace.fresh(), pid: this.trace.fresh() }
    const name = group === '' ? this.timeline.title : `${this.timeline.title} / ${group}`
    this.processes.set(group, process)
    this.trace.track(process.uuid, name, track =>
      track.message(TRACK.process, new Wire().varint(PROCESS.pid, process.pid).text(PROCESS.name, name)),
    )
    return process
  }

  private childTrack(row: number, depth: number): number {
    const uuid = this.trace.fresh()
    this.trace.track(uuid, `${this.timeline.rows[row]!.name} (${depth + 1})`, track =>
      track.varint(TRACK.parent, this.threads[row]!).varint(TRACK.rank, depth),
    )
    return uuid
  }
}

/** Packets, their numbers and their interned names, gathered until a chunk is full. */
class TraceWriter {
  private readonly out = new Wire()
  private readonly packet = new Wire()
  private readonly inner = new Wire()
  private readonly interned = new Wire()
  private readonly numbers = new Map<string, number>()
  private next = 1
  private isFirst = true

  fresh(): number {
    return this.next++
  }

  isFull(): boolean {
    return this.out.length >= CHUNK_BYTES
  }

  take(): Uint8Array {
    const bytes = this.out.bytes()
    this.out.clear()
    return bytes
  }

  track(uuid: number, name: string, more: (track: Wire) => void): void {
    const track = this.inner.clear().varint(TRACK.uuid, uuid).text(TRACK.name, name)
    more(track)
    this.packet.clear().message(PACKET.track, track)
    this.send()
  }

  begin(uuid: number, span: Span, flows: readonly number[]): void {
    const event = this.event(uuid, BEGIN, span.label)
    event.varint(EVENT.categories, this.number(INTERNED.categories, span.kind))
    if (span.lock !== undefined) {
      const note = new Wire().varint(NOTE.name, this.number(INTERNED.noteNames, 'lock'))
      event.message(EVENT.notes, note.text(NOTE.text, span.lock))
    }
    for (const flow of flows) event.fixed64(EVENT.flows, flow)
    this.sendEvent(span.start)
  }

  end(uuid: number, time: number): void {
    this.event(uuid, END)
    this.sendEvent(time)
  }

  instant(uuid: number, time: number, label: string, ends: { flow?: number; flowEnding?: number }): void {
    const event = this.event(uuid, INSTANT, label)
    if (ends.flow !== undefined) event.fixed64(EVENT.flows, ends.flow)
    if (ends.flowEnding !== undefined) event.fixed64(EVENT.flowsEnding, ends.flowEnding)
    this.sendEvent(time)
  }

  sample(uuid: number, time: number, value: number): void {
    this.event(uuid, SAMPLE).double(EVENT.value, value)
    this.sendEvent(time)
  }

  private event(uuid: number, type: number, name?: string): Wire {
    this.interned.clear()
    this.inner.clear().varint(EVENT.type, type).varint(EVENT.track, uuid)
    if (name !== undefined) this.inner.varint(EVENT.name, this.number(INTERNED.names, name))
    return this.inner
  }

  private sendEvent(time: number): void {
    this.packet.clear().varint(PACKET.time, Math.round(time)).message(PACKET.event, this.inner)
    if (this.interned.length > 0) this.packet.message(PACKET.interned, this.interned)
    this.send()
  }

  private send(): void {
    this.packet.varint(PACKET.sequence, SEQUENCE)
    this.packet.varint(PACKET.flags, this.isFirst ? STATE_CLEARED | STATE_NEEDED : STATE_NEEDED)
    this.isFirst = false
    this.out.message(TRACE.packet, this.packet)
  }

  /** The number of `name` in one table of names; tells the reader when it is new. */
  private number(table: number, name: string): number {
    const key = `${table} ${name}`
    const known = this.numbers.get(key)
    if (known !== undefined) return known
    const number = this.numbers.size + 1
    this.numbers.set(key, number)
    this.interned.message(table, new Wire().varint(ENTRY.number, number).text(ENTRY.name, name))
    return number
  }
}

/** The flows that begin in this wait: the arrows drawn from its row during it, which no other wait has told of. */
function tellFlows(flows: readonly Flow[], span: Span): number[] {
  if (span.kind !== 'waiting') return []
  let low = 0
  for (let high = flows.length; low < high; ) {
    const middle = (low + high) >>> 1
    if (flows[middle]!.time < span.start) low = middle + 1
    else high = middle
  }
  const numbers: number[] = []
  for (let at = low; at < flows.length && flows[at]!.time <= span.end; at++) {
    const flow = flows[at]!
    if (!flow.told) numbers.push(flow.number)
    flow.told = true
  }
  return numbers
}

/** Shares out one row's spans: in each part, of any two spans one holds the other or they don't overlap. */
function nestedTracks(spans: readonly Span[]): Span[][] {
  const tracks: { spans: Span[]; open: Span[] }[] = []
  for (const span of [...spans].sort((a, b) => a.start - b.start || b.end - a.end)) {
    let track = tracks.find(({ open }) => {
      while (open.length > 0 && open[open.length - 1]!.end <= span.start) open.pop()
      return open.length === 0 || span.end <= open[open.length - 1]!.end
    })
    if (track === undefined) {
      track = { spans: [], open: [] }
      tracks.push(track)
    }
    track.spans.push(span)
    track.open.push(span)
  }
  return tracks.map(track => track.spans)
}

/** Begins and ends of spans that nest, in the order of PX3. */
function* eventsOf(spans: readonly Span[]): Generator<{ begins: boolean; span: Span }> {
  const open: Span[] = []
  for (const span of spans) {
    while (open.length > 0 && open[open.length - 1]!.end <= span.start)
      yield { begins: false, span: open.pop()! }
    yield { begins: true, span }
    open.push(span)
  }
  while (open.length > 0) yield { begins: false, span: open.pop()! }
}
