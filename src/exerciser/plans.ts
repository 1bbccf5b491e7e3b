/**
 * The worlds that runs are played in. Each has its own trouble: memory that is always full, no swap, large pages, a
 * device that breaks and heals, a device with too few blocks.
 */
import type { Plan } from './operations.ts'

export interface NamedPlan {
  readonly name: string
  readonly plan: Omit<Plan, 'discipline' | 'backend' | 'seed'>
}

const TINY: NamedPlan['plan'] = {
  pageSize: 4096,
  frames: 33,
  swap: true,
  filePages: 32,
  windowPages: 40,
  size: 50_000,
  blocks: null,
  errors: false,
}

const LARGE: NamedPlan['plan'] = {
  ...TINY,
  pageSize: 65_536,
  frames: 25,
  size: 500_000,
  filePages: 16,
  windowPages: 20,
}

export const PLANS: readonly NamedPlan[] = [
  { name: 'tiny', plan: TINY },
  { name: 'roomy', plan: { ...TINY, frames: 257 } },
  { name: 'no-swap', plan: { ...TINY, frames: 49, swap: false } },
  { name: 'large-pages', plan: LARGE },
  { name: 'broken', plan: { ...TINY, errors: true } },
  { name: 'full', plan: { ...TINY, blocks: 20 } },
  { name: 'full-large', plan: { ...LARGE, blocks: 160 } },
]

export function planFor(name: string, chosen: Pick<Plan, 'discipline' | 'backend' | 'seed'>): Plan {
  return { ...PLANS.find(each => each.name === name)!.plan, ...chosen }
}
