/**
 * The door `faultline/observe`: the analysis of files for programs, and what `faultline observe … --json` prints, as types. The
 * same is published as docs/observe.schema.json, which a test holds against every fixture.
 *
 * Every field is always there; null says that it isn't known.
 */
import type { Account, Inversion } from '../analysis/index.ts'
import type { AnalyzedFiles } from './analyze.ts'
import type { WhatIf } from './what-if.ts'

/** `observe analyze --json`. */
export interface AnalysisJson extends AnalyzedFiles {
  /** With --what-if. */
  readonly whatIf?: WhatIf
}

/** `observe live --json`. */
export type LiveJson = Account

/** A line of `observe live --watch --json`, and what --exec gives its command. */
export type WatchedJson = Inversion

export type {
  Account,
  AskDaemon,
  Behind,
  Cause,
  Certainty,
  DaemonWait,
  HolderTotals,
  Inversion,
  Link,
  LockTotals,
  Missing,
  Preemptor,
  ToldByDaemon,
  WorstWait,
} from '../analysis/index.ts'
export { FaultlineError } from '../base/index.ts'
export { type AnalyzedFile, type AnalyzedFiles, analyze } from './analyze.ts'
export { accountText } from './sentences.ts'
export type { WhatIf, WhatIfWait } from './what-if.ts'
