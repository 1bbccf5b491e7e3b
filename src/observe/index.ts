/**
 * Traces of real kernels: finds the waits for an mm's lock that are priority inversions, and says who made whom wait.
 *
 *     files, live buffers -> readers -> records -> Analysis -> Account
 *                                                          \-> scenes -> report, Perfetto file, replay in the engine
 *
 * The readers are trace's, which knows the forms; the analysis knows nothing of forms. live.ts reads the buffers of this kernel.
 */
export {
  type Account,
  Analysis,
  type AnalysisOptions,
  type AskDaemon,
  type Cause,
  type Certainty,
  type DaemonWait,
  type HolderTotals,
  type Inversion,
  type Link,
  type LockTotals,
  type Missing,
  type Stretches,
  type ToldByDaemon,
  type WorstWait,
} from './analysis.ts'
export { type AnalyzedFile, type AnalyzedFiles, analyze } from './analyze.ts'
export { type Daemons, type LiveOptions, observeLive } from './live.ts'
export { readTrace } from './open.ts'
export { type PageParts, reportOf, timelinesOf } from './page.ts'
export { type RecorderOptions, recorderScript } from './recorder.ts'
export { assertReadableTwice, type Moment, momentsOf, readScenes, type Scene } from './scene.ts'
export { accountText, doubtText, filesText, inversionText, underWayText, watchedText } from './sentences.ts'
export { type WhatIf, type WhatIfOptions, type WhatIfWait, whatIf } from './what-if.ts'
export { whatIfText } from './what-if-text.ts'
