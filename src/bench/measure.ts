/**
 * The measuring core: two sides that do the same work, in turns, in one process.
 *
 *     warm-up of both -> [ ours theirs ] [ theirs ours ] [ ours theirs ] ... -> the median ratio of a round, and its spread
 *
 * What disturbs one side disturbs the other: load and clock rates drift slower than a round, so the ratio is taken in
 * each round before the median is. Work is counted, never timed out, so both sides do the same; the order changes each
 * round, so neither always comes first.
 */
import type { Bytes } from '../base/index.ts'

/** How much to do, and where. */
export interface Plan {
  /** As little as runs everything once: it shows that nothing throws, and measures nothing. */
  readonly smoke: boolean
  /** What the name of a work has; '': any. */
  readonly part: string
  /** For files; on a device, not in memory, or cold reads are none. */
  readonly directory: string
  /** Progress, for a terminal. */
  readonly say: (text: string) => void
}

export type Target = { readonly atMost: number } | { readonly atLeast: number } | 'none'

/** One row of the report. */
export interface Figure {
  readonly name: string
  readonly ours: number
  readonly theirs: number
  readonly unit: string
  readonly ratio: number
  readonly target: Target
  readonly rounds: number
  /** The least and the largest ratio of a round. */
  readonly spread: readonly [number, number]
  /** What the two sides are, in words. */
  readonly what: string
}

export interface Bench {
  readonly name: string
  readonly about: string
  run(plan: Plan): Promise<Figure[]>
}

/** Thrown by a bench that can't be run on this host; the rest go on. */
export class Skipped extends Error {}

/** One round of a side: does its work and returns its measure, in the figure's unit. */
export type Side = () => number | Promise<number>

export interface Comparison {
  readonly name: string
  readonly what: string
  readonly unit: string
  readonly target: Target
  /** What the ratio says: a cost ('ours/theirs'), or how many times better we are ('theirs/ours'). */
  readonly ratio: 'ours/theirs' | 'theirs/ours'
  readonly rounds: number
  /** Rounds before the first that counts: what V8 compiles late needs more than the one. */
  readonly warmUps?: number
  readonly ours: Side
  readonly theirs: Side
}

export async function compare(plan: Plan, comparison: Comparison): Promise<Figure> {
  const { target, ours, theirs } = comparison
  const one = (side: Side) => async () => [await side()]
  const [figure] = await compareAll(plan, {
    ...comparison,
    of: [{ name: comparison.name, target }],
    ours: one(ours),
    theirs: one(theirs),
  })
  return figure!
}

/** One round of a side that has several measures, as many as the comparison names. */
export type Sides = () => Promise<readonly number[]>

export interface Comparisons extends Omit<Comparison, 'target' | 'ours' | 'theirs'> {
  /** What a round measures, in the comparison's unit or in one of its own. */
  readonly of: readonly { readonly name: string; readonly target: Target; readonly unit?: string }[]
  readonly ours: Sides
  readonly theirs: Sides
}

/** Several measures of the same work: a figure for each. */
export async function compareAll(plan: Plan, comparison: Comparisons): Promise<Figure[]> {
  const { name, what, unit, of, ratio, warmUps = 1, ours, theirs } = comparison
  const rounds = plan.smoke ? 1 : comparison.rounds
  const measured: { ours: (readonly number[])[]; theirs: (readonly number[])[] } = { ours: [], theirs: [] }
  for (let round = plan.smoke ? 0 : -warmUps; round < rounds; round++) {
    plan.say(`${name}: ${round < 0 ? 'warm-up' : `round ${round + 1} of ${rounds}`}`)
    const order = round % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)
    for (const side of order) {
      const measures = await (side === 'ours' ? ours : theirs)()
      if (round >= 0) measured[side].push(measures)
    }
  }
  const over = (a: number, b: number) => (ratio === 'ours/theirs' ? a / b : b / a)
  return of.map(({ name, target, unit: own = unit }, at) => {
    const each = measured.ours.map((measures, round) => over(measures[at]!, measured.theirs[round]![at]!))
    return {
      name,
      what,
      unit: own,
      target,
      rounds,
      ours: median(measured.ours.map(measures => measures[at]!)),
      theirs: median(measured.theirs.map(measures => measures[at]!)),
      ratio: median(each),
      spread: [Math.min(...each), Math.max(...each)],
    }
  })
}

export interface ComparisonWith extends Omit<Comparison, 'target' | 'theirs'> {
  readonly others: readonly { readonly name: string; readonly target: Target; readonly side: Side }[]
}

/** One measure of ours against several others, all of them in each round: a figure for each other. */
export async function compareWith(plan: Plan, comparison: ComparisonWith): Promise<Figure[]> {
  const { name, what, unit, ratio, warmUps = 1, ours, others } = comparison
  const rounds = plan.smoke ? 1 : comparison.rounds
  const sides = [ours, ...others.map(({ side }) => side)]
  const measured: number[][] = sides.map(() => [])
  for (let round = plan.smoke ? 0 : -warmUps; round < rounds; round++) {
    plan.say(`${name}: ${round < 0 ? 'warm-up' : `round ${round + 1} of ${rounds}`}`)
    for (let turn = 0; turn < sides.length; turn++) {
      const at = (turn + Math.max(0, round)) % sides.length
      const measure = await sides[at]!()
      if (round >= 0) measured[at]!.push(measure)
    }
  }
  const over = (a: number, b: number) => (ratio === 'ours/theirs' ? a / b : b / a)
  return others.map(({ name: other, target }, n) => {
    const each = measured[0]!.map((measure, round) => over(measure, measured[n + 1]![round]!))
    return {
      name: `${name} against ${other}`,
      what,
      unit,
      target,
      rounds,
      ours: median(measured[0]!),
      theirs: median(measured[n + 1]!),
      ratio: median(each),
      spread: [Math.min(...each), Math.max(...each)],
    }
  })
}

/** Whether the figure is what it should be; undefined: nothing was asked of it. */
export function meets({ ratio, target }: Figure): boolean | undefined {
  if (target === 'none') return undefined
  return 'atMost' in target ? ratio <= target.atMost : ratio >= target.atLeast
}

/** Nanoseconds for each of `count` pieces of work. */
export function nsEach(count: number, work: () => unknown): number {
  const start = performance.now()
  work()
  return ((performance.now() - start) * 1e6) / count
}

/**
 * Nanoseconds of processor time for each of `count` pieces of work that waits for nothing: what else runs on the host
 * has no part in them.
 */
export function cpuNsEach(count: number, work: () => unknown): number {
  const start = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(start)
  return ((user + system) * 1e3) / count
}

/** Pieces of work a second. */
export async function perSecond(count: number, work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return (count * 1000) / (performance.now() - start)
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which the given share of them lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** What a section computed whose pages were all there: a bench that waits would measure something else. */
export function atOnce<T>(value: T | Promise<T>): T {
  if (value instanceof Promise) throw new Error('a section of the bench missed a page')
  return value
}

/** Holds what a loop computed, so that no compiler leaves the loop out. */
export const sink = { value: 0 }

export const MIB: Bytes = 2 ** 20
