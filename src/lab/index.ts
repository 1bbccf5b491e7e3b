/**
 * The lab: the engine itself under an exhaustive scheduler, where the competing kernel designs run side by side.
 *
 * explorer.ts is the search; machine.ts what is searched; properties.ts and monitor.ts what must be true of it; key.ts and
 * rewind.ts make it fast; catalogue.ts has the scenarios and canaries.ts the bugs that must be found. timed/ has the workloads on
 * a simulated clock; crash/ crashes volumes at every write.
 */
export { CANARIES, type Canary } from './canaries.ts'
export { SCENARIOS } from './catalogue.ts'
export {
  type Campaign,
  type CampaignOptions,
  runCampaign,
  WORKLOAD_KINDS,
  type WorkloadKind,
} from './crash/campaign.ts'
export { type CrashReplay, type CrashViolation, replayCrash } from './crash/explore.ts'
export { PLANTED, plantedNamed } from './crash/planted.ts'
export { type Exploration, explore, isExpected, type Violation } from './explorer.ts'
export { type Caught, type Explored, type Job, type Result, runJobs } from './job.ts'
export type { Scenario } from './scenario.ts'
export { readScenario, ScenarioError } from './scenario-file.ts'
export { WORKLOADS, workloadNamed } from './timed/catalogue.ts'
export { type CompareOptions, type Comparison, compare } from './timed/compare.ts'
export type { Cost } from './timed/cost.ts'
export { compareReport, timelinesOf } from './timed/page.ts'
export { type Recorded, type RunOptions, type RunResult, runWorkload } from './timed/run.ts'
export { compareSentence, compareText, runText } from './timed/words.ts'
export type { Workload } from './timed/workload.ts'
export { replay, type Timeline, timelineText } from './timeline.ts'
