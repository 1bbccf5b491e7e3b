/** Timed runs: the same engine on a simulated clock, with the competing designs side by side. */
export { WORKLOADS, workloadNamed } from './catalogue.ts'
export { type CompareOptions, type Comparison, compare } from './compare.ts'
export type { Cost } from './cost.ts'
export { leaveOut, traitsOf } from './leave-out.ts'
export { compareReport, timelinesOf } from './page.ts'
export { type Recorded, type RunOptions, type RunResult, runWorkload } from './run.ts'
export { compareSentence, compareText, runText } from './words.ts'
export { KERNEL_TRAITS, type KernelTrait, type Workload } from './workload.ts'
