/** faultline lab run and lab compare: workloads on a simulated clock, under one design or under all. */
import { Command, Option } from 'commander'
import { DISCIPLINES, type Discipline, RESTART } from '../mm/index.ts'
import { perfettoTrace, renderPage } from '../report/index.ts'
import {
  compare,
  compareReport,
  compareSentence,
  compareText,
  KERNEL_TRAITS,
  type KernelTrait,
  leaveOut,
  runText,
  runWorkload,
  timelinesOf,
  traitsOf,
  WORKLOADS,
  type Workload,
  workloadNamed,
} from '../timed/index.ts'
import { checkOutputs, writeOutput } from './output.ts'
import { explained, interruptible, Progress, printJson, printText } from './terminal.ts'
import { disciplineNamed, nameOf, seconds, seed, several, WrongWords } from './words.ts'

interface RunWords {
  readonly discipline: Discipline
  readonly seed: number
  readonly seconds?: number
  readonly without: readonly KernelTrait[]
  readonly json?: boolean
}

interface CompareWords {
  readonly workload?: readonly Workload[]
  readonly discipline?: readonly Discipline[]
  readonly seed: number
  readonly without: readonly KernelTrait[]
  readonly out: string
  readonly trace?: string
  readonly json?: boolean
}

const TRAITS = `What can be left out of what kernels do:\n${listed(Object.entries(KERNEL_TRAITS))}`

export function runCommand(): Command {
  const command = new Command('run')
    .description('play one workload on a simulated clock under one discipline')
    .argument('<workload>', 'its name; the list is below', workload)
    .addOption(
      new Option('--discipline <name>', 'the design of the fault path')
        .argParser(disciplineNamed)
        .default(RESTART, RESTART.name),
    )
    .addOption(seed('chance: the same seed gives the same run'))
    .option('--seconds <n>', 'simulated time, instead of what the workload says', seconds(0.1, 600))
    .addOption(without())
    .option('--json', 'print the figures as JSON')
    .addHelpText(
      'after',
      `\nWorkloads:\n${listed(WORKLOADS.map(({ name, about }) => [name, about]))}\n\n${TRAITS}`,
    )
    .action(run)
  return explained(command, [
    'lab run page-mkwrite-fork --discipline linux-6.4',
    'lab run threads-forks --seed 7 --json',
  ])
}

export function compareCommand(): Command {
  const command = new Command('compare')
    .description('play every workload under every discipline, and make a page of it')
    .option('--workload <names...>', 'play these only', several(workload))
    .option('--discipline <names...>', 'play these only', several(disciplineNamed))
    .addOption(seed('chance: the same seed gives the same figures'))
    .addOption(without())
    .option('--out <page>', 'where to write the page', 'report.html')
    .option('--trace <file>', 'write the timelines for ui.perfetto.dev too')
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', `\n${TRAITS}`)
    .action(runCompare)
  return explained(command, [
    'lab compare --out report.html --trace stalls.perfetto-trace',
    'lab compare --workload page-mkwrite-fork --discipline linux-6.4 restart',
    'lab compare --workload fsync-inode-lock --without inode-lock',
    'lab compare --json > figures.json',
  ])
}

async function run(played: Workload, words: RunWords): Promise<void> {
  checkLeftOut([played], words.without)
  const progress = new Progress()
  progress.step(`${played.name}, ${words.discipline.name}`)
  try {
    const { result } = await runWorkload({
      workload: leaveOut(played, words.without),
      discipline: words.discipline,
      seed: words.seed,
      seconds: words.seconds ?? played.seconds,
      signal: interruptible(),
    })
    progress.stop()
    if (words.json !== true) {
      printText(runText(result))
      return
    }
    const { monitor, ...rest } = result
    const { count: reads, ...times } = monitor
    printJson({ ...rest, monitor: { reads, ...times } })
  } finally {
    progress.stop()
  }
}

async function runCompare(words: CompareWords): Promise<void> {
  const { workload: workloads = WORKLOADS, without } = words
  checkLeftOut(workloads, without)
  checkOutputs({ '--out': words.out, '--trace': words.trace }, [])
  const progress = new Progress()
  const disciplines = (words.discipline ?? DISCIPLINES).map(({ name }) => name)
  try {
    const comparison = await compare({
      workloads: workloads.map(each => leaveOut(each, without)),
      disciplines,
      seed: words.seed,
      signal: interruptible(),
      onRun: (text, at, of) => progress.step(`${at}/${of}  ${text}`),
    })
    progress.stop()
    const madeBy = `faultline ${process.argv.slice(2).join(' ')}`.trim()
    writeOutput(words.out, [renderPage(compareReport(comparison, madeBy))])
    if (words.trace !== undefined) writeOutput(words.trace, perfettoTrace(timelinesOf(comparison)))
    const { results, costs } = comparison
    if (words.json === true) {
      printJson({ results, costs })
      return
    }
    printText(compareText(results, disciplines))
    printText(`\n${compareSentence(results).replaceAll('`', '')}`)
    printText(`\nThe page: ${words.out}${words.trace === undefined ? '' : `, the trace: ${words.trace}`}`)
  } finally {
    progress.stop()
  }
}

/** Each has to be left out of one of them. */
function checkLeftOut(workloads: readonly Workload[], without: readonly KernelTrait[]): void {
  if (without.length === 0) return
  const has = new Set(workloads.flatMap(each => [...traitsOf(each)]))
  for (const trait of without)
    if (!has.has(trait))
      throw new WrongWords(
        `--without ${trait}: ${workloads.map(({ name }) => name).join(', ')} has none; ${has.size === 0 ? 'leave out --without' : `what can be left out there: ${[...has].join(', ')}`}`,
      )
}

function without(): Option {
  const what = nameOf(Object.keys(KERNEL_TRAITS), 'things that kernels do')
  return new Option('--without <what...>', 'leave out something that kernels do; the list is below')
    .argParser(several(text => what(text) as KernelTrait))
    .default([], 'nothing')
}

function workload(text: string): Workload {
  const names = WORKLOADS.map(({ name }) => name)
  return workloadNamed(nameOf(names, 'workloads')(text))!
}

function listed(rows: readonly (readonly [name: string, about: string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, about]) => `  ${name.padEnd(width)}  ${about}`).join('\n')
}
