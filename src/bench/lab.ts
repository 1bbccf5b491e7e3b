/**
 * What the lab costs: states of the explorer a second, and how long all that it knows takes.
 *
 * Units    states for each second of this process's CPU time, which a busy host doesn't slow as it does the clock; seconds by
 *          the clock on all processors, as who waits for a command has them.
 */
import { runCampaign, WORKLOAD_KINDS } from '../crash/index.ts'
import { explore, exploreEach, runJobs } from '../explore/index.ts'
import { DISCIPLINES, RESTART } from '../mm/index.ts'
import { SCENARIOS } from '../scenarios/index.ts'
import { type Bench, type Figure, median, type Plan } from './measure.ts'

const ROUNDS = 5
const STATES_ASKED = 40_000
const EXPLORE_SECONDS = 8
const CRASH_SECONDS = 90
/** What `lab crash` sees without --states. */
const CRASH_STATES = 1_000_000

export const explorer: Bench = {
  name: 'explorer',
  about: 'the explorer of interleavings: states for each second of CPU time, and `lab explore --all`',
  async run(plan) {
    const scenarios = SCENARIOS.slice(0, plan.smoke ? 3 : SCENARIOS.length)
    const alone = () => sum(scenarios.map(scenario => explore(scenario, RESTART).states))
    const together = () =>
      sum(scenarios.map(scenario => sum([...exploreEach(scenario, DISCIPLINES)].map(({ states }) => states))))
    const disciplines = DISCIPLINES.map(({ name }) => name)
    const jobs = scenarios.map(scenario => ({ kind: 'explore', scenario, disciplines }) as const)
    return [
      await speed(plan, 'states', 'of the catalogue under nine designs', together),
      await speed(plan, 'states, one design', 'of the catalogue under `restart` alone', alone),
      await time(plan, 'explore --all', 'the catalogue under nine designs', EXPLORE_SECONDS, ROUNDS, () =>
        runJobs(jobs, {}),
      ),
    ]
  },
}

export const crashes: Bench = {
  name: 'crashes',
  about: '`lab crash`: a volume crashed at every write',
  async run(plan) {
    const kinds = plan.smoke ? (['make'] as const) : WORKLOAD_KINDS
    return [
      await time(plan, 'crash', 'the campaign of crashes', CRASH_SECONDS, 1, () =>
        runCampaign({ seed: 1, states: CRASH_STATES, kinds }),
      ),
    ]
  },
}

async function speed(plan: Plan, name: string, what: string, run: () => number): Promise<Figure> {
  const rates: number[] = []
  for (let round = plan.smoke ? 0 : -1; round < (plan.smoke ? 1 : ROUNDS); round++) {
    plan.say(`${name}: round ${round + 1}`)
    const before = process.cpuUsage()
    const states = run()
    const { user, system } = process.cpuUsage(before)
    if (round >= 0) rates.push(states / ((user + system) / 1e6))
  }
  return {
    name,
    unit: '/s',
    target: { atLeast: 1 },
    what: `states ${what} for each second of CPU time, one thread, against ${STATES_ASKED}`,
    ...against(STATES_ASKED, rates),
  }
}

async function time(
  plan: Plan,
  name: string,
  what: string,
  asked: number,
  rounds: number,
  run: () => Promise<unknown>,
): Promise<Figure> {
  const found: number[] = []
  for (let round = 0; round < (plan.smoke ? 1 : rounds); round++) {
    plan.say(`${name}: round ${round + 1}`)
    const began = performance.now()
    await run()
    found.push((performance.now() - began) / 1000)
  }
  return {
    name,
    unit: 's',
    target: { atMost: 1 },
    what: `${what}, on all processors, against ${asked} s`,
    ...against(asked, found),
  }
}

/** What rounds gave, as parts of what was asked. */
function against(asked: number, found: readonly number[]) {
  return {
    ours: median(found),
    theirs: asked,
    ratio: median(found) / asked,
    rounds: found.length,
    spread: [Math.min(...found) / asked, Math.max(...found) / asked] as const,
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
