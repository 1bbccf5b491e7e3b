/** Watchers of a machine that write down who waited for whom, and how long; and quantiles of latencies. */
export { type LockWait, LockWaits } from './lock-waits.ts'
export { ProgramTrace } from './program-trace.ts'
export { type Latencies, quantile, summarize } from './quantiles.ts'
export { Recorder } from './recorder.ts'
