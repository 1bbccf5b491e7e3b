/**
 * The sweep over the blocks of a volume: who says what of each, from the first to the last, in one pass over the places
 * where something begins or ends.
 */
const PART_NUMBERS = 1024

export type Owner = 'extents' | 'free' | 'pendingFree' | 'shared'

const OWNERS = ['extents', 'free', 'pendingFree', 'shared'] as const

/** Numbers of a part that are kept unsummed: some times what there are when all are summed. */
const EDGES_MAX = 4 * 2 * OWNERS.length * PART_NUMBERS

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
  /** hot: what begins (above 0) or ends at a block, as two numbers: its place among `sums`, and how many references. */
  private readonly edges = new Map<number, number[]>()

  /** `count`: how many references, where the owner tells. */
  add(owner: Owner, start: number, end: number, count = 1): void {
    this.edge(owner, start, count)
    this.edge(owner, end, -count)
  }

  /** What VS2 and VS4 (space.ts) forbid, a sentence each, for blocks [1, end). '': a step of the way. */
  *wrong(end: number): Generator<string> {
    const now: Record<Owner, number> = { extents: 0, free: 0, pendingFree: 0, shared: 0 }
    const sums = new Float64Array(OWNERS.length * PART_NUMBERS)
    const touched = new Uint8Array(PART_NUMBERS)
    let from = 1
    let last = end
    for (const part of [...this.edges.keys()].sort((a, b) => a - b)) {
      sums.fill(0)
      touched.fill(0)
      const edges = this.edges.get(part)!
      for (let at = 0; at < edges.length; at += 2) {
        sums[edges[at]!]! += edges[at + 1]!
        touched[Math.floor(edges[at]! / OWNERS.length)] = 1
      }
      last = part * PART_NUMBERS + touched.lastIndexOf(1)
      for (let place = 0; place < PART_NUMBERS; place++) {
        if (touched[place] === 0) continue
        const block = part * PART_NUMBERS + place
        if (block > from) yield* judge(from, Math.min(block, end), now)
        from = Math.max(from, block)
        for (let owner = 0; owner < OWNERS.length; owner++)
          now[OWNERS[owner]!] += sums[OWNERS.length * place + owner]!
        if (block < 1) yield `block ${block} is told of, and holds the header`
        yield ''
      }
    }
    if (from < end) yield* judge(from, end, now)
    if (last > end) yield `blocks up to ${last - 1} are told of; the volume ends with block ${end - 1}`
  }

  private edge(owner: Owner, block: number, count: number): void {
    const part = Math.floor(block / PART_NUMBERS)
    let edges = this.edges.get(part)
    if (edges === undefined) {
      edges = []
      this.edges.set(part, edges)
    }
    edges.push(OWNERS.length * (block % PART_NUMBERS) + OWNERS.indexOf(owner), count)
    if (edges.length > EDGES_MAX) this.edges.set(part, folded(edges))
  }
}

/** The same with one sum for each place, in no order: a block may be in any number of extents. */
function folded(edges: readonly number[]): number[] {
  const sums = new Map<number, number>()
  for (let at = 0; at < edges.length; at += 2)
    sums.set(edges[at]!, (sums.get(edges[at]!) ?? 0) + edges[at + 1]!)
  return [...sums].flat()
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
