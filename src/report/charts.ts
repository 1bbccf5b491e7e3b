/**
 * Charts that need no script: bars, and latency by quantile.
 *
 * Each is drawn in percent of its own box, so one drawing fits a desktop and a phone: lines in a stretched SVG whose
 * strokes don't stretch, words and points as HTML placed above it. Series differ by colour, by dash and by point, and
 * carry their names at their ends. The same numbers stand in a table below.
 *
 * On a log scale a bar's length means nothing, so a value is a point on a thin line there.
 */
import { show } from './client/quantity.ts'
import { type Html, html, trusted } from './html.ts'
import type { Bars, Latency, LatencySeries } from './model.ts'
import { renderTable } from './table.ts'

const PLOT_HEIGHT = 340
const LABEL_HEIGHT = 19
/** Of the width of a plot on a narrow screen, in percent: what a label of the foot takes there. */
const LABEL_WIDTH = 17
const DASHES = ['', '7 4', '2 3', '9 3 2 3']
const POINTS = ['●', '■', '▲', '◆', '▼', '○', '□']
const COLOURS = 7

export function renderBars(section: Bars): Html {
  const values = section.bars.map(({ value }) => value)
  const isLog = section.scale === 'log'
  const scale = isLog ? logScale(values) : linearScale(values)
  const rows = section.bars.map(({ label, value }) => {
    const share = `${(scale.place(value) * 100).toFixed(2)}%`
    return html`<div class="bar" role="listitem">
<span class="bar-name">${label}</span>
<span class="bar-track"><i class="${isLog ? 'stem' : 'beam'}" style="width:${share}"></i><b style="left:${share}">${show(value, section.unit)}</b></span>
</div>`
  })
  const ticks = scale.ticks.map(
    value =>
      html`<i style="left:${(scale.place(value) * 100).toFixed(2)}%"><small>${show(value, section.unit)}</small></i>`,
  )
  const axis = isLog
    ? html`<div class="bar-axis" aria-hidden="true"><span></span><span>${ticks}</span></div>`
    : ''
  return html`<div class="bars" role="list" aria-label="${section.title}">${rows}${axis}</div>`
}

export function renderLatency(section: Latency): Html {
  const drawn = section.series.filter(({ points }) => points.length > 0)
  const quantiles = [...new Set(drawn.flatMap(({ points }) => points.map(({ quantile }) => quantile)))].sort(
    (a, b) => a - b,
  )
  const scale = logScale(drawn.flatMap(({ points }) => points.map(({ ns }) => ns)))
  const across = quantileScale(quantiles)
  const top = (ns: number) => (1 - scale.place(ns)) * 100
  const style = (at: number) => `--series:var(--series-${at % COLOURS})`

  const rules = scale.ticks.map(
    ns => html`<i class="rule" style="top:${top(ns).toFixed(2)}%"><small>${show(ns, 'ns')}</small></i>`,
  )
  const lines = drawn.map(({ points }, at) => {
    const path = points.map(({ quantile, ns }) => `${across(quantile).toFixed(2)},${top(ns).toFixed(2)}`)
    return html`<polyline points="${path.join(' ')}" stroke-dasharray="${DASHES[at % DASHES.length]!}" style="${style(at)}"/>`
  })
  const dots = drawn.flatMap(({ points }, at) =>
    points.map(
      ({ quantile, ns }) =>
        html`<b class="dot" style="left:${across(quantile).toFixed(2)}%;top:${top(ns).toFixed(2)}%;${style(at)}">${POINTS[at % POINTS.length]!}</b>`,
    ),
  )
  const ends = spread(drawn.map(({ points }) => (top(points[points.length - 1]!.ns) / 100) * PLOT_HEIGHT))
  const names = drawn.map(({ name, points }, at) => {
    const { ns } = points[points.length - 1]!
    return html`<span class="end" style="top:${ends[at]!.toFixed(1)}px;${style(at)}"><i>${POINTS[at % POINTS.length]!}</i> ${name} <small>${show(ns, 'ns')}</small></span>`
  })
  let shown = Number.POSITIVE_INFINITY
  // From the right: the last ones are what the picture is about.
  const columns = [...quantiles].reverse().map(quantile => {
    const place = across(quantile)
    const isClose = shown - place < LABEL_WIDTH
    if (!isClose) shown = place
    return html`<small${isClose ? trusted(' class="close"') : ''} style="left:${place.toFixed(2)}%">${quantileName(quantile)}</small>`
  })
  return html`<div class="plot" role="img" aria-label="${section.title}: latency by quantile on a logarithmic axis; the numbers follow as a table">
<div class="plot-area" style="height:${PLOT_HEIGHT}px">${rules}
<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">${lines}</svg>${dots}${names}</div>
<div class="plot-foot">${columns}</div>
</div>
<details><summary>The numbers</summary>${renderTable({
    title: `${section.title}, the numbers`,
    columns: [
      { name: 'series', align: 'left' },
      ...quantiles.map(quantile => ({
        name: quantileName(quantile),
        unit: 'ns',
        align: 'right' as const,
        better: 'low' as const,
      })),
    ],
    rows: section.series.map(series => [series.name, ...quantiles.map(at => latencyAt(series, at))]),
  })}</details>`
}

function latencyAt(series: LatencySeries, quantile: number): number | null {
  return series.points.find(point => point.quantile === quantile)?.ns ?? null
}

function quantileName(quantile: number): string {
  return quantile === 1 ? 'max' : `p${Number((quantile * 100).toFixed(4))}`
}

interface Scale {
  /** 0 at the axis, 1 at the far end. */
  readonly place: (value: number) => number
  readonly ticks: readonly number[]
}

function linearScale(values: readonly number[]): Scale {
  const high = Math.max(0, ...values)
  return { place: value => (high === 0 ? 0 : Math.max(0, value) / high), ticks: [] }
}

/** Whole decades around the values; what is not above zero stands on the axis. */
function logScale(values: readonly number[]): Scale {
  const above = values.filter(value => value > 0)
  const low = above.length === 0 ? 0 : Math.floor(Math.log10(Math.min(...above)))
  const high = Math.max(low + 1, above.length === 0 ? 1 : Math.ceil(Math.log10(Math.max(...above))))
  const step = Math.ceil((high - low) / 8)
  const decades = Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, at) => low + at * step)
  return {
    place: value => (value > 0 ? (Math.log10(value) - low) / (high - low) : 0),
    ticks: decades.map(decade => 10 ** decade),
  }
}

/** Quantiles by their nines: p90, p99 and p99.9 are equally far apart, and the maximum one step behind the last. */
function quantileScale(quantiles: readonly number[]): (quantile: number) => number {
  const nines = (quantile: number) => -Math.log10(1 - quantile)
  const below = quantiles.filter(quantile => quantile < 1).map(nines)
  const first = below.length === 0 ? 0 : Math.min(...below)
  const last = below.length === 0 ? 0 : Math.max(...below)
  const end = quantiles.includes(1) ? last + 0.8 : Math.max(last, first + 1)
  return quantile => ((quantile === 1 ? end : nines(quantile)) - first) * (100 / (end - first))
}

/** Moves labels apart, keeping their order, so that none covers another. */
function spread(tops: readonly number[]): number[] {
  const order = tops.map((_, at) => at).sort((a, b) => tops[a]! - tops[b]!)
  const placed = [...tops]
  let floor = Number.NEGATIVE_INFINITY
  for (const at of order) {
    placed[at] = Math.max(tops[at]!, floor)
    floor = placed[at] + LABEL_HEIGHT
  }
  let ceiling = PLOT_HEIGHT
  for (const at of order.reverse()) {
    placed[at] = Math.min(placed[at]!, ceiling)
    ceiling = placed[at] - LABEL_HEIGHT
  }
  return placed
}
