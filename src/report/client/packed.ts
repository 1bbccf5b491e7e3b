/**
 * What a page carries of a timeline: the form between the room that writes pages and the script that reads them.
 *
 * A row is divided into lanes, so that spans of one lane never overlap: what the task does stands on the first lane, the
 * locks that it holds on rails above. A lane's spans are one list of whole numbers, three for each span:
 *
 *     gap since the lane's last end · length · place in `styles`
 *
 * Units    nanoseconds since `origin`, rounded. Rows of one group are neighbours.
 */
import type { SpanKind } from '../model.ts'

export interface Packed {
  readonly name: string
  readonly origin: number
  readonly length: number
  readonly rows: readonly PackedRow[]
  readonly styles: readonly PackedStyle[]
  readonly arrows: readonly PackedArrow[]
  readonly markers: readonly { readonly time: number; readonly label: string }[]
  readonly counters: readonly PackedCounter[]
  readonly stalls: readonly PackedStall[]
  readonly sharedScale: string | null
}

export interface PackedRow {
  readonly name: string
  readonly group: string
  readonly lanes: readonly PackedLane[]
}

export interface PackedLane {
  readonly holds: boolean
  readonly spans: readonly number[]
}

export interface PackedStyle {
  readonly kind: SpanKind
  readonly label: string
  readonly lock: string | null
}

export interface PackedArrow {
  readonly time: number
  readonly from: number
  readonly to: number
  readonly label: string
}

export interface PackedStall {
  readonly row: number
  readonly start: number
  readonly end: number
  readonly sentence: string
}

export interface PackedCounter {
  readonly name: string
  readonly unit: string
  readonly times: readonly number[]
  readonly values: readonly number[]
  readonly most: number
}
