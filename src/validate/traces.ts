/**
 * Traces of kernels elsewhere in place of experiments here: what each waiter of the worst moments waited, and what they
 * wait in the model when everybody arrives, holds and reads as in the trace (src/observe/what-if.ts).
 */
import { analyze, momentsOf, readScenes, type Scene, timelinesOf, whatIf } from '../observe/index.ts'
import type { Timeline } from '../report/index.ts'
import { TraceError } from '../trace/index.ts'
import { errorOf, rounded, STALL, type Validated } from './validate.ts'

/** Any will do: only what the kernel's own says is asked for. */
const OTHER = 'restart'

export interface TracesOptions {
  /** The rate of clocks whose times have no point. */
  readonly clockHz?: number
  readonly onStep: (name: string, at: number, of: number) => void
  readonly signal: AbortSignal
}

export interface ValidatedTraces {
  /** What is wrong with those that couldn't be read; they have no row. */
  readonly unread: readonly TraceError[]
  readonly rows: readonly Validated[]
  /** The moments that were replayed. */
  readonly timelines: readonly Timeline[]
}

export async function validateTraces(
  paths: readonly string[],
  { onStep, ...reading }: TracesOptions,
): Promise<ValidatedTraces> {
  const rows: Validated[] = []
  const timelines: Timeline[] = []
  const unread: TraceError[] = []
  for (const [at, path] of paths.entries()) {
    onStep(path, at + 1, paths.length)
    try {
      const { row, scenes } = await traceOf(path, reading)
      rows.push(row)
      for (const [moment, timeline] of timelinesOf(scenes).entries())
        timelines.push({
          ...timeline,
          id: `trace-${at + 1}-moment-${moment + 1}`,
          title: `${path}: ${timeline.title}`,
        })
    } catch (error) {
      if (!(error instanceof TraceError)) throw error
      unread.push(error)
    }
  }
  return { rows, timelines, unread }
}

async function traceOf(
  path: string,
  reading: Omit<TracesOptions, 'onStep'>,
): Promise<{ readonly row: Validated; readonly scenes: readonly Scene[] }> {
  const account = await analyze([path], { thresholdMs: STALL }, reading)
  const scenes = await readScenes([path], momentsOf(account, STALL), reading)
  const { waits, kernelDiscipline } = whatIf(scenes, {
    discipline: OTHER,
    kernelDiscipline: null,
    thresholdMs: STALL,
  })
  const stalls = waits.filter(({ observedMs, replayedMs }) => Math.max(observedMs, replayedMs) > STALL)
  const name = `trace ${path}`
  const row =
    stalls.length > 0
      ? rowOf(`${name}, ${kernelDiscipline}`, stalls)
      : { experiment: name, readers: [], kernelMs: [], modelMs: [], ...nothingIn(account) }
  return { row, scenes }
}

type Stall = ReturnType<typeof whatIf>['waits'][number]

function rowOf(experiment: string, stalls: readonly Stall[]): Validated {
  const kernelMs = stalls.map(({ observedMs }) => rounded(observedMs))
  const modelMs = stalls.map(({ replayedMs }) => rounded(replayedMs))
  const readers = stalls.map(({ comm, tid, lock }) => `${comm} (${tid}), ${lock}`)
  return { experiment, readers, kernelMs, modelMs, error: errorOf(kernelMs, modelMs) }
}

function nothingIn({
  openWaits,
  inversions,
  conclusive,
  doubts,
}: Awaited<ReturnType<typeof analyze>>): Pick<Validated, 'error' | 'says'> {
  if (openWaits.some(({ from }) => from === 'state'))
    return {
      error: null,
      says: 'the model has no answer: a dump says who waits at one moment, and neither since when nor for how long',
    }
  if (!conclusive) return { error: null, says: `the model has no answer: ${doubts[0]}` }
  if (inversions.length > 0)
    return { error: null, says: 'the model has no answer: nothing around its waits can be replayed' }
  return { error: 0, says: `nobody waits for more than ${STALL} ms behind another, on either` }
}
