/**
 * Packs a timeline for the page: rows put beside their group, spans dealt to lanes, everything that repeats named once.
 * A million spans become about 15 MB of JSON, which a browser reads in a fraction of a second.
 *
 * Invariants
 *   PK1  Spans of one lane don't overlap, and stand in the order of time.
 *   PK2  Unpacked times differ from the model's by rounding to a whole nanosecond alone.
 */
import type { Packed, PackedLane, PackedStyle } from './client/packed.ts'
import { extentOf, type Span, type Timeline } from './model.ts'

export function packTimeline(timeline: Timeline): Packed {
  const { start, end } = extentOf(timeline)
  const origin = Math.floor(start)
  const at = (time: number) => Math.round(time - origin)
  const order = besideTheirGroup(timeline.rows.map(row => row.group))
  const placeOf = new Map(order.map((row, place) => [row, place]))
  const styles = new Styles()
  const byRow: Span[][] = timeline.rows.map(() => [])
  for (const span of timeline.spans) byRow[span.row]!.push(span)
  return {
    name: timeline.title,
    origin,
    length: Math.max(1, at(end)),
    rows: order.map(row => {
      const { name, group } = timeline.rows[row]!
      const spans = byRow[row]!.sort((a, b) => a.start - b.start)
      const states = dealToLanes(spans.filter(({ kind }) => kind !== 'holding'))
      const holds = dealToLanes(spans.filter(({ kind }) => kind === 'holding'))
      const pack = (lane: Span[], isHold: boolean): PackedLane => ({
        holds: isHold,
        spans: packLane(lane, at, styles),
      })
      return {
        name,
        group,
        lanes: [...holds.reverse().map(lane => pack(lane, true)), ...states.map(lane => pack(lane, false))],
      }
    }),
    styles: styles.list,
    arrows: (timeline.arrows ?? [])
      .map(arrow => ({
        time: at(arrow.time),
        from: placeOf.get(arrow.fromRow)!,
        to: placeOf.get(arrow.toRow)!,
        label: arrow.label,
      }))
      .sort((a, b) => a.time - b.time),
    markers: (timeline.markers ?? []).map(({ time, label }) => ({ time: at(time), label })),
    counters: (timeline.counters ?? []).map(({ name, unit, points }) => ({
      name,
      unit,
      times: points.map(({ time }) => at(time)),
      values: points.map(({ value }) => value),
      most: points.reduce((most, { value }) => Math.max(most, value), 0),
    })),
    stalls: (timeline.stalls ?? []).map(stall => ({
      row: placeOf.get(stall.row)!,
      start: at(stall.start),
      end: at(stall.end),
      sentence: stall.sentence,
    })),
    sharedScale: timeline.sharedScale ?? null,
  }
}

/** The places of rows, groups in the order in which each first appears. */
function besideTheirGroup(groups: readonly string[]): number[] {
  const members = new Map<string, number[]>()
  for (const [row, group] of groups.entries()) {
    const known = members.get(group)
    if (known === undefined) members.set(group, [row])
    else known.push(row)
  }
  return [...members.values()].flat()
}

function dealToLanes(spans: readonly Span[]): Span[][] {
  const lanes: Span[][] = []
  for (const span of spans) {
    const free = lanes.find(lane => lane[lane.length - 1]!.end <= span.start)
    if (free === undefined) lanes.push([span])
    else free.push(span)
  }
  return lanes
}

function packLane(spans: readonly Span[], at: (time: number) => number, styles: Styles): number[] {
  const numbers: number[] = []
  let last = 0
  for (const span of spans) {
    const [start, end] = [at(span.start), at(span.end)]
    numbers.push(start - last, end - start, styles.placeOf(span))
    last = end
  }
  return numbers
}

/** The distinct looks of spans, each with its place. */
class Styles {
  readonly list: PackedStyle[] = []
  private readonly places = new Map<string, number>()

  placeOf({ kind, label, ...span }: Span): number {
    const lock = span.lock ?? null
    const key = JSON.stringify([kind, label, lock])
    const known = this.places.get(key)
    if (known !== undefined) return known
    const place = this.list.push({ kind, label, lock }) - 1
    this.places.set(key, place)
    return place
  }
}
