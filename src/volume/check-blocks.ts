/**
 * The sweep over the blocks of a volume: who says what of each, from the first to the last, in one pass over the places
 * where something begins or ends.
 */
export type Owner = 'extents' | 'free' | 'limbo' | 'shared'

/** At `block` something of `owner` begins (change > 0) or ends. */
interface Edge {
  readonly block: number
  readonly owner: Owner
  readonly change: number
}

export class BlockSweep {
  private readonly edges: Edge[] = []

  /** `count`: how many references, where the owner tells. */
  add(owner: Owner, start: number, end: number, count = 1): void {
    this.edges.push({ block: start, owner, change: count }, { block: end, owner, change: -count })
  }

  /** What VS2 and VS4 (space.ts) forbid, a sentence each, for blocks [1, end). */
  *wrong(end: number): Generator<string> {
    this.edges.sort((a, b) => a.block - b.block)
    const now: Record<Owner, number> = { extents: 0, free: 0, limbo: 0, shared: 0 }
    let from = 1
    for (let at = 0; at < this.edges.length; ) {
      const { block } = this.edges[at]!
      if (block > from) yield* judge(from, Math.min(block, end), now)
      from = Math.max(from, block)
      for (; this.edges[at]?.block === block; at++) now[this.edges[at]!.owner] += this.edges[at]!.change
      if (block < 1) yield `block ${block} is told of, and holds the header`
    }
    if (from < end) yield* judge(from, end, now)
    const last = this.edges.at(-1)?.block ?? end
    if (last > end) yield `blocks up to ${last - 1} are told of; the volume ends with block ${end - 1}`
  }
}

function* judge(start: number, end: number, now: Readonly<Record<Owner, number>>): Generator<string> {
  if (start >= end) return
  const where = end - start === 1 ? `block ${start} is` : `blocks ${start} to ${end - 1} are`
  const { extents, free, limbo, shared } = now
  if (free > 1 || limbo > 1) yield `${where} free ${free} times and in limbo ${limbo} times`
  else if (free + limbo + extents === 0) yield `${where} lost: neither free nor in limbo nor part of a file`
  else if (free > 0 && limbo > 0) yield `${where} free and in limbo`
  else if (free + limbo > 0 && extents > 0)
    yield `${where} ${free > 0 ? 'free' : 'in limbo'}, and part of ${extents} extents`
  const counted = extents > 1 ? extents : 0
  if (shared !== counted) yield `${where} shared by ${extents} extents, and ${shared} are written down`
}
