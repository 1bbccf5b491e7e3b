/**
 * The sweep over the blocks of a volume: who says what of each, from the first to the last, in one pass over the places
 * where something begins or ends.
 */
const PART_NUMBERS = 4096

export type Owner = 'extents' | 'free' | 'limbo' | 'shared'

/** At `block` something of `owner` begins (change > 0) or ends. */
interface Edge {
  readonly block: number
  readonly owner: Owner
  readonly change: number
}

/** Many things in order of a number, sorted some at a time: numbers that are near one another come in one part. */
export class SortedParts<T> {
  private readonly numberOf: (item: T) => number
  private readonly byPart = new Map<number, T[]>()

  constructor(numberOf: (item: T) => number) {
    this.numberOf = numberOf
  }

  add(item: T): void {
    const number = Math.floor(this.numberOf(item) / PART_NUMBERS)
    const part = this.byPart.get(number)
    if (part === undefined) this.byPart.set(number, [item])
    else part.push(item)
  }

  /** Each of them sorted, in order. */
  *parts(): Generator<readonly T[]> {
    for (const number of [...this.byPart.keys()].sort((a, b) => a - b))
      yield this.byPart.get(number)!.sort((a, b) => this.numberOf(a) - this.numberOf(b))
  }
}

export class BlockSweep {
  private readonly edges = new SortedParts<Edge>(edge => edge.block)

  /** `count`: how many references, where the owner tells. */
  add(owner: Owner, start: number, end: number, count = 1): void {
    this.edges.add({ block: start, owner, change: count })
    this.edges.add({ block: end, owner, change: -count })
  }

  /** What VS2 and VS4 (space.ts) forbid, a sentence each, for blocks [1, end). '': a step of the way. */
  *wrong(end: number): Generator<string> {
    const now: Record<Owner, number> = { extents: 0, free: 0, limbo: 0, shared: 0 }
    let from = 1
    let last = end
    for (const edges of this.edges.parts()) {
      last = edges.at(-1)!.block
      for (let at = 0; at < edges.length; ) {
        const { block } = edges[at]!
        if (block > from) yield* judge(from, Math.min(block, end), now)
        from = Math.max(from, block)
        for (; edges[at]?.block === block; at++) now[edges[at]!.owner] += edges[at]!.change
        if (block < 1) yield `block ${block} is told of, and holds the header`
        yield ''
      }
    }
    if (from < end) yield* judge(from, end, now)
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
