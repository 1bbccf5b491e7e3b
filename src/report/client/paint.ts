/**
 * Paints the window of a timeline on its canvas: the axis, the bands that are scrolled into sight, and the arrows.
 */
import type { Pen } from './browser.ts'
import { fitText, paintLane } from './lane.ts'
import type { CounterBand, RowBand } from './layout.ts'
import { show } from './quantity.ts'
import type { Scene } from './scene.ts'
import { firstAbove } from './track.ts'
import { tickStep, tickText } from './view.ts'

export function paintScene(pen: Pen, scene: Scene): void {
  const { layout, inks, width, height, scrolled } = scene
  pen.clearRect(0, 0, width, height)
  pen.textBaseline = 'middle'
  paintGrid(pen, scene)
  pen.save()
  pen.beginPath()
  pen.rect(0, layout.top, width, height - layout.top)
  pen.clip()
  for (const band of layout.bands) {
    const top = band.top - scrolled
    if (top + band.height < layout.top || top > height) continue
    pen.fillStyle = inks.colours.line!
    if (band.kind === 'row') paintRow(pen, scene, band)
    else if (band.kind === 'counter') paintCounter(pen, scene, band)
    else {
      pen.fillRect(0, top, width, 1)
      pen.font = `600 11.5px ${inks.font}`
      pen.fillStyle = inks.colours.soft!
      pen.fillText(band.name, 12, top + 14)
    }
  }
  paintArrows(pen, scene)
  // Last, so that no arrow crosses a name where names stand above their rows.
  for (const band of layout.bands)
    if (
      band.kind === 'row' &&
      band.top + band.height - scrolled >= layout.top &&
      band.top - scrolled <= height
    )
      paintName(pen, scene, band)
  pen.restore()
}

export function paintName(pen: Pen, { track, layout, inks, width, scrolled }: Scene, band: RowBand): void {
  pen.font = `13px ${inks.font}`
  const isNarrow = layout.left < 100
  const name = fitText(pen, track.rows[band.row]!.name, (isNarrow ? width : layout.left) - 22)
  const middle = band.nameTop - scrolled + 8
  if (isNarrow) {
    pen.strokeStyle = inks.colours.card!
    pen.lineWidth = 5
    pen.strokeText(name, 12, middle)
  }
  pen.fillStyle = inks.colours.ink!
  pen.fillText(name, 12, middle)
}

export function paintGrid(pen: Pen, scene: Scene): void {
  const { layout, view, inks, width, height, track } = scene
  const scale = (width - layout.left) / (view.end - view.start)
  const step = tickStep(view.end - view.start, (width - layout.left) / 96)
  pen.font = `11.5px ${inks.font}`
  pen.textAlign = 'center'
  for (let time = Math.ceil(Math.max(0, view.start) / step) * step; time <= view.end; time += step) {
    const x = Math.round(layout.left + (time - view.start) * scale)
    pen.fillStyle = inks.colours.faint!
    pen.fillRect(x, layout.top, 1, height)
    pen.fillStyle = inks.colours.soft!
    const text = tickText(time, step)
    const half = pen.measureText(text).width / 2
    pen.fillText(text, Math.min(Math.max(x, half + 4), width - half - 6), 15)
  }
  pen.textAlign = 'left'
  pen.strokeStyle = inks.colours.soft!
  pen.lineWidth = 1
  pen.setLineDash([3, 3])
  let free = Number.NEGATIVE_INFINITY
  for (const { time, label } of track.markers) {
    const x = Math.round(layout.left + (time - view.start) * scale) + 0.5
    if (x < layout.left || x > width || x < free - 40) continue
    pen.beginPath()
    pen.moveTo(x, layout.top)
    pen.lineTo(x, height)
    pen.stroke()
    if (x < free) continue
    pen.fillStyle = inks.colours.soft!
    pen.fillText(label, x + 4, height - 9)
    free = x + pen.measureText(label).width + 12
  }
  pen.setLineDash([])
  pen.fillStyle = inks.colours.line!
  pen.fillRect(0, layout.top - 1, width, 1)
}

export function paintRow(pen: Pen, scene: Scene, band: RowBand): void {
  const { track, layout, inks, width, scrolled } = scene
  const row = track.rows[band.row]!
  const top = band.top - scrolled
  pen.fillRect(layout.left, top, width - layout.left, 1)
  pen.save()
  pen.beginPath()
  pen.rect(layout.left, top, width - layout.left, band.height)
  pen.clip()
  row.lanes.forEach((lane, place) => {
    const { top: laneTop, height } = band.lanes[place]!
    const chosen = scene.chain.find(link => link.row === band.row && link.lane === place)?.at ?? -1
    paintLane(pen, scene, lane, { top: laneTop - scrolled, height, chosen })
  })
  for (const link of scene.chain) {
    if (link.row !== band.row) continue
    const place = band.lanes[link.lane]!
    const scale = (width - layout.left) / (scene.view.end - scene.view.start)
    const x = layout.left + (link.start - scene.view.start) * scale
    pen.strokeStyle = inks.colours.ink!
    pen.lineWidth = 2
    pen.strokeRect(x, place.top - scrolled, Math.max(3, (link.end - link.start) * scale), place.height)
  }
  pen.restore()
}

export function paintCounter(pen: Pen, scene: Scene, band: CounterBand): void {
  const { track, layout, view, inks, width, scrolled } = scene
  const { name, unit, times, values, most } = track.counters[band.counter]!
  const scale = (width - layout.left) / (view.end - view.start)
  const [top, bottom] = [band.top - scrolled + 10, band.top - scrolled + band.height - 8]
  pen.fillRect(0, band.top - scrolled, width, 1)
  pen.fillStyle = inks.colours.accent!
  pen.globalAlpha = 0.35
  const last = Math.min(times.length - 1, firstAbove(times, view.end))
  let high = 0
  for (let at = Math.max(0, firstAbove(times, view.start) - 1); at <= last; at++) {
    high = Math.max(high, values[at]!)
    const from = Math.max(layout.left, layout.left + (times[at]! - view.start) * scale)
    const to = Math.min(width, layout.left + ((times[at + 1] ?? view.end) - view.start) * scale)
    if (Math.floor(to) === Math.floor(from) && at < last) continue
    const size = most === 0 ? 0 : (high / most) * (bottom - top)
    pen.fillRect(Math.floor(from), bottom - size, Math.max(1, Math.floor(to) - Math.floor(from)), size)
    high = 0
  }
  pen.globalAlpha = 1
  pen.font = `13px ${inks.font}`
  pen.fillStyle = inks.colours.ink!
  const isNarrow = layout.left < 100
  pen.fillText(fitText(pen, name, (isNarrow ? width : layout.left) - 22), 12, isNarrow ? top : top + 9)
  pen.font = `11.5px ${inks.font}`
  pen.fillStyle = inks.colours.soft!
  if (!isNarrow) pen.fillText(`up to ${show(most, unit)}`, 12, top + 27)
}

/** The chosen chain's arrows boldly; the others faintly, and at most one for each three pixels. */
export function paintArrows(pen: Pen, scene: Scene): void {
  const { track, layout, view, inks, width, scrolled } = scene
  const scale = (width - layout.left) / (view.end - view.start)
  const x = (time: number) => layout.left + (time - view.start) * scale
  const draw = (time: number, from: number, to: number, weight: number) => {
    if (layout.middles[from]! < 0 || layout.middles[to]! < 0) return
    const at = x(time)
    const [start, end] = [layout.middles[from]! - scrolled, layout.middles[to]! - scrolled]
    const size = 16 + Math.min(44, Math.abs(end - start) * 0.2)
    // To the left, where it covers no label, if there is room.
    const side = at - size > layout.left ? -1 : 1
    // The light edge keeps the line readable where it crosses a pattern.
    for (const [ink, width] of [
      [inks.colours.card!, weight + 3],
      [inks.colours.ink!, weight],
    ] as const) {
      pen.strokeStyle = ink
      pen.lineWidth = width
      pen.beginPath()
      pen.moveTo(at, start)
      pen.bezierCurveTo(at + side * size, start, at + side * size, end, at + side * 9, end)
      pen.stroke()
    }
    pen.beginPath()
    pen.moveTo(at + side, end)
    pen.lineTo(at + side * 11, end - 5.5)
    pen.lineTo(at + side * 11, end + 5.5)
    pen.closePath()
    pen.fill()
    pen.beginPath()
    pen.arc(at, start, 3.5, 0, 7)
    pen.fill()
  }
  pen.save()
  pen.beginPath()
  pen.rect(layout.left - 6, layout.top, width, scene.height)
  pen.clip()
  pen.fillStyle = inks.colours.ink!
  pen.globalAlpha = scene.chain.length > 0 ? 0.15 : 0.9
  const times = track.arrowTimes
  let free = Number.NEGATIVE_INFINITY
  for (let at = firstAbove(times, view.start - 1); at < times.length && times[at]! <= view.end; at++) {
    const { time, from, to } = track.arrows[at]!
    if (x(time) < free) continue
    free = track.arrows.length > 200 ? x(time) + 3 : free
    draw(time, from, to, 1.25)
  }
  pen.globalAlpha = 1
  for (const { arrow, row } of scene.chain) if (arrow !== undefined) draw(arrow.time, row, arrow.to, 2.25)
  pen.restore()
}
