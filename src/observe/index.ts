/**
 * Traces of real kernels: finds the waits for an mm's lock that are priority inversions, and says who made whom wait.
 *
 *     files (unpack), live buffers -> records (trace) -> Analysis (analysis) -> Account
 *                                                            \-> scenes -> report, Perfetto file, replay in the engine
 *
 * live.ts reads the buffers of this kernel.
 */
export { type AnalyzedFile, type AnalyzedFiles, analyze } from './analyze.ts'
export { type Daemons, type LiveOptions, observeLive } from './live.ts'
export { type PageParts, reportOf, timelinesOf } from './page.ts'
export { type RecorderOptions, recorderScript } from './recorder.ts'
export { assertReadableTwice, type Moment, momentsOf, readScenes, type Scene } from './scene.ts'
export { accountText, doubtText, filesText, inversionText, underWayText, watchedText } from './sentences.ts'
export { type WhatIf, type WhatIfOptions, type WhatIfWait, whatIf } from './what-if.ts'
export { whatIfText } from './what-if-text.ts'
