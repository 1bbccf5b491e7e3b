/**
 * Paints one lane.
 *
 * The lane is searched by halves for the window's first span, and read from there. What is narrower than a pixel is
 * summed up pixel by pixel and painted as the kind that took most of it, paler where the pixel is mostly empty; so a
 * frame paints at most one box for each pixel of a visible lane, however many spans there are.
 */
import type { Pen } from './browser.ts'
import type { Scene } from './scene.ts'
import { firstAbove, kindNames, type Lane } from './track.ts'

/** Where a lane stands on the canvas, and the place of the span that is never pale, or -1. */
export interface LanePlace {
  readonly top: number
  readonly height: number
  readonly chosen: number
}

export function paintLane(pen: Pen, scene: Scene, lane: Lane, { top, height, chosen }: LanePlace): void {
  const { track, layout, view, inks, width } = scene
  const kinds = kindNames()
  const kindOf = track.kinds
  const isPale = scene.pale
  const full = scene.chain.length > 0 ? 0.35 : 1
  const { starts, ends, styles } = lane
  const { left } = layout
  const scale = (width - left) / (view.end - view.start)
  const load = new Float64Array(kinds.length)
  let column = -1
  let [boxLeft, boxRight, boxKind, boxAlpha] = [0, 0, -1, 0]

  const box = (from: number, to: number, kind: number, alpha: number) => {
    const isThin = kind === 0
    const inset = isThin ? height * 0.36 : 0
    pen.globalAlpha = alpha
    pen.fillStyle = inks.colours[kinds[kind]!]!
    pen.fillRect(from, top + inset, to - from, height - 2 * inset)
  }
  const flushBox = () => {
    if (boxKind !== -1) box(boxLeft, boxRight, boxKind, boxAlpha)
    boxKind = -1
  }
  const flushColumn = () => {
    if (column === -1) return
    let kind = 0
    let sum = 0
    for (let at = 0; at < load.length; at++) {
      sum += load[at]!
      if (load[at]! > load[kind]!) kind = at
    }
    const alpha = full * (sum > 0.66 ? 1 : sum > 0.2 ? 0.75 : 0.5)
    if (kind !== boxKind || alpha !== boxAlpha || boxRight !== column) {
      flushBox()
      boxLeft = column
      boxKind = kind
      boxAlpha = alpha
    }
    boxRight = column + 1
    load.fill(0)
    column = -1
  }

  // hot: a million spans in the window take this loop a few milliseconds; it allocates nothing.
  for (let at = firstAbove(ends, view.start); at < starts.length; at++) {
    const start = starts[at]!
    if (start >= view.end) break
    const from = Math.max(left - 2, left + (start - view.start) * scale)
    const size = left + (ends[at]! - view.start) * scale - from
    const style = styles[at]!
    if (size < 1.5) {
      const pixel = Math.floor(from)
      if (pixel !== column) {
        flushColumn()
        column = pixel
      }
      const kind = kindOf[style]!
      // A span without length still shows: it weighs a thousandth of a pixel.
      load[kind] = load[kind]! + Math.max(size, 0.001) * (isPale[style]! ? 0.1 : 1)
      continue
    }
    flushColumn()
    flushBox()
    const to = Math.min(width, from + size)
    const alpha = at === chosen ? 1 : isPale[style]! ? 0.15 : full
    box(from, to - (size > 3 ? 0.75 : 0), kindOf[style]!, alpha)
    if (size < 6) continue
    const pattern = inks.patterns[kinds[kindOf[style]!]!]
    if (pattern !== undefined) {
      pen.fillStyle = pattern
      pen.fillRect(from, top, to - from - 0.75, height)
    }
    if (height < 14 || to - from < 44 || kindOf[style] === 0) continue
    pen.font = `11.5px ${inks.font}`
    pen.fillStyle = inks.colours['on-span']!
    const text = fitText(pen, track.styles[style]!.label, to - Math.max(left, from) - 12)
    if (pattern !== undefined && text !== '') {
      // A pattern would fray the letters.
      pen.fillStyle = inks.colours[kinds[kindOf[style]!]!]!
      pen.fillRect(Math.max(left, from) + 2, top + 1, pen.measureText(text).width + 8, height - 2)
      pen.fillStyle = inks.colours['on-span']!
    }
    pen.fillText(text, Math.max(left, from) + 6, top + height / 2 + 0.5)
  }
  flushColumn()
  flushBox()
  pen.globalAlpha = 1
}

/** As much of a text as has room, or nothing. */
export function fitText(pen: Pen, text: string, room: number): string {
  if (room < 12) return ''
  if (text.length * 4 < room * 3 && pen.measureText(text).width <= room) return text
  let [low, high] = [0, Math.min(text.length, Math.ceil(room / 3))]
  if (high === text.length && pen.measureText(text).width <= room) return text
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (pen.measureText(`${text.slice(0, middle)}…`).width <= room) low = middle
    else high = middle - 1
  }
  return low < 2 ? '' : `${text.slice(0, low)}…`
}
