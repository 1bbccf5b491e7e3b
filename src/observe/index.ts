/**
 * Traces of real kernels: finds the waits for an mm's lock that are priority inversions, and says who made whom wait.
 *
 *     files, live buffers -> readers -> records -> Analysis -> Account
 *                                                          \-> scenes -> report, Perfetto file, replay in the engine
 *
 * A reader turns one form of trace into records (record.ts); the analysis knows nothing of forms. Readers: text.ts (tracefs,
 * perf script, trace-cmd report), trace-dat.ts (trace.dat 6 and 7), ring.ts (raw buffers, live.ts).
 */
export {
  type Account,
  Analysis,
  type AnalysisOptions,
  type Cause,
  type Certainty,
  type HolderTotals,
  type Inversion,
  type Link,
  type LockTotals,
  type Missing,
  type Stretches,
  type WorstWait,
} from './analysis.ts'
export { type AnalyzedFile, type AnalyzedFiles, analyze } from './analyze.ts'
export { decoders, readFormat } from './format.ts'
export { Kallsyms } from './kallsyms.ts'
export { type LiveOptions, observeLive } from './live.ts'
export { readTrace } from './open.ts'
export { type PageParts, reportOf, timelinesOf } from './page.ts'
export type { ReadOptions, ReadResult } from './reading.ts'
export { emptyRecord, Kind, type Sink, TraceError, type TraceRecord } from './record.ts'
export { type PageSource, readPages } from './ring.ts'
export { assertReadableTwice, type Moment, momentsOf, readScenes, type Scene } from './scene.ts'
export { accountText, filesText, inversionText } from './sentences.ts'
export { TextReader } from './text.ts'
export { type WhatIf, type WhatIfOptions, type WhatIfWait, whatIf } from './what-if.ts'
export { whatIfText } from './what-if-text.ts'
