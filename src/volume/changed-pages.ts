/**
 * Which pages of a file are others than before, by its extents before and after. A block of a volume of many machines is written
 * once in its life, so a page that has the same block has the same bytes.
 *
 *     before   |--- blocks 10 to 19 ---|
 *     after    |-- 10 to 14 --|30|- 16 -|-- 31 to 33 --|
 *     changed                 |--|      |--------------|
 */
import type { Run } from './runs.ts'

export interface Pages {
  readonly start: number
  readonly end: number
}

export const ALL_PAGES: readonly Pages[] = [{ start: 0, end: Infinity }]

/** Of extents that don't overlap among themselves. In order; no two touch. */
export function changedPages(before: readonly Run[], after: readonly Run[]): Pages[] {
  const changed: { start: number; end: number }[] = []
  const cuts = new Set([...before, ...after].flatMap(({ start, end }) => [start, end]))
  const places = [...cuts].sort((a, b) => a - b)
  const [was, is] = [walk(before), walk(after)]
  for (const [at, start] of places.entries()) {
    const end = places[at + 1]
    if (end === undefined || same(was(start), is(start), start)) continue
    const last = changed.at(-1)
    if (last?.end === start) last.end = end
    else changed.push({ start, end })
  }
  return changed
}

/** Asked for pages in order, says which extent each is in. */
function walk(runs: readonly Run[]): (page: number) => Run | undefined {
  const sorted = [...runs].sort((a, b) => a.start - b.start)
  let at = 0
  return page => {
    while (at < sorted.length && sorted[at]!.end <= page) at++
    const run = sorted[at]
    return run !== undefined && run.start <= page ? run : undefined
  }
}

function same(was: Run | undefined, is: Run | undefined, page: number): boolean {
  if (was === undefined || is === undefined) return was === is
  return was.tag === is.tag && was.value + page - was.start === is.value + page - is.start
}
