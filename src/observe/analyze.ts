/** From trace files to one account: reads each, in the order given, into one analysis. */
import { type ReadOptions, type ReadResult, type SeenTask, TraceError } from '../trace/index.ts'
import { type Account, Analysis, type AnalysisOptions } from './analysis.ts'
import { checkAnalysis } from './arguments.ts'
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
 *
 * Errors: FaultlineError; EINVAL for arguments that make no sense, EBADMSG for a file that is no whole trace, ABORT_ERR for
 * a signal, else what the host has said of a file.
 */
export async function analyze(
  paths: readonly string[],
  options: AnalysisOptions,
  reading: ReadOptions = {},
): Promise<AnalyzedFiles> {
  checkAnalysis(paths, options, reading)
  const analysis = new Analysis(options)
  const files: AnalyzedFile[] = []
  const onTask = (task: SeenTask) => analysis.see(task)
  for (const path of paths) {
    try {
      files.push({ path, ...(await readTrace(path, analysis.take, { ...reading, onTask })) })
    } catch (error) {
      if (reading.signal?.aborted !== true || error instanceof TraceError) throw error
      throw new TraceError(`analyze of ${path} was aborted by its caller`, 'ABORT_ERR', error)
    }
  }
  const account = analysis.finish()
  return { ...doubtOf(account, files, options.thresholdMs), ...account, files }
}
