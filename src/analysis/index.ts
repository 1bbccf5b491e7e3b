/**
 * The analysis of traces: records in, waits for an mm's lock that are priority inversions out, each with its chain.
 *
 *     trace's records -> Analysis -> Account
 *
 * It knows nothing of forms, files or words: trace reads the forms, unpack the files, observe says it to a person.
 */
export {
  type Account,
  Analysis,
  type AnalysisOptions,
  type AskDaemon,
  type Behind,
  type Cause,
  type Certainty,
  type DaemonWait,
  type HolderTotals,
  type Link,
  type LockTotals,
  type Missing,
  type Preemptor,
  type Stretches,
  type ToldByDaemon,
  type WorstWait,
} from './analysis.ts'
export {
  droppedItsLock,
  isInFault,
  isRemoteFault,
  placeOf,
  WAITS_FOR_DEVICE,
  whereOf,
} from './causes.ts'
export { EVENTS } from './chain.ts'
export type { Inversion } from './inversion.ts'
export type { Hold, Wait } from './locks.ts'
export { chainsOfState } from './state.ts'
export type { Runnable, Sleep, Task } from './tasks.ts'
