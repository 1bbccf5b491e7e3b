/**
 * A piece of work for one thread, and what comes of it: a scenario's explorations, or the search for one canary. Both are plain
 * data, so they may be sent to a worker and back.
 */
import { assert } from '../base/index.ts'
import { disciplineNamed } from '../mm/index.ts'
import { SCENARIOS, type Scenario } from '../scenarios/index.ts'
import { inWorkers, type WorkersOptions } from '../workers/index.ts'
import { CANARIES } from './canaries.ts'
import { type Exploration, explore, exploreEach, isExpected } from './explorer.ts'

export type Job =
  | { readonly kind: 'explore'; readonly scenario: Scenario; readonly disciplines: readonly string[] }
  | { readonly kind: 'canary'; readonly name: string }

export interface Explored extends Exploration {
  /** What this one took: what it has in common with one before it was done there. */
  readonly seconds: number
  readonly statesPerSecond: number
  /** Of the whole process, at its end. */
  readonly peakMemoryMiB: number
}

export interface Caught {
  readonly canary: string
  readonly says: string
  readonly found: boolean
  /** The first scenario of the catalogue that finds it; '' if none does. */
  readonly scenario: string
  readonly discipline: string
  readonly property: string
  readonly schedule: string
  /** Seen until then, over all scenarios that were tried. */
  readonly states: number
  readonly seconds: number
}

export type Result = readonly Explored[] | Caught

export function runJob(job: Job): Result {
  switch (job.kind) {
    case 'explore':
      return exploreTimed(job.scenario, job.disciplines)
    case 'canary':
      return catchCanary(job.name)
  }
}

/** Does all jobs, in worker threads where there is more than one. */
export function runJobs(jobs: readonly Job[], options: Partial<WorkersOptions<Result>>): Promise<Result[]> {
  return inWorkers<Job, Result>(import.meta.url, jobs, options)
}

function exploreTimed(scenario: Scenario, disciplines: readonly string[]): Explored[] {
  const rows = disciplines.map(name => {
    const row = disciplineNamed(name)
    assert(row !== undefined, `there is a discipline ${name}`)
    return row
  })
  let began = performance.now()
  const explored: Explored[] = []
  for (const found of exploreEach(scenario, rows)) {
    const seconds = secondsSince(began)
    explored.push({
      ...found,
      seconds,
      statesPerSecond: Math.round(found.states / Math.max(seconds, 1e-6)),
      peakMemoryMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    })
    began = performance.now()
  }
  return explored
}

export function catchCanary(name: string): Caught {
  const began = performance.now()
  const canary = CANARIES.find(each => each.name === name)
  assert(canary !== undefined, `there is a canary ${name}`)
  const row = disciplineNamed(canary.under)!
  let states = 0
  for (const scenario of SCENARIOS) {
    if (canary.among !== undefined && scenario.volume === undefined) continue
    const found = explore(scenario, row, { canary, stop: 'at the first violation' })
    states += found.states
    const violation = found.violations.find(({ property }) => !isExpected(property, row.name))
    if (violation === undefined) continue
    const { property, schedule } = violation
    return {
      ...blank(),
      found: true,
      scenario: scenario.name,
      property,
      schedule,
      states,
      seconds: secondsSince(began),
    }
  }
  return { ...blank(), states, seconds: secondsSince(began) }

  function blank(): Caught {
    const { says, under } = canary!
    const none = { scenario: '', property: '', schedule: '', states: 0, seconds: 0 }
    return { canary: name, says, found: false, discipline: under, ...none }
  }
}

function secondsSince(began: number): number {
  return Math.round(performance.now() - began) / 1000
}
