/**
 * A timeline in the browser's memory: columns of numbers for each lane, searched by halves.
 *
 * Invariants
 *   TK1  Functions of this folder refer to their arguments and to each other by name, and to nothing else of a module:
 *       the page carries their text (see ../script.ts).
 */
import type { SpanKind } from '../model.ts'
import type { Packed, PackedArrow, PackedCounter, PackedLane, PackedStall, PackedStyle } from './packed.ts'

export interface Track {
  readonly name: string
  readonly length: number
  readonly rows: readonly TrackRow[]
  readonly styles: readonly PackedStyle[]
  /** For each style, the place of its kind in `kindNames()`. */
  readonly kinds: Uint8Array
  readonly arrows: readonly PackedArrow[]
  readonly arrowTimes: Float64Array
  readonly markers: Packed['markers']
  readonly counters: readonly PackedCounter[]
  readonly stalls: readonly PackedStall[]
  readonly sharedScale: string | null
}

export interface TrackRow {
  readonly name: string
  readonly group: string
  readonly lanes: readonly Lane[]
  /** The arrows that leave this row, in the order of time. */
  readonly arrows: readonly PackedArrow[]
  readonly arrowTimes: Float64Array
}

export interface Lane {
  readonly holds: boolean
  readonly starts: Float64Array
  readonly ends: Float64Array
  readonly styles: Uint32Array
}

/** One span, by its place. */
export interface Pick {
  readonly row: number
  readonly lane: number
  readonly at: number
}

export function kindNames(): readonly SpanKind[] {
  return ['sleeping', 'running', 'holding', 'io', 'waiting']
}

export function unpackTrack(packed: Packed): Track {
  const arrows: PackedArrow[][] = packed.rows.map(() => [])
  for (const arrow of packed.arrows) arrows[arrow.from]!.push(arrow)
  const rows = packed.rows.map((row, place) => ({
    name: row.name,
    group: row.group,
    lanes: row.lanes.map(unpackLane),
    arrows: arrows[place]!,
    arrowTimes: Float64Array.from(arrows[place]!, ({ time }) => time),
  }))
  const kinds = Uint8Array.from(packed.styles, ({ kind }) => kindNames().indexOf(kind))
  return { ...packed, rows, kinds, arrowTimes: Float64Array.from(packed.arrows, ({ time }) => time) }
}

export function unpackLane({ holds, spans }: PackedLane): Lane {
  const count = spans.length / 3
  const lane: Lane = {
    holds,
    starts: new Float64Array(count),
    ends: new Float64Array(count),
    styles: new Uint32Array(count),
  }
  let last = 0
  for (let at = 0; at < count; at++) {
    const start = last + spans[at * 3]!
    last = start + spans[at * 3 + 1]!
    lane.starts[at] = start
    lane.ends[at] = last
    lane.styles[at] = spans[at * 3 + 2]!
  }
  return lane
}

/** The first place in rising `numbers` whose number is above `bound`. */
export function firstAbove(numbers: ArrayLike<number>, bound: number): number {
  let low = 0
  for (let high = numbers.length; low < high; ) {
    const middle = (low + high) >>> 1
    if (numbers[middle]! > bound) high = middle
    else low = middle + 1
  }
  return low
}

/** The span of a lane that covers most of [from, to], or -1. */
export function spanWithin(lane: Lane, from: number, to: number): number {
  let best = -1
  let most = 0
  const first = firstAbove(lane.ends, from)
  for (let at = first; at < lane.starts.length && lane.starts[at]! <= to; at++) {
    const covered = Math.min(to, lane.ends[at]!) - Math.max(from, lane.starts[at]!)
    if (best === -1 || covered > most) {
      best = at
      most = covered
    }
  }
  return best
}

/** The next wait that begins after `time` on a row for which `isShown`; the earliest of all when there is none. */
export function nextWait(track: Track, time: number, isShown: (row: number) => boolean): Pick | undefined {
  let first: Pick | undefined
  let next: Pick | undefined
  let [firstStart, nextStart] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  const waiting = kindNames().indexOf('waiting')
  track.rows.forEach((row, place) => {
    if (!isShown(place)) return
    row.lanes.forEach((lane, number) => {
      for (let at = 0; at < lane.starts.length; at++) {
        const start = lane.starts[at]!
        if (track.kinds[lane.styles[at]!] !== waiting) continue
        if (start < firstStart) {
          firstStart = start
          first = { row: place, lane: number, at }
        }
        if (start <= time || start >= nextStart) continue
        nextStart = start
        next = { row: place, lane: number, at }
      }
    })
  })
  return next ?? first
}
