/**
 * What a report says, as plain data: the one form that the demo, the lab and the trace reader fill, and that the page
 * and the Perfetto file are made from.
 *
 *     Report   a title, sentences (the first is the point), and sections in reading order
 *     Section  text · table · bars · latency · heatmap · chains · timeline
 *
 * A section's `id` is its address in the page: `link` fields name one. A sentence may put `names` between backticks.
 *
 * Invariants
 *   MR1  Everything here can be written as JSON: no functions, no dates, no cycles.
 *   MR2  Times are nanoseconds on one clock for each timeline, finite and not negative; a span has start <= end.
 *   MR3  A row is named by its place in `rows`; every span, arrow and stall names a row that exists.
 *   MR4  Ids of sections are not empty, and differ.
 *
 * Units    'ns', 'B' and 'B/s' are shown in whatever size reads best (4.05 s, 16 MiB); '%' and 'x' are written behind the
 *          number; any other unit is written once, at the head of the column or the axis.
 */
import { assert } from '../base/index.ts'

export interface Report {
  readonly title: string
  readonly sentences: readonly string[]
  /** The command line that makes this report again. */
  readonly madeBy: string
  readonly sections: readonly Section[]
}

export type Section = Text | Table | Bars | Latency | Heatmap | Chains | Timeline

interface Titled {
  readonly id: string
  readonly title: string
  /** A sentence under the title that says what to see. */
  readonly lead?: string
}

export interface Text extends Titled {
  readonly kind: 'text'
  readonly paragraphs: readonly string[]
}

export interface Table extends Titled {
  readonly kind: 'table'
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly Cell[])[]
}

export interface Column {
  readonly name: string
  /** Neighbours of one group stand under one heading. */
  readonly group?: string
  readonly unit?: string
  readonly align: 'left' | 'right'
  /** Marks the best and the worst number of the column. */
  readonly better?: 'low' | 'high'
}

/** `null` was not measured. */
export type Cell = string | number | null

export interface Bars extends Titled {
  readonly kind: 'bars'
  readonly unit: string
  readonly scale: 'linear' | 'log'
  readonly bars: readonly { readonly label: string; readonly value: number }[]
}

export interface Latency extends Titled {
  readonly kind: 'latency'
  readonly series: readonly LatencySeries[]
}

export interface LatencySeries {
  readonly name: string
  /** Rising quantiles; 1 is the maximum. */
  readonly points: readonly { readonly quantile: number; readonly ns: number }[]
}

export interface Heatmap extends Titled {
  readonly kind: 'heatmap'
  /** What rows and columns are: 'scenario', 'discipline'. */
  readonly rowsAre: string
  readonly columnsAre: string
  readonly unit: string
  readonly scale: 'linear' | 'log'
  readonly columns: readonly string[]
  readonly rows: readonly { readonly name: string; readonly cells: readonly (HeatCell | null)[] }[]
}

export interface HeatCell {
  readonly value: number
  /** Said instead of the number. */
  readonly label?: string
  readonly link?: string
}

export interface Chains extends Titled {
  readonly kind: 'chains'
  readonly chains: readonly { readonly sentence: string; readonly link?: string }[]
}

export interface Timeline extends Titled {
  readonly kind: 'timeline'
  readonly rows: readonly Row[]
  readonly spans: readonly Span[]
  readonly arrows?: readonly Arrow[]
  readonly markers?: readonly Marker[]
  readonly counters?: readonly Counter[]
  readonly stalls?: readonly Stall[]
  /** Timelines that name the same scale show equally long windows and move together. */
  readonly sharedScale?: string
}

export interface Row {
  readonly name: string
  /** The process or cgroup; rows of one group stand together. */
  readonly group: string
}

export type SpanKind = 'running' | 'holding' | 'waiting' | 'io' | 'sleeping'

export interface Span {
  readonly row: number
  readonly start: number
  readonly end: number
  readonly kind: SpanKind
  readonly label: string
  readonly lock?: string
}

/** From the row that waits to the row that it waits for, drawn at `time`. */
export interface Arrow {
  readonly time: number
  readonly fromRow: number
  readonly toRow: number
  readonly label: string
}

export interface Marker {
  readonly time: number
  readonly label: string
}

export interface Counter {
  readonly name: string
  readonly unit: string
  /** In the order of time; a value holds until the next. */
  readonly points: readonly { readonly time: number; readonly value: number }[]
}

/** A wait worth a sentence: the chain behind it, in words. */
export interface Stall {
  readonly row: number
  readonly start: number
  readonly end: number
  readonly sentence: string
}

/** Where a timeline begins and ends: from its first time to its last. */
export function extentOf(timeline: Timeline): { start: number; end: number } {
  let start = Number.POSITIVE_INFINITY
  let end = 0
  const see = (from: number, to: number) => {
    if (from < start) start = from
    if (to > end) end = to
  }
  for (const span of timeline.spans) see(span.start, span.end)
  for (const { time } of timeline.arrows ?? []) see(time, time)
  for (const { time } of timeline.markers ?? []) see(time, time)
  for (const { points } of timeline.counters ?? [])
    if (points.length > 0) see(points[0]!.time, points[points.length - 1]!.time)
  return start <= end ? { start, end } : { start: 0, end: 0 }
}

/** Holds a report to MR2, MR3 and MR4. */
export function checkReport(report: Report): void {
  const ids = new Set<string>()
  for (const section of report.sections) {
    assert(
      section.id !== '' && !ids.has(section.id),
      `MR4 section id "${section.id}": expected a new, non-empty one`,
    )
    ids.add(section.id)
    if (section.kind === 'timeline') checkTimeline(section)
  }
}

/** Holds one timeline to MR2 and MR3. */
export function checkTimeline(timeline: Timeline): void {
  const { rows, spans, arrows = [], stalls = [], markers = [], counters = [] } = timeline
  const time = (value: number) => Number.isFinite(value) && value >= 0
  const row = (value: number) => rows[value] !== undefined
  const where = `timeline "${timeline.id}"`
  for (const span of spans) {
    assert(
      time(span.start) && time(span.end) && span.start <= span.end,
      `MR2 ${where}: a span's time is wrong`,
    )
    assert(row(span.row), `MR3 ${where}: a span names a row that doesn't exist`)
  }
  for (const stall of stalls) {
    assert(
      time(stall.start) && time(stall.end) && stall.start <= stall.end,
      `MR2 ${where}: a stall's time is wrong`,
    )
    assert(row(stall.row), `MR3 ${where}: a stall names a row that doesn't exist`)
  }
  for (const arrow of arrows) {
    assert(time(arrow.time), `MR2 ${where}: an arrow's time is wrong`)
    assert(row(arrow.fromRow) && row(arrow.toRow), `MR3 ${where}: an arrow names a row that doesn't exist`)
  }
  for (const marker of markers) assert(time(marker.time), `MR2 ${where}: a marker's time is wrong`)
  for (const counter of counters)
    for (const point of counter.points)
      assert(time(point.time) && Number.isFinite(point.value), `MR2 ${where}: a counter's point is wrong`)
}
