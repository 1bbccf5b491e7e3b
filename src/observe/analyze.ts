/** From trace files to one account: reads each, in the order given, into one analysis. */
import type { ReadOptions, ReadResult } from '../trace/index.ts'
import { type Account, Analysis, type AnalysisOptions } from './analysis.ts'
import { type Doubt, doubtOf } from './doubt.ts'
import { readTrace } from './open.ts'

export interface AnalyzedFile extends ReadResult {
  readonly path: string
}

export interface AnalyzedFiles extends Account, Doubt {
  readonly files: readonly AnalyzedFile[]
}

/** Several files are parts of one trace, earliest first, as a rotated log is. */
export async function analyze(
  paths: readonly string[],
  options: AnalysisOptions,
  reading: ReadOptions = {},
): Promise<AnalyzedFiles> {
  const analysis = new Analysis(options)
  const files: AnalyzedFile[] = []
  for (const path of paths) files.push({ path, ...(await readTrace(path, analysis.take, reading)) })
  const account = analysis.finish()
  return { ...doubtOf(account, files, options.thresholdMs), ...account, files }
}
