/**
 * The worlds that runs are played in. Each has its own trouble: memory that is always full, no swap, large pages, a
 * device that breaks and heals, a device with too few blocks, a volume whose files share them.
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
  volume: null,
  files: 1,
  errors: false,
}

/** Three files that share what they can, in memory that is always full. */
const VOLUME: NamedPlan['plan'] = { ...TINY, filePages: 16, size: 0, blocks: 400, volume: 'cached', files: 3 }

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
  { name: 'volume', plan: VOLUME },
  { name: 'volume-full', plan: { ...VOLUME, blocks: 24 } },
  { name: 'volume-broken', plan: { ...VOLUME, errors: true } },
  { name: 'dax', plan: { ...VOLUME, volume: 'dax' } },
  { name: 'dax-full', plan: { ...VOLUME, blocks: 24, volume: 'dax' } },
  { name: 'dax-broken', plan: { ...VOLUME, volume: 'dax', errors: true } },
]

export function planFor(name: string, chosen: Pick<Plan, 'discipline' | 'backend' | 'seed'>): Plan {
  return { ...PLANS.find(each => each.name === name)!.plan, ...chosen }
}
