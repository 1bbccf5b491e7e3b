/**
 * A whole campaign: the bounded workloads, and then random ones, in rounds, until so many states have been seen. What it finds
 * depends on the seed and on the number of states, and not on how many threads there are.
 */
import type { WorkersOptions } from '../workers/index.ts'
import type { Crashed, CrashViolation } from './explore.ts'
import { runJobs } from './job.ts'
import { type Batch, batches, randomBatch } from './workloads.ts'

export const WORKLOAD_KINDS = ['make', 'one', 'two', 'random'] as const
export type WorkloadKind = (typeof WORKLOAD_KINDS)[number]

export interface CampaignOptions extends Partial<Pick<WorkersOptions<Crashed>, 'workers' | 'signal'>> {
  readonly seed: number
  /** Random workloads are added until so many have been seen. */
  readonly states: number
  readonly kinds: readonly WorkloadKind[]
  /** The name of a bug to plant. */
  readonly planted?: string | undefined
  readonly progress?: (says: string) => void
}

export interface Tally {
  workloads: number
  states: number
  distinct: number
  afterwards: number
}

export interface Campaign extends Tally {
  readonly seed: number
  readonly seconds: number
  readonly kinds: Readonly<Partial<Record<WorkloadKind, Tally>>>
  readonly violations: readonly CrashViolation[]
}

/** Batches of a round of random workloads. */
const ROUND = 60

export async function runCampaign(options: CampaignOptions): Promise<Campaign> {
  const { seed, kinds, states } = options
  const began = performance.now()
  const found = new Findings(options)
  await found.crash(batches(kinds, seed))
  for (let next = 0; kinds.includes('random') && found.total.states < states; next += ROUND)
    await found.crash(Array.from({ length: ROUND }, (_, at) => randomBatch(seed, next + at)))
  const seconds = Math.round(performance.now() - began) / 1000
  return { seed, ...found.total, seconds, kinds: found.kinds, violations: found.violations }
}

class Findings {
  readonly total = nothing()
  readonly kinds: Partial<Record<WorkloadKind, Tally>> = {}
  readonly violations: CrashViolation[] = []
  private readonly options: CampaignOptions

  constructor(options: CampaignOptions) {
    this.options = options
  }

  async crash(round: readonly Batch[]): Promise<void> {
    const { planted, workers, signal, progress = () => {} } = this.options
    let states = this.total.states
    const results = await runJobs(
      round.map(batch => ({ batch, planted })),
      {
        ...(workers !== undefined && { workers }),
        signal,
        progress: (done, of, result) => {
          states += result.states
          progress(`${states.toLocaleString('en')} states, batch ${done} of ${of}`)
        },
      },
    )
    results.forEach((result, at) => {
      this.add(round[at]!.kind, result)
    })
  }

  private add(kind: WorkloadKind, { violations, ...counts }: Crashed): void {
    this.kinds[kind] ??= nothing()
    for (const tally of [this.total, this.kinds[kind]]) {
      tally.workloads += counts.workloads
      tally.states += counts.states
      tally.distinct += counts.distinct
      tally.afterwards += counts.afterwards
    }
    this.violations.push(...violations)
  }
}

function nothing(): Tally {
  return { workloads: 0, states: 0, distinct: 0, afterwards: 0 }
}
