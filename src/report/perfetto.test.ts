/** The trace file, read back by a decoder of its own: slices nest, names and flows resolve, numbers are kept. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Span, Timeline } from './model.ts'
import { perfettoTrace } from './perfetto.ts'
import { inversion } from './sample.suite.ts'

type Fields = Map<number, (number | Uint8Array)[]>

function decode(bytes: Uint8Array): Fields {
  const fields: Fields = new Map()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const varint = () => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    let value: number | Uint8Array
    if (tag % 8 === 0) value = varint()
    else if (tag % 8 === 1) {
      value = tag >> 3 === 44 ? view.getFloat64(at, true) : Number(view.getBigUint64(at, true))
      at += 8
    } else {
      assert.equal(tag % 8, 2, `wire type of tag ${tag}`)
      const length = varint()
      value = bytes.subarray(at, at + length)
      at += length
    }
    const known = fields.get(tag >> 3)
    if (known === undefined) fields.set(tag >> 3, [value])
    else known.push(value)
  }
  assert.equal(at, bytes.length)
  return fields
}

const number = (fields: Fields, field: number) => fields.get(field)?.[0] as number | undefined
const inside = (fields: Fields, field: number) =>
  ((fields.get(field) ?? []) as Uint8Array[]).map(bytes => decode(bytes))
const text = (fields: Fields, field: number) => {
  const bytes = fields.get(field)?.[0] as Uint8Array | undefined
  return bytes === undefined ? undefined : new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

interface Track {
  name: string
  parent: number | undefined
  process: string | undefined
  thread: string | undefined
  unit: string | undefined
}

interface Event {
  time: number
  type: number
  track: number
  name: string | undefined
  category: string | undefined
  lock: string | undefined
  value: number | undefined
  flows: number[]
  ending: number[]
}

/** Reads a whole trace as its users do: interned names resolved, events sorted by time, ties in file order. */
function readTrace(chunks: Iterable<Uint8Array>): { tracks: Map<number, Track>; events: Event[] } {
  const tracks = new Map<number, Track>()
  const events: Event[] = []
  const names = new Map<string, string>()
  const ids = new Set<number>()
  let isFirst = true
  for (const chunk of chunks)
    for (const packet of inside(decode(chunk), 1)) {
      assert.equal(number(packet, 10), 1, 'every packet names its sequence')
      assert.equal(number(packet, 13), isFirst ? 3 : 2)
      isFirst = false
      for (const interned of inside(packet, 12))
        for (const table of [1, 2, 3])
          for (const entry of inside(interned, table)) {
            const key = `${table} ${number(entry, 1)}`
            assert.ok(!names.has(key), 'PX2 a name is written out once')
            names.set(key, text(entry, 2)!)
          }
      const name = (table: number, iid: number | undefined) => {
        if (iid === undefined) return undefined
        const known = names.get(`${table} ${iid}`)
        assert.ok(known !== undefined, 'PX2 a name is told before it is used')
        return known
      }
      for (const track of inside(packet, 60)) {
        const uuid = number(track, 1)!
        assert.ok(!ids.has(uuid), 'PX4 a number is used once')
        ids.add(uuid)
        const parent = number(track, 5)
        assert.ok(parent === undefined || tracks.has(parent), 'a parent is told before its child')
        const [process, thread, counter] = [inside(track, 3)[0], inside(track, 4)[0], inside(track, 8)[0]]
        tracks.set(uuid, {
          name: text(track, 2)!,
          parent,
          process: process && text(process, 6),
          thread: thread && text(thread, 5),
          unit: counter && text(counter, 6),
        })
      }
      for (const event of inside(packet, 11)) {
        assert.ok(tracks.has(number(event, 11)!), 'an event names a track that exists')
        const note = inside(event, 4)[0]
        if (note !== undefined) assert.equal(name(3, number(note, 1)), 'lock')
        events.push({
          time: number(packet, 8)!,
          type: number(event, 9)!,
          track: number(event, 11)!,
          name: name(2, number(event, 10)),
          category: name(1, number(event, 3)),
          lock: note && text(note, 6),
          value: number(event, 44),
          flows: (event.get(47) ?? []) as number[],
          ending: (event.get(48) ?? []) as number[],
        })
      }
    }
  return { tracks, events: events.sort((a, b) => a.time - b.time) }
}

/** Closes each end with the begin it belongs to; fails if a track doesn't nest. */
function slicesOf({ tracks, events }: ReturnType<typeof readTrace>) {
  const open = new Map<number, Event[]>([...tracks.keys()].map(track => [track, []]))
  const slices: { thread: string; start: number; end: number; begin: Event }[] = []
  for (const event of events) {
    const stack = open.get(event.track)!
    if (event.type === 1) stack.push(event)
    if (event.type !== 2) continue
    const begin = stack.pop()
    assert.ok(begin !== undefined, 'PX1 an end has a begin')
    const track = tracks.get(event.track)!
    const thread = track.thread ?? tracks.get(track.parent!)!.thread!
    slices.push({ thread, start: begin.time, end: event.time, begin })
  }
  for (const stack of open.values()) assert.equal(stack.length, 0, 'PX1 every begin has an end')
  return slices
}

const timelineOf = (spans: Span[], rows = 3): Timeline => ({
  kind: 'timeline',
  id: 't',
  title: 'T',
  rows: Array.from({ length: rows }, (_, row) => ({ name: `task ${row}`, group: row === 0 ? '' : 'group' })),
  spans,
})

test('every span, counter, marker and arrow of the sample comes back', () => {
  const timeline = inversion('linux-6.4', {})
  const read = readTrace(perfettoTrace([timeline]))
  const slices = slicesOf(read)
  assert.equal(slices.length, timeline.spans.length)
  for (const span of timeline.spans) {
    const same = slices.filter(
      slice =>
        slice.thread === timeline.rows[span.row]!.name &&
        slice.start === Math.round(span.start) &&
        slice.end === Math.round(span.end) &&
        slice.begin.name === span.label &&
        slice.begin.category === span.kind &&
        slice.begin.lock === span.lock,
    )
    assert.ok(same.length >= 1, `${span.label} at ${span.start}`)
  }
  const samples = read.events.filter(event => event.type === 4)
  const [counter] = timeline.counters!
  assert.deepEqual(
    samples.map(({ time, value }) => ({ time, value })),
    counter!.points.map(({ time, value }) => ({ time: Math.round(time), value })),
  )
  assert.equal(read.tracks.get(samples[0]!.track)!.unit, counter!.unit)
  for (const marker of timeline.markers!) assert.ok(read.events.some(event => event.name === marker.label))
})

test('a flow leads from the waiter to the holder, in the order of time', () => {
  const timeline = inversion('linux-6.4', {})
  const { tracks, events } = readTrace(perfettoTrace([timeline]))
  const begins = new Map(events.flatMap(event => event.flows.map(flow => [flow, event] as const)))
  const ends = new Map(events.flatMap(event => event.ending.map(flow => [flow, event] as const)))
  assert.equal(begins.size, timeline.arrows!.length)
  assert.deepEqual([...begins.keys()].sort(), [...ends.keys()].sort())
  const drawn = [...begins].map(([flow, from]) => {
    const to = ends.get(flow)!
    assert.ok(from.time <= to.time && events.indexOf(from) < events.indexOf(to))
    return `${tracks.get(from.track)!.thread} -> ${tracks.get(to.track)!.thread}: ${to.name}`
  })
  const asked = timeline.arrows!.map(
    ({ fromRow, toRow, label }) =>
      `${timeline.rows[fromRow]!.name} -> ${timeline.rows[toRow]!.name}: ${label}`,
  )
  assert.deepEqual(drawn.sort(), asked.sort())
})

test('any spans at all nest on their tracks, and none is lost', () => {
  const span = fc
    .record({ row: fc.nat(2), start: fc.nat(30), length: fc.nat(12) })
    .map(({ row, start, length }): Span => ({ row, start, end: start + length, kind: 'running', label: 'x' }))
  fc.assert(
    fc.property(fc.array(span, { maxLength: 40, size: 'max' }), spans => {
      const key = (row: string, start: number, end: number) => `${row} ${start} ${end}`
      const slices = slicesOf(readTrace(perfettoTrace([timelineOf(spans)])))
      assert.deepEqual(
        slices.map(({ thread, start, end }) => key(thread, start, end)).sort(),
        spans.map(({ row, start, end }) => key(`task ${row}`, start, end)).sort(),
      )
    }),
  )
})

test('late times, odd names and two timelines keep their numbers and their letters', () => {
  const late = 2 ** 51 + 1
  const label = 'a\u0000b </script> \u{1f4a5} ünï'
  const spans: Span[] = [{ row: 1, start: late, end: late + 3, kind: 'io', label, lock: label }]
  const slices = slicesOf(readTrace(perfettoTrace([timelineOf(spans), timelineOf(spans)])))
  assert.deepEqual(
    slices.map(({ start, end, begin }) => [start, end, begin.name, begin.lock]),
    [
      [late, late + 3, label, label],
      [late, late + 3, label, label],
    ],
  )
})

test('a large trace comes in many chunks, each of whole packets and bounded in length', () => {
  const spans = Array.from(
    { length: 60_000 },
    (_, at): Span => ({
      row: at % 3,
      start: at * 10,
      end: at * 10 + 15,
      kind: 'running',
      label: `l${at % 9}`,
    }),
  )
  const chunks = [...perfettoTrace([timelineOf(spans)])]
  assert.ok(chunks.length > 5)
  for (const chunk of chunks) assert.ok(chunk.length < 300 * 1024)
  assert.equal(slicesOf(readTrace(chunks)).length, spans.length)
})

test('what if a span names a row that is not there?', () => {
  const spans: Span[] = [{ row: 9, start: 0, end: 1, kind: 'running', label: 'x' }]
  assert.throws(() => [...perfettoTrace([timelineOf(spans)])], /MR3/)
})
