/**
 * The sweep over the blocks of a volume: who says what of each, from the first to the last, in one pass over the places
 * where something begins or ends.
 */
const PART_NUMBERS = 1024

export type Owner = 'extents' | 'free' | 'pendingFree' | 'shared'

const OWNERS = ['extents', 'free', 'pendingFree', 'shared'] as const

/** What begins (above 0) or ends at a block, by owners, with how many references. */
type Edges = Record<Owner, number>

/** Something for each of many numbers, in order of them, sorted some at a time: numbers that are near one another come in one part. */
export class SortedParts<T> {
  private readonly byPart = new Map<number, Map<number, T>>()

  get(number: number): T | undefined {
    return this.byPart.get(Math.floor(number / PART_NUMBERS))?.get(number)
  }

  set(number: number, item: T): void {
    const key = Math.floor(number / PART_NUMBERS)
    let part = this.byPart.get(key)
    if (part === undefined) {
      part = new Map()
      this.byPart.set(key, part)
    }
    part.set(number, item)
  }

  /** Each of them sorted, in order. */
  *parts(): Generator<readonly (readonly [number, T])[]> {
    for (const key of [...this.byPart.keys()].sort((a, b) => a - b))
      yield [...this.byPart.get(key)!].sort(([a], [b]) => a - b)
  }
}

export class BlockSweep {
  private readonly edges = new SortedParts<Edges>()

  /** `count`: how many references, where the owner tells. */
  add(owner: Owner, start: number, end: number, count = 1): void {
    this.edgesAt(start)[owner] += count
    this.edgesAt(end)[owner] -= count
  }

  /** What VS2 and VS4 (space.ts) forbid, a sentence each, for blocks [1, end). '': a step of the way. */
  *wrong(end: number): Generator<string> {
    const now: Record<Owner, number> = { extents: 0, free: 0, pendingFree: 0, shared: 0 }
    let from = 1
    let last = end
    for (const edges of this.edges.parts()) {
      last = edges.at(-1)![0]
      for (const [block, changes] of edges) {
        if (block > from) yield* judge(from, Math.min(block, end), now)
        from = Math.max(from, block)
        for (const owner of OWNERS) now[owner] += changes[owner]
        if (block < 1) yield `block ${block} is told of, and holds the header`
        yield ''
      }
    }
    if (from < end) yield* judge(from, end, now)
    if (last > end) yield `blocks up to ${last - 1} are told of; the volume ends with block ${end - 1}`
  }

  private edgesAt(block: number): Edges {
    let edges = this.edges.get(block)
    if (edges === undefined) {
      edges = { extents: 0, free: 0, pendingFree: 0, shared: 0 }
      this.edges.set(block, edges)
    }
    return edges
  }
}

function* judge(start: number, end: number, now: Readonly<Record<Owner, number>>): Generator<string> {
  if (start >= end) return
  const where = end - start === 1 ? `block ${start} is` : `blocks ${start} to ${end - 1} are`
  const { extents, free, pendingFree, shared } = now
  if (free > 1 || pendingFree > 1) yield `${where} free ${free} times and pending free ${pendingFree} times`
  else if (free + pendingFree + extents === 0)
    yield `${where} lost: neither free nor pending free nor part of a file`
  else if (free > 0 && pendingFree > 0) yield `${where} free and pending free`
  else if (free + pendingFree > 0 && extents > 0)
    yield `${where} ${free > 0 ? 'free' : 'pending free'}, and part of ${extents} extents`
  const counted = extents > 1 ? extents : 0
  if (shared !== counted) yield `${where} shared by ${extents} extents, and ${shared} are written down`
}
