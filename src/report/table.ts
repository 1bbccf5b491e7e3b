/**
 * What is read as rows: tables with their best and worst marked, heat maps, and the sentences of chains.
 *
 * Marks never speak by colour alone: the best of a column stands on a solid line, the worst on a dashed one, and both
 * say so to a screen reader. A heat map writes its number in every cell.
 */
import { show } from './client/quantity.ts'
import { type Html, html, prose } from './html.ts'
import type { Cell, Chains, Column, Heatmap, Table, Text } from './model.ts'

/** Marks stand where the worst and the best differ by at least a third. */
const MARK_FROM = 1 / 3

const MEASURED_IN_WORDS = new Set(['ns', 'B', 'B/s', '%', 'x'])

export function renderText(text: Text): Html {
  return html`${text.paragraphs.map(paragraph => html`<p>${prose(paragraph)}</p>`)}`
}

export function renderChains(section: Chains): Html {
  const items = section.chains.map(({ sentence, link }) => {
    const show = link === undefined ? '' : html` <a href="#${link}">see it</a>`
    return html`<li>${prose(sentence)}${show}</li>`
  })
  return html`<ol class="chains">${items}</ol>`
}

export function renderTable(table: Pick<Table, 'title' | 'columns' | 'rows'>): Html {
  const marks = table.columns.map((column, at) => marksOf(column, table.rows, at))
  const isMarked = marks.some(mark => mark !== undefined)
  const body = table.rows.map(
    cells =>
      html`<tr>${cells.map((cell, at) => {
        const column = table.columns[at]!
        if (at === 0) return html`<th scope="row">${cellText(cell, column)}</th>`
        const mark = typeof cell === 'number' ? marks[at]?.(cell) : undefined
        const said = mark === undefined ? '' : html`<span class="unseen"> (${mark})</span>`
        return html`<td class="${column.align} ${mark ?? ''}"><span>${cellText(cell, column)}</span>${said}</td>`
      })}</tr>`,
  )
  return html`${scroller(
    table.title,
    html`<table>${headOf(table.columns)}<tbody>${body}</tbody></table>`,
  )}${isMarked ? legendOfMarks : ''}`
}

export function renderHeatmap(map: Heatmap): Html {
  const values = map.rows.flatMap(({ cells }) => cells.flatMap(cell => (cell === null ? [] : [cell.value])))
  const heat = heatScale(values, map.scale)
  const body = map.rows.map(
    ({ name, cells }) =>
      html`<tr><th scope="row">${name}</th>${cells.map(cell => {
        if (cell === null) return html`<td class="none"><span class="unseen">not measured</span></td>`
        const share = Math.round(heat(cell.value) * 100)
        const text = html`${cell.label ?? show(cell.value, map.unit)}`
        const said = cell.link === undefined ? text : html`<a href="#${cell.link}">${text}</a>`
        return html`<td style="--share:${share}%" class="${share > 50 ? 'hot' : ''}">${said}</td>`
      })}</tr>`,
  )
  const head = html`<thead><tr><th scope="col">${map.rowsAre} \\ ${map.columnsAre}</th>${map.columns.map(
    name => html`<th scope="col">${name}</th>`,
  )}</tr></thead>`
  const low = show(Math.min(...values), map.unit)
  const high = show(Math.max(...values), map.unit)
  const scale = map.scale === 'log' ? ', in equal steps of ×10' : ''
  const legend = html`<p class="legend"><span>${low}</span><i class="ramp"></i><span>${high}${scale}</span></p>`
  return html`${scroller(map.title, html`<table class="heat">${head}<tbody>${body}</tbody></table>`)}${
    values.length === 0 ? '' : legend
  }`
}

/** A wide thing scrolls by itself, so that the page never does; it can be reached by the keyboard. */
function scroller(name: string, inner: Html): Html {
  return html`<div class="wide" role="region" tabindex="0" aria-label="${name}">${inner}</div>`
}

const legendOfMarks = html`<p class="legend"><span class="best"><span>best</span></span> and <span class="worst"><span>worst</span></span> of its column</p>`

function headOf(columns: readonly Column[]): Html {
  const leaf = (column: Column) => {
    const unit =
      column.unit === undefined || MEASURED_IN_WORDS.has(column.unit)
        ? ''
        : html` <small>${column.unit}</small>`
    return html`<th scope="col" class="${column.align}">${column.name}${unit}</th>`
  }
  const leaves = html`<tr>${columns.map(leaf)}</tr>`
  if (columns.every(column => column.group === undefined)) return html`<thead>${leaves}</thead>`
  const groups: { name: string; span: number }[] = []
  for (const { group = '' } of columns) {
    const last = groups[groups.length - 1]
    if (last !== undefined && last.name === group) last.span++
    else groups.push({ name: group, span: 1 })
  }
  const tops = groups.map(({ name, span }) =>
    name === ''
      ? html`<td colspan="${span}"></td>`
      : html`<th scope="colgroup" class="group" colspan="${span}">${name}</th>`,
  )
  return html`<thead><tr>${tops}</tr>${leaves}</thead>`
}

function cellText(cell: Cell, column: Column): Html {
  if (cell === null) return html`<span class="none" title="not measured">–</span>`
  return typeof cell === 'number' ? html`${show(cell, column.unit ?? '')}` : html`${cell}`
}

/** Which numbers of the column are its best and its worst; nothing where the difference is too small to matter. */
function marksOf(column: Column, rows: readonly (readonly Cell[])[], at: number) {
  if (column.better === undefined) return undefined
  const numbers = rows.map(cells => cells[at]).filter(cell => typeof cell === 'number')
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)]
  if (numbers.length < 2 || high - low <= high * MARK_FROM) return undefined
  const [best, worst] = column.better === 'low' ? [low, high] : [high, low]
  return (value: number) => (value === best ? 'best' : value === worst ? 'worst' : undefined)
}

/** From a value to its share of the ramp, 0 to 1. On a log scale everything up to zero is 0. */
export function heatScale(values: readonly number[], scale: 'linear' | 'log'): (value: number) => number {
  const position = scale === 'log' ? Math.log : (value: number) => value
  const placed = values.map(position).filter(Number.isFinite)
  const [low, high] = [Math.min(...placed), Math.max(...placed)]
  return value => {
    const at = position(value)
    if (Number.isNaN(at) || at === Number.NEGATIVE_INFINITY || high === low) return 0
    return (at - low) / (high - low)
  }
}
