/** faultline lab run and lab compare: workloads on a simulated clock, under one design or under all. */
import fs from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { didYouMean } from '../group/index.ts'
import { DISCIPLINES, type Discipline, disciplineNamed, RESTART } from '../mm/index.ts'
import { perfettoTrace, renderPage } from '../report/index.ts'
import {
  compare,
  compareReport,
  compareSentence,
  compareText,
  runText,
  runWorkload,
  timelinesOf,
  WORKLOADS,
  type Workload,
  workloadNamed,
} from '../timed/index.ts'
import { interruptible, Progress } from './terminal.ts'

interface RunWords {
  readonly discipline: Discipline
  readonly seed: number
  readonly seconds?: number
  readonly json?: boolean
}

interface CompareWords {
  readonly workload?: readonly Workload[]
  readonly discipline?: readonly Discipline[]
  readonly seed: number
  readonly out: string
  readonly trace?: string
  readonly json?: boolean
}

export function runCommand(): Command {
  return new Command('run')
    .description('play one workload on a simulated clock under one discipline')
    .argument('<workload>', 'its name; the list is below', workload)
    .addOption(
      new Option('--discipline <name>', 'the design of the fault path')
        .argParser(discipline)
        .default(RESTART, RESTART.name),
    )
    .option('--seed <n>', 'chance: the same seed gives the same run', seed, 1)
    .option('--seconds <n>', 'simulated time, instead of what the workload says', seconds)
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', `\nWorkloads:\n${listed()}`)
    .action(run)
}

export function compareCommand(): Command {
  return new Command('compare')
    .description('play every workload under every discipline, and make a page of it')
    .option('--workload <names...>', 'play these only', (text, before?: readonly Workload[]) => [
      ...(before ?? []),
      workload(text),
    ])
    .option('--discipline <names...>', 'play these only', (text, before?: readonly Discipline[]) => [
      ...(before ?? []),
      discipline(text),
    ])
    .option('--seed <n>', 'chance: the same seed gives the same figures', seed, 1)
    .option('--out <page>', 'where to write the page', 'report.html')
    .option('--trace <file>', 'write the timelines for ui.perfetto.dev too')
    .option('--json', 'print the figures as JSON')
    .action(runCompare)
}

async function run(played: Workload, words: RunWords): Promise<void> {
  const progress = new Progress()
  progress.step(`${played.name}, ${words.discipline.name}`)
  try {
    const { result } = await runWorkload({
      workload: played,
      discipline: words.discipline,
      seed: words.seed,
      seconds: words.seconds ?? played.seconds,
      signal: interruptible(),
    })
    progress.stop()
    if (words.json !== true) {
      console.log(runText(result))
      return
    }
    const { monitor, ...rest } = result
    const { count: reads, ...times } = monitor
    console.log(JSON.stringify({ ...rest, monitor: { reads, ...times } }, undefined, 2))
  } finally {
    progress.stop()
  }
}

async function runCompare(words: CompareWords): Promise<void> {
  const progress = new Progress()
  const disciplines = (words.discipline ?? DISCIPLINES).map(({ name }) => name)
  try {
    const comparison = await compare({
      workloads: words.workload ?? WORKLOADS,
      disciplines,
      seed: words.seed,
      signal: interruptible(),
      onRun: (text, at, of) => progress.step(`${at}/${of}  ${text}`),
    })
    progress.stop()
    const madeBy = `faultline ${process.argv.slice(2).join(' ')}`.trim()
    fs.writeFileSync(words.out, renderPage(compareReport(comparison, madeBy)))
    if (words.trace !== undefined)
      fs.writeFileSync(words.trace, Buffer.concat([...perfettoTrace(timelinesOf(comparison))]))
    const { results, costs } = comparison
    if (words.json === true) {
      console.log(JSON.stringify({ results, costs }, undefined, 2))
      return
    }
    console.log(compareText(results, disciplines))
    console.log(`\n${compareSentence(results).replaceAll('`', '')}`)
    console.log(`\nThe page: ${words.out}${words.trace === undefined ? '' : `, the trace: ${words.trace}`}`)
  } finally {
    progress.stop()
  }
}

function workload(text: string): Workload {
  const found = workloadNamed(text)
  const known = WORKLOADS.map(({ name }) => name)
  if (found === undefined)
    throw new InvalidArgumentError(`expected ${known.join(', ')}${didYouMean(text, known)}.`)
  return found
}

function discipline(text: string): Discipline {
  const found = disciplineNamed(text)
  const known = DISCIPLINES.map(({ name }) => name)
  if (found === undefined)
    throw new InvalidArgumentError(`expected ${known.join(', ')}${didYouMean(text, known)}.`)
  return found
}

function seed(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
    throw new InvalidArgumentError('expected an integer from 0 to 4294967295.')
  return value
}

function seconds(text: string): number {
  const value = Number(text)
  if (!(value >= 0.1 && value <= 600)) throw new InvalidArgumentError('expected 0.1 to 600 seconds.')
  return value
}

function listed(): string {
  const width = Math.max(...WORKLOADS.map(({ name }) => name.length))
  return WORKLOADS.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`).join('\n')
}
