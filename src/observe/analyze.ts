/** From trace files to one account: reads each, in the order given, into one analysis. */
import type { ReadOptions, ReadResult, SeenTask } from '../trace/index.ts'
import { type Account, Analysis, type AnalysisOptions } from './analysis.ts'
import { behindOf } from './behind.ts'
import { type Doubt, doubtOf } from './doubt.ts'
import { readTrace } from './open.ts'
import { chainsOfState, NO_HISTORY } from './state.ts'

export interface AnalyzedFile extends ReadResult {
  readonly path: string
}

export interface AnalyzedFiles extends Account, Doubt {
  readonly files: readonly AnalyzedFile[]
}

/**
 * Several files are parts of one trace, earliest first, as a rotated log is. Dumps of tasks are seen together as one state; their
 * chains are told among the waits still open.
 */
export async function analyze(
  paths: readonly string[],
  options: AnalysisOptions,
  reading: ReadOptions = {},
): Promise<AnalyzedFiles> {
  const analysis = new Analysis(options)
  const files: AnalyzedFile[] = []
  const tasks: SeenTask[] = []
  const onTask = (task: SeenTask) => tasks.push(task)
  for (const path of paths)
    files.push({ path, ...(await readTrace(path, analysis.take, { ...reading, onTask })) })
  const account = withState(analysis.finish(), tasks)
  return { ...doubtOf(account, files, options.thresholdMs), ...account, files }
}

function withState(account: Account, tasks: readonly SeenTask[]): Account {
  if (tasks.length === 0) return account
  const openWaits = [...account.openWaits, ...chainsOfState(tasks)]
  return {
    ...account,
    openWaits,
    behind: behindOf([...account.inversions, ...openWaits]),
    tasksSeen: tasks.length,
    missing: [...(account.trace.records === 0 ? [] : account.missing), NO_HISTORY],
  }
}
