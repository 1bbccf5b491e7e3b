/**
 * Where things stand on the canvas: bands from the top down, one for each group's name, each row and each counter.
 *
 * On a narrow screen names stand above their rows instead of beside them.
 */
import type { Track } from './track.ts'

export interface Layout {
  readonly left: number
  readonly top: number
  readonly height: number
  readonly bands: readonly Band[]
  /** The middle of each row's lane of states, or -1 where the row is filtered away. */
  readonly middles: readonly number[]
}

export type Band = GroupBand | RowBand | CounterBand

interface Place {
  readonly top: number
  readonly height: number
}

export interface GroupBand extends Place {
  readonly kind: 'group'
  readonly name: string
}

export interface RowBand extends Place {
  readonly kind: 'row'
  readonly row: number
  readonly nameTop: number
  readonly lanes: readonly Place[]
}

export interface CounterBand extends Place {
  readonly kind: 'counter'
  readonly counter: number
}

export interface Filter {
  readonly task: string
  readonly lock: string
}

export function layOut(track: Track, width: number, filter: Filter): Layout {
  const isNarrow = width < 620
  const [state, rail, gap, pad] = [18, 9, 2, 7]
  const top = 30
  const bands: Band[] = []
  const middles = track.rows.map(() => -1)
  let y = top
  let group = ''
  track.rows.forEach((row, place) => {
    if (!isShown(track, place, filter)) return
    if (row.group !== group) {
      group = row.group
      if (group !== '') bands.push({ kind: 'group', name: group, top: y, height: 24 })
      if (group !== '') y += 24
    }
    let inner = y + pad + (isNarrow ? 17 : 0)
    const lanes = row.lanes.map(({ holds }) => {
      const lane = { top: inner, height: holds ? rail : state }
      inner += lane.height + gap
      return lane
    })
    const main = row.lanes.findIndex(({ holds }) => !holds)
    const anchor = lanes[main] ?? lanes[0]
    middles[place] = anchor === undefined ? inner : anchor.top + anchor.height / 2
    const bottom = Math.max(inner - gap, y + pad + state) + pad
    const nameTop = isNarrow ? y + 5 : (y + bottom) / 2 - 8
    bands.push({ kind: 'row', row: place, top: y, height: bottom - y, nameTop, lanes })
    y = bottom
  })
  if (filter.task === '' && filter.lock === '')
    track.counters.forEach((_, counter) => {
      bands.push({ kind: 'counter', counter, top: y, height: 56 })
      y += 56
    })
  return { left: isNarrow ? 10 : 168, top, height: y + 6, bands, middles }
}

/** Whether the filters leave a row: its name or its group holds the words, and it has to do with the lock. */
export function isShown(track: Track, row: number, filter: Filter): boolean {
  const { name, group, lanes } = track.rows[row]!
  const words = filter.task.trim().toLowerCase()
  if (words !== '' && !`${name} ${group}`.toLowerCase().includes(words)) return false
  if (filter.lock === '') return true
  const ofLock = track.styles.map(style => style.lock === filter.lock)
  return lanes.some(lane => lane.styles.some(style => ofLock[style]!))
}
