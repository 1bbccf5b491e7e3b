/**
 * `faultline lab`: every interleaving of a scenario on the real engine, under every design of the fault path.
 *
 * Exit status   0  it found what it should and nothing else     1  a property was broken, a canary not found, or a file
 *               couldn't be read     2  the words were wrong
 */
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import {
  CANARIES,
  type Caught,
  type Explored,
  isExpected,
  type Job,
  type Result,
  replay,
  runJobs,
  timelineText,
} from '../explore/index.ts'
import { didYouMean } from '../group/index.ts'
import { DISCIPLINES, disciplineNamed } from '../mm/index.ts'
import { readScenario, SCENARIOS, type Scenario } from '../scenarios/index.ts'
import { crashCommand } from './lab-crash.ts'
import { compareCommand, runCommand } from './lab-timed.ts'
import { validateCommand } from './lab-validate.ts'
import { checkOutputs, writeOutput } from './output.ts'
import { explained, interruptible, Progress, printJson, printText } from './terminal.ts'
import { disciplineName, nameOf, WrongWords, workers } from './words.ts'

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

const STATUS = '0 nothing is broken that shouldn’t be; 1 something is, or a canary lives.'

export function labCommand(): Command {
  const lab = new Command('lab')
  const list = lab
    .command('list')
    .description('say what each scenario is about, and which kernel bug or test it comes from')
    .option('--json', 'print the scenarios as JSON')
    .action((flags: { readonly json?: true }) => listAll(flags))
  explained(list, ['lab list', 'lab list --json'])
  const explore = lab
    .command('explore')
    .description('explore scenarios completely')
    .argument('[scenario...]', 'names of scenarios, or YAML files with scenarios of your own')
    .option('--all', 'every scenario of the catalogue')
    .addOption(new Option('--discipline <name>', 'only under this discipline').argParser(disciplineName))
    .addOption(workers())
    .option('--json', 'print one row for each exploration as JSON')
    .action((names: string[], flags: ExploreFlags) => exploreAll(names, flags))
  explained(
    explore,
    [
      'lab explore --all',
      'lab explore mkwrite-fork-proc --discipline linux-6.4',
      'lab explore mine.yaml --json',
    ],
    STATUS,
  )
  const replay = lab
    .command('replay')
    .description('run one schedule again, step by step')
    .argument('<scenario>', 'the name of a scenario, or a YAML file')
    .argument('<discipline>', 'the discipline', disciplineName)
    .argument('<schedule>', 'the schedule, as `explore` prints it; `--` before one that begins with a dash')
    .addOption(new Option('--canary <name>', 'with this bug planted').argParser(canaryName))
    .option('--output <file>', 'write the timeline to this file as JSON')
    .option('--json', 'print the timeline as JSON')
    .action((name: string, row: string, schedule: string, flags: ReplayFlags) =>
      replayOne(name, row, schedule, flags),
    )
  explained(replay, ['lab replay mkwrite-fork-proc linux-6.4 abcd'])
  const planted = lab
    .command('canaries')
    .description('plant every bug that the lab knows, and see that each is found')
    .addOption(workers())
    .option('--json', 'print one row for each canary as JSON')
    .action((flags: CanaryFlags) => canaries(flags))
  explained(planted, ['lab canaries'], STATUS)
  for (const command of [crashCommand(), runCommand(), compareCommand(), validateCommand()])
    lab.addCommand(command)
  return lab
}

function listAll({ json }: { readonly json?: true }): void {
  if (json) {
    printJson(SCENARIOS)
    return
  }
  for (const { name, about, from, tasks } of SCENARIOS)
    printText(`${name}\n    ${about}\n    from   ${from}\n    tasks  ${tasks.join(', ')}\n`)
}

async function exploreAll(names: readonly string[], flags: ExploreFlags): Promise<void> {
  if (names.length === 0 && flags.all === undefined)
    throw new WrongWords('name a scenario, or say --all; `faultline lab list` shows them')
  if (names.length > 0 && flags.all !== undefined)
    throw new WrongWords(`--all is every scenario of the catalogue; leave it out, or leave ${names[0]} out`)
  const scenarios = flags.all ? SCENARIOS : names.map(scenarioNamed)
  const rows = flags.discipline === undefined ? DISCIPLINES.map(({ name }) => name) : [flags.discipline]
  const jobs = scenarios.map((scenario): Job => ({ kind: 'explore', scenario, disciplines: rows }))
  const began = performance.now()
  const found = ((await runAll(jobs, flags.workers)) as Explored[][]).flat()
  const seconds = (performance.now() - began) / 1000
  if (flags.json) printJson(found)
  else printText(exploredText(found, seconds))
  if (!found.every(isGood)) process.exitCode = 1
}

async function canaries({ json, workers: count }: CanaryFlags): Promise<void> {
  const jobs = CANARIES.map(({ name }): Job => ({ kind: 'canary', name }))
  const caught = (await runAll(jobs, count)) as Caught[]
  if (json) printJson(caught)
  else printText(caughtText(caught))
  if (!caught.every(({ found }) => found)) process.exitCode = 1
}

function replayOne(name: string, row: string, schedule: string, flags: ReplayFlags): void {
  checkOutputs({ '--output': flags.output }, [isFile(name) ? name : undefined])
  const canary = CANARIES.find(each => each.name === flags.canary)
  const timeline = replay(scenarioNamed(name), disciplineNamed(row)!, schedule, canary)
  if (typeof timeline === 'string') throw new WrongWords(timeline)
  if (flags.output !== undefined) writeOutput(flags.output, [`${JSON.stringify(timeline, null, 2)}\n`])
  if (flags.json) printJson(timeline)
  else printText(timelineText(timeline))
}

async function runAll(jobs: readonly Job[], count: number): Promise<Result[]> {
  const progress = new Progress()
  progress.step('explored')
  return await runJobs(jobs, {
    workers: count,
    progress: (done, of) => progress.note(`${done} of ${of}`),
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

/** Of a scenario of one's own. */
function isFile(name: string): boolean {
  return /\.ya?ml$/.test(name)
}

function scenarioNamed(name: string): Scenario {
  if (isFile(name)) return readScenario(name, readFileSync(name, 'utf8'))
  const found = SCENARIOS.find(scenario => scenario.name === name)
  if (found === undefined) {
    const names = SCENARIOS.map(each => each.name)
    throw new WrongWords(
      `there is no scenario ${name}${didYouMean(name, names) || '; `faultline lab list` shows them'}`,
    )
  }
  return found
}

const canaryName = nameOf(
  CANARIES.map(each => each.name),
  'canaries',
)
