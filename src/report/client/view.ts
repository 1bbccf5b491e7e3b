/**
 * The window of time that is shown. Timelines of one shared scale hold the same View and so move together.
 *
 * Invariants
 *   VW1  WINDOW_MIN <= end - start, and the window stays within [0, length] but for a margin of a fiftieth.
 */
export interface View {
  start: number
  end: number
  length: number
  readonly watchers: (() => void)[]
}

export function makeView(): View {
  return { start: 0, end: 1, length: 1, watchers: [] }
}

/** Shows [start, end], moved and cut to fit VW1. */
export function setView(view: View, start: number, end: number): void {
  const windowMin = 200
  const margin = view.length / 50
  const width = Math.min(Math.max(end - start, windowMin), view.length + 2 * margin)
  const middle = (start + end) / 2
  view.start = Math.min(Math.max(middle - width / 2, -margin), view.length + margin - width)
  view.end = view.start + width
  for (const tell of view.watchers) tell()
}

/** A factor above 1 shows less time. What stands at `time` stays where it is. */
export function zoomView(view: View, factor: number, time: number): void {
  setView(view, time - (time - view.start) / factor, time + (view.end - time) / factor)
}

/** Steps of 1, 2 or 5 times a power of ten, at most `most` of them in the window. */
export function tickStep(window: number, most: number): number {
  const rough = window / Math.max(1, most)
  const power = 10 ** Math.floor(Math.log10(rough))
  const factor = [1, 2, 5, 10].find(step => step * power >= rough) ?? 10
  return Math.max(1, factor * power)
}

/** A time on the axis, written as finely as its step needs. */
export function tickText(time: number, step: number): string {
  const [size, unit] =
    step >= 1e7 ? [1e9, 's'] : step >= 1e4 ? [1e6, 'ms'] : step >= 10 ? [1e3, 'µs'] : [1, 'ns']
  const places = Math.max(0, -Math.floor(Math.log10(step / (size as number)) + 1e-9))
  const number = (time / (size as number)).toLocaleString('en-US', {
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  })
  return `${number} ${unit}`
}
