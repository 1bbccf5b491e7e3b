/** From trace files to one account: reads each, in the order given, into one analysis. */
import type { ReadOptions, ReadResult, SeenTask } from '../trace/index.ts'
import { type Account, Analysis, type AnalysisOptions } from './analysis.ts'
import { type Doubt, doubtOf } from './doubt.ts'
import { readTrace } from './open.ts'

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
  const onTask = (task: SeenTask) => analysis.see(task)
  for (const path of paths)
    files.push({ path, ...(await readTrace(path, analysis.take, { ...reading, onTask })) })
  const account = analysis.finish()
  return { ...doubtOf(account, files, options.thresholdMs), ...account, files }
}
