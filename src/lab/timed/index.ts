/** Timed runs: the same engine on a simulated clock, with the competing designs side by side. */
export { WORKLOADS, workloadNamed } from './catalogue.ts'
export { DEVICE_NAMES, type DeviceName } from './devices.ts'
export { type Recorded, type RunOptions, type RunResult, runWorkload } from './run.ts'
export type { Workload } from './workload.ts'
