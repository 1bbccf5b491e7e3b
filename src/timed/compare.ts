/**
 * The catalogue of timed workloads under every discipline, one run after the other, and what is drawn from it.
 *
 * Of the timelines the one with the longest stall of a workload is kept, and the one of `restart` beside it. Where
 * what Linux does today is as bad as the worst, it is drawn.
 */
import { DISCIPLINES, RESTART } from '../mm/index.ts'
import type { Timeline } from '../report/index.ts'
import { type Cost, measureCosts } from './cost.ts'
import { type Recorded, type RunResult, runWorkload } from './run.ts'
import type { Workload } from './workload.ts'

export interface CompareOptions {
  readonly workloads: readonly Workload[]
  readonly disciplines: readonly string[]
  readonly seed: number
  readonly signal: AbortSignal
  readonly onRun: (words: string, at: number, of: number) => void
}

export interface Comparison {
  readonly disciplines: readonly string[]
  readonly workloads: readonly Workload[]
  readonly seed: number
  readonly results: readonly RunResult[]
  /** The latencies of the monitor, sorted, by `key`. */
  readonly monitorNs: ReadonlyMap<string, readonly number[]>
  /** For each workload: its longest stall, then `restart`. */
  readonly timelines: ReadonlyMap<string, readonly Timeline[]>
  readonly costs: readonly Cost[]
}

export function key({ workload, name }: Pick<RunResult, 'workload' | 'name'>): string {
  return `${workload}-${name}`
}

export async function compare(options: CompareOptions): Promise<Comparison> {
  const { workloads, disciplines, seed, signal, onRun } = options
  const rows = DISCIPLINES.filter(({ name }) => disciplines.includes(name))
  const results: RunResult[] = []
  const monitorNs = new Map<string, readonly number[]>()
  const timelines = new Map<string, readonly Timeline[]>()
  const of = workloads.length * rows.length
  for (const workload of workloads) {
    const recorded: Recorded[] = []
    for (const discipline of rows) {
      onRun(`${workload.name}, ${discipline.name}`, results.length + 1, of)
      const { seconds } = workload
      const one = await runWorkload({ workload, discipline, seed, seconds, signal })
      recorded.push(one)
      results.push(one.result)
      monitorNs.set(
        key(one.result),
        [...one.monitorNs].sort((a, b) => a - b),
      )
    }
    timelines.set(workload.name, worthDrawing(recorded))
  }
  onRun('what a fault costs', of, of)
  const costs = await measureCosts(rows, signal)
  return { disciplines, workloads, seed, results, monitorNs, timelines, costs }
}

function worthDrawing(recorded: readonly Recorded[]): readonly Timeline[] {
  if (recorded.every(({ result }) => result.monitor.count === 0)) return []
  const longest = Math.max(...recorded.map(({ result }) => result.monitor.maxMs))
  const worst = recorded.filter(({ result }) => result.monitor.maxMs >= 0.99 * longest)
  const drawnWorst = worst.find(({ result }) => result.name === 'linux-6.4') ?? worst[0]!
  const ours = recorded.find(({ result }) => result.name === RESTART.name)
  const drawn = [drawnWorst, ours].filter(each => each !== undefined)
  return [...new Set(drawn)].map(({ result, timeline }) => ({ ...timeline, sharedScale: result.workload }))
}
