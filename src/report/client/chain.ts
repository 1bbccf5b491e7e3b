/**
 * The chain behind a wait: from the waiter along its arrow to the holder, to what the holder did meanwhile, and on while
 * that was itself a wait.
 */

import type { PackedArrow, PackedStall } from './packed.ts'
import { show } from './quantity.ts'
import { firstAbove, type Lane, type Pick, spanWithin, type Track } from './track.ts'

export interface Link extends Pick {
  readonly start: number
  readonly end: number
  /** The arrow that leads on from here. */
  readonly arrow: PackedArrow | undefined
}

export function followChain(track: Track, pick: Pick): Link[] {
  const links: Link[] = []
  const seen = new Set<number>()
  let here: Pick | undefined = pick
  while (here !== undefined && !seen.has(here.row)) {
    seen.add(here.row)
    const lane: Lane = track.rows[here.row]!.lanes[here.lane]!
    const start: number = lane.starts[here.at]!
    const end: number = lane.ends[here.at]!
    const isWait: boolean = track.styles[lane.styles[here.at]!]!.kind === 'waiting'
    const arrow: PackedArrow | undefined = isWait ? mainArrow(track, here.row, start, end) : undefined
    links.push({ ...here, start, end, arrow })
    here = arrow && stateOf(track, arrow.to, arrow.time, end)
  }
  return links
}

/** Of the arrows that leave a row during a wait, the one whose holder it waited for longest. */
export function mainArrow(track: Track, row: number, start: number, end: number): PackedArrow | undefined {
  const { arrows, arrowTimes } = track.rows[row]!
  let best: PackedArrow | undefined
  let longest = -1
  for (let at = firstAbove(arrowTimes, start - 1); at < arrows.length && arrows[at]!.time <= end; at++) {
    const lasted = Math.min(end, arrows[at + 1]?.time ?? end) - arrows[at]!.time
    if (lasted <= longest) continue
    longest = lasted
    best = arrows[at]
  }
  return best
}

/** What a row was doing for most of [from, to], locks that it held aside. */
export function stateOf(track: Track, row: number, from: number, to: number): Pick | undefined {
  let best: Pick | undefined
  let most = -1
  track.rows[row]!.lanes.forEach((lane, place) => {
    const at = lane.holds ? -1 : spanWithin(lane, from, to)
    if (at === -1) return
    const covered = Math.min(to, lane.ends[at]!) - Math.max(from, lane.starts[at]!)
    if (covered <= most) return
    most = covered
    best = { row, lane: place, at }
  })
  return best
}

/** The stall of the model that this wait is part of. */
export function stallOf(track: Track, link: Link): PackedStall | undefined {
  return track.stalls.find(
    stall => stall.row === link.row && stall.start < link.end && link.start < stall.end,
  )
}

/** One line for each link: who, what, how long, and behind which lock the next one stands. */
export function tellChain(track: Track, links: readonly Link[]): { who: string; what: string }[] {
  return links.map(link => {
    const row = track.rows[link.row]!
    const { label, lock } = track.styles[row.lanes[link.lane]!.styles[link.at]!]!
    const on = lock === null || label.includes(lock) ? '' : ` (${lock})`
    const behind = link.arrow === undefined ? '' : `; ${link.arrow.label}, by:`
    return { who: row.name, what: `${label}${on}, ${show(link.end - link.start, 'ns')}${behind}` }
  })
}
