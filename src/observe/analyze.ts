/** From trace files to one account: reads each, in the order given, into one analysis. */

import { type Account, Analysis, type AnalysisOptions } from '../analysis/index.ts'
import {
  Kind,
  type ReadOptions,
  type ReadResult,
  type SeenTask,
  type Sink,
  TraceError,
} from '../trace/index.ts'
import { readTrace } from '../unpack/index.ts'
import { checkAnalysis } from './arguments.ts'
import { type Doubt, doubtOf } from './doubt.ts'

/** Clocks of CPUs differ by less. */
const CLOCKS_NS = 10e6

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
      const sink = files.length === 0 ? analysis.take : after(analysis, path)
      files.push({ path, ...(await readTrace(path, sink, { ...reading, onTask })) })
    } catch (error) {
      if (reading.signal?.aborted !== true || error instanceof TraceError) throw error
      throw new TraceError(`analyze of ${path} was aborted by its caller`, 'ABORT_ERR', error)
    }
  }
  const account = analysis.finish()
  return { ...doubtOf(account, files, options.thresholdMs), ...account, files }
}

/** A later part of a trace: it begins where the one before it ended, or after. */
function after(analysis: Analysis, path: string): Sink {
  let isFirst = true
  return record => {
    if (isFirst && record.kind !== Kind.lost && record.kind !== Kind.wrapped) {
      isFirst = false
      const earlier = analysis.now - record.time
      if (earlier > CLOCKS_NS)
        throw new TraceError(
          `${path} begins ${(earlier / 1e9).toFixed(3)} s before the file in front of it ends; expected parts of one trace, the earliest first, or the files of its CPUs put one behind the other into one`,
        )
    }
    analysis.take(record)
  }
}
