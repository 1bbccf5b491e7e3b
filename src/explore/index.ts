/**
 * The engine itself under an exhaustive scheduler: every interleaving, where the competing kernel designs run side by side.
 *
 * explorer.ts is the search; machine.ts what is searched; properties.ts and monitor.ts what must be true of it; key.ts
 * tells its states apart; canaries.ts has the bugs that must be found. The scenarios are a room of their own, and so is the
 * rewinding that makes it fast.
 */
export { CANARIES, type Canary } from './canaries.ts'
export { type Exploration, explore, exploreEach, isExpected, type Violation } from './explorer.ts'
export { type Caught, type Explored, type Job, type Result, runJobs } from './job.ts'
export { replay, type Timeline, timelineText } from './timeline.ts'
