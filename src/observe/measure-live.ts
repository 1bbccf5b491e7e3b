/**
 * What observing costs the observed: a process that does nothing but page faults, with `observe live` and without, in turns.
 *
 *     node src/observe/measure-live.ts [--rounds 7]        as root, on Linux
 *
 * Compared is the CPU time of a fault, which other processes on the machine disturb least, by the median of the rounds'
 * ratios: the two runs of a round are neighbours in time.
 */
import { spawn, spawnSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { observeLive } from './live.ts'
import { LOAD } from './load.suite.ts'

export interface LiveCost {
  /** Microseconds of CPU time a fault, medians. */
  readonly without: number
  readonly observed: number
  /** The median round's, in percent. */
  readonly percent: number
  readonly faults: number
}

const SECONDS = '1'

export async function measureLive(rounds: number): Promise<LiveCost> {
  const without: number[] = []
  const observed: number[] = []
  let faults = 0
  const run = async (into: number[]) => {
    const load = await faultLoad()
    into.push((load.cpuSec * 1e6) / load.faults)
    faults += load.faults
  }
  for (let round = 0; round < rounds; round++) {
    await run(without)
    await whileObserved(() => run(observed))
  }
  const ratios = observed.map((each, at) => each / without[at]!)
  return {
    without: median(without),
    observed: median(observed),
    percent: 100 * (median(ratios) - 1),
    faults,
  }
}

async function whileObserved(use: () => Promise<void>): Promise<void> {
  const controller = new AbortController()
  let using: Promise<void> = Promise.resolve()
  await observeLive({
    thresholdMs: 50,
    pids: null,
    seconds: null,
    bufferKb: 4096,
    signal: controller.signal,
    onStarted: () => {
      using = use().finally(() => controller.abort())
    },
  })
  await using
}

async function faultLoad(): Promise<{ readonly faults: number; readonly cpuSec: number }> {
  const child = spawn('python3', [LOAD, 'faults', '/', SECONDS], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  for await (const text of child.stdout) said += text
  return JSON.parse(said) as { faults: number; cpuSec: number }
}

const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[all.length >> 1]!

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' } } })
  if (spawnSync('python3', ['--version']).status !== 0) throw new Error('this measurement needs python3')
  const { without, observed, percent, faults } = await measureLive(Number(values.rounds))
  console.log(
    `${faults} page faults; ${without.toFixed(3)} us of CPU a fault, ${observed.toFixed(3)} us observed: ${percent.toFixed(1)} % (median of ${values.rounds} rounds)`,
  )
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
