/** The timed workloads that come with the lab, by name. */
import { INVERSIONS } from './inversions.ts'
import { KERNEL_WORKLOADS } from './kernels.ts'
import { THREAD_WORKLOADS } from './threads.ts'
import type { Workload } from './workload.ts'

export const WORKLOADS: readonly Workload[] = [...INVERSIONS, ...KERNEL_WORKLOADS, ...THREAD_WORKLOADS]

export function workloadNamed(name: string): Workload | undefined {
  return WORKLOADS.find(workload => workload.name === name)
}
