/**
 * `faultline lab`: every interleaving of a scenario on the real engine, under seven designs of the fault path.
 *
 * Exit status   0  it found what it should and nothing else     1  a property was broken, a canary not found, or a file
 *               couldn't be read
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'
import {
  CANARIES,
  type Caught,
  type Explored,
  isExpected,
  type Job,
  type Result,
  readScenario,
  replay,
  runJobs,
  SCENARIOS,
  type Scenario,
  ScenarioError,
  timelineText,
} from '../explore/index.ts'
import { didYouMean } from '../group/index.ts'
import { DISCIPLINES, disciplineNamed } from '../mm/index.ts'
import { crashCommand } from './lab-crash.ts'
import { killCommand } from './lab-kill.ts'
import { compareCommand, runCommand } from './lab-timed.ts'
import { interruptible, Progress } from './terminal.ts'

interface ExploreFlags {
  readonly all?: true
  readonly discipline?: string
  readonly workers: number
  readonly json?: true
}

interface ReplayFlags {
  readonly canary?: string
  readonly output?: string
  readonly json?: true
}

interface CanaryFlags {
  readonly workers: number
  readonly json?: true
}

const STATUS = '\nExit status: 0 nothing is broken that shouldn’t be; 1 something is, or a canary lives.'

export function labCommand(): Command {
  const lab = new Command('lab').description(
    'try the designs of the fault path out: every interleaving, and simulated time',
  )
  lab
    .command('list')
    .description('say what each scenario is about, and which kernel bug or test it comes from')
    .option('--json', 'print the scenarios as JSON')
    .action((flags: { readonly json?: true }) => list(flags))
  lab
    .command('explore')
    .description('explore scenarios completely')
    .argument('[scenario...]', 'names of scenarios, or YAML files with scenarios of your own')
    .option('--all', 'every scenario of the catalogue')
    .addOption(discipline())
    .addOption(workers())
    .option('--json', 'print one row for each exploration as JSON')
    .addHelpText('after', STATUS)
    .action((names: string[], flags: ExploreFlags) => guarded(() => exploreAll(names, flags)))
  lab
    .command('replay')
    .description('run one schedule again, step by step')
    .argument('<scenario>', 'the name of a scenario, or a YAML file')
    .argument('<discipline>', 'the design', disciplineName)
    .argument('<schedule>', 'the schedule, as `explore` prints it; `--` before one that begins with a dash')
    .option('--canary <name>', 'with this bug planted', canaryName)
    .option('--output <file>', 'write the timeline to this file as JSON')
    .option('--json', 'print the timeline as JSON')
    .action((name: string, row: string, schedule: string, flags: ReplayFlags) =>
      guarded(() => replayOne(name, row, schedule, flags)),
    )
  lab
    .command('canaries')
    .description('plant every bug that the lab knows, and see that each is found')
    .addOption(workers())
    .option('--json', 'print one row for each canary as JSON')
    .addHelpText('after', STATUS)
    .action((flags: CanaryFlags) => guarded(() => canaries(flags)))
  for (const command of [crashCommand(), killCommand(), runCommand(), compareCommand()])
    lab.addCommand(command)
  for (const command of lab.commands) command.exitOverride().showSuggestionAfterError()
  return lab
}

function list({ json }: { readonly json?: true }): void {
  if (json) {
    console.log(JSON.stringify(SCENARIOS, null, 2))
    return
  }
  for (const { name, about, from, tasks } of SCENARIOS)
    console.log(`${name}\n    ${about}\n    from   ${from}\n    tasks  ${tasks.join(', ')}\n`)
}

async function exploreAll(names: readonly string[], flags: ExploreFlags): Promise<void> {
  if (names.length === 0 && flags.all === undefined)
    throw new ScenarioError('name a scenario, or say --all; `faultline lab list` shows them')
  const scenarios = flags.all ? SCENARIOS : names.map(scenarioNamed)
  const rows = flags.discipline === undefined ? DISCIPLINES.map(({ name }) => name) : [flags.discipline]
  const jobs = scenarios.flatMap(scenario =>
    rows.map((row): Job => ({ kind: 'explore', scenario, discipline: row })),
  )
  const began = performance.now()
  const found = (await runAll(jobs, flags.workers)) as Explored[]
  const seconds = (performance.now() - began) / 1000
  if (flags.json) console.log(JSON.stringify(found, null, 2))
  else console.log(exploredText(found, seconds))
  if (!found.every(isGood)) process.exitCode = 1
}

async function canaries({ json, workers: count }: CanaryFlags): Promise<void> {
  const jobs = CANARIES.map(({ name }): Job => ({ kind: 'canary', name }))
  const caught = (await runAll(jobs, count)) as Caught[]
  if (json) console.log(JSON.stringify(caught, null, 2))
  else console.log(caughtText(caught))
  if (!caught.every(({ found }) => found)) process.exitCode = 1
}

function replayOne(name: string, row: string, schedule: string, flags: ReplayFlags): void {
  const canary = CANARIES.find(each => each.name === flags.canary)
  const timeline = replay(scenarioNamed(name), disciplineNamed(row)!, schedule, canary)
  if (typeof timeline === 'string') throw new ScenarioError(timeline)
  if (flags.output !== undefined) writeFileSync(flags.output, `${JSON.stringify(timeline, null, 2)}\n`)
  console.log(flags.json ? JSON.stringify(timeline, null, 2) : timelineText(timeline))
}

async function runAll(jobs: readonly Job[], count: number): Promise<Result[]> {
  const progress = new Progress()
  progress.step(`${jobs.length} to do`)
  return await runJobs(jobs, {
    workers: count,
    progress: (done, of) => progress.step(`${done} of ${of}`),
    signal: interruptible(),
  }).finally(() => progress.stop())
}

function isGood({ complete, discipline: row, violations }: Explored): boolean {
  return complete && violations.every(({ property }) => isExpected(property, row))
}

function exploredText(rows: readonly Explored[], seconds: number): string {
  const lines = rows.flatMap(row => [
    `${row.scenario.padEnd(18)} ${row.discipline.padEnd(11)} ${String(row.states).padStart(7)} states ${row.seconds.toFixed(2).padStart(6)} s  ${verdict(row)}`,
    ...row.violations.flatMap(({ property, says, schedule, chain }) => [
      `    ${property}: ${says}  [${schedule}]`,
      ...chain.map(link => `        ${link}`),
    ]),
  ])
  const states = rows.reduce((sum, row) => sum + row.states, 0)
  const bad = rows.filter(row => !isGood(row)).length
  const peak = Math.max(...rows.map(row => row.peakMemoryMiB))
  return [
    ...lines,
    '',
    `${rows.length} explorations, ${states} states in ${seconds.toFixed(1)} s, ${Math.round(states / seconds)} a second; peak memory ${peak} MiB`,
    bad === 0 ? 'nothing is broken that shouldn’t be' : `${bad} explorations found what must not be`,
  ].join('\n')
}

function verdict(row: Explored): string {
  if (!row.complete) return 'not complete'
  if (!isGood(row)) return 'BROKEN'
  return row.violations.length === 0 ? 'nobody waits for I/O that isn’t theirs' : 'others wait for its I/O'
}

function caughtText(rows: readonly Caught[]): string {
  const lines = rows.map(
    ({ canary, found, scenario, discipline: row, property, schedule, states, seconds }) =>
      found
        ? `${canary.padEnd(17)} ${scenario.padEnd(18)} ${row.padEnd(10)} ${property.padEnd(13)} ${schedule.padEnd(16)} ${String(states).padStart(6)} states ${seconds.toFixed(2).padStart(5)} s`
        : `${canary.padEnd(17)} NOT FOUND in ${states} states, ${seconds.toFixed(2)} s`,
  )
  const found = rows.filter(row => row.found).length
  return [...lines, '', `${found} of ${rows.length} canaries found`].join('\n')
}

function scenarioNamed(name: string): Scenario {
  if (/\.ya?ml$/.test(name)) return readScenario(name, readFileSync(name, 'utf8'))
  const found = SCENARIOS.find(scenario => scenario.name === name)
  if (found === undefined) {
    const names = SCENARIOS.map(each => each.name)
    throw new ScenarioError(
      `there is no scenario ${name}${didYouMean(name, names) || '; `faultline lab list` shows them'}`,
    )
  }
  return found
}

/** Runs an action; what is wrong with a scenario is one sentence and status 1. */
async function guarded(action: () => void | Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error
    console.error(`faultline: ${error.message}`)
    process.exitCode = 1
  }
}

function discipline(): Option {
  return new Option('--discipline <name>', 'only under this design').argParser(disciplineName)
}

function workers(): Option {
  return new Option('--workers <n>', 'threads to use')
    .default(availableParallelism(), 'one for each processor')
    .argParser(text => {
      const count = Number(text)
      if (!Number.isInteger(count) || count < 1 || count > 256)
        throw new InvalidArgumentError('expected a whole number from 1 to 256.')
      return count
    })
}

function disciplineName(name: string): string {
  const names = DISCIPLINES.map(each => each.name)
  if (!names.includes(name))
    throw new InvalidArgumentError(`the designs are ${names.join(', ')}${didYouMean(name, names)}.`)
  return name
}

function canaryName(name: string): string {
  const names = CANARIES.map(each => each.name)
  if (!names.includes(name))
    throw new InvalidArgumentError(`no canary is called so${didYouMean(name, names)}.`)
  return name
}
