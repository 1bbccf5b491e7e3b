/**
 * The engine itself under an exhaustive scheduler: every interleaving, where the competing kernel designs run side by side.
 *
 * explorer.ts is the search; machine.ts what is searched; properties.ts and monitor.ts what must be true of it; key.ts and
 * rewind.ts make it fast; catalogue.ts has the scenarios and canaries.ts the bugs that must be found.
 */
export { CANARIES, type Canary } from './canaries.ts'
export { SCENARIOS } from './catalogue.ts'
export { type Exploration, explore, exploreEach, isExpected, type Violation } from './explorer.ts'
export { type Caught, type Explored, type Job, type Result, runJobs } from './job.ts'
export { Rewinder, type Snapshot } from './rewind.ts'
export type { Scenario } from './scenario.ts'
export { readScenario, ScenarioError, writeScenario } from './scenario-file.ts'
export { replay, type Timeline, timelineText } from './timeline.ts'
