/** What of the things that kernels do a workload has, and the same workload on a kernel that lacks some of them. */
import { RESTART } from '../mm/index.ts'
import type { KernelTrait } from './kernel-traits.ts'
import { Stage } from './stage.ts'
import type { Workload } from './workload.ts'

/** What its stage asked for when it was set. */
export function traitsOf({ cast, memory, bioBytesMax, without = [] }: Workload): ReadonlySet<KernelTrait> {
  const watcher = { began: () => {}, waits: () => {}, resumes: () => {}, ended: () => {} }
  const stage = new Stage({ discipline: RESTART, seed: 1, memory, bioBytesMax, without, watcher })
  cast(stage)
  return stage.traits
}

/** A workload that has none of them is as it was. */
export function leaveOut(workload: Workload, traits: readonly KernelTrait[]): Workload {
  if (traits.length === 0) return workload
  const has = traitsOf(workload)
  const left = traits.filter(trait => has.has(trait))
  if (left.length === 0) return workload
  const without = [...new Set([...(workload.without ?? []), ...left])]
  return { ...workload, without, about: `${workload.about} Left out: ${without.join(', ')}.` }
}
