/** How many extents have each block, worked out from where extents begin and end. */
import type { Run } from './runs.ts'
import type { Blocks } from './space.ts'

/** At `block` an extent begins (1) or ends (-1). */
export interface Edge {
  readonly block: number
  readonly change: 1 | -1
}

/** Blocks [1, end) that no extent has. `edges` are in order of block. */
export function* freeRuns(edges: readonly Edge[], end: number): Generator<Blocks> {
  let from = 1
  for (const { start, end: stop, value } of counted(edges)) {
    if (value === 0) continue
    if (start > from) yield { start: from, end: start }
    from = stop
  }
  if (from < end) yield { start: from, end }
}

/** Blocks that two or more extents have, with how many. */
export function* sharedRuns(edges: readonly Edge[]): Generator<Pick<Run, 'start' | 'end' | 'value'>> {
  for (const run of counted(edges)) if (run.value > 1) yield run
}

function* counted(edges: readonly Edge[]): Generator<Pick<Run, 'start' | 'end' | 'value'>> {
  let count = 0
  for (let at = 0; at < edges.length; ) {
    const { block } = edges[at]!
    for (; edges[at]?.block === block; at++) count += edges[at]!.change
    const end = edges[at]?.block
    if (end !== undefined) yield { start: block, end, value: count }
  }
}
