/** faultline demo: the inversion and its end, on this computer, in under 40 seconds. */
import { Command, Option } from 'commander'
import {
  playDemo,
  playReaders,
  readersSentence,
  readersTable,
  reportOf,
  sentenceOf,
  tableOf,
} from '../demo/index.ts'
import { DISCIPLINES } from '../mm/index.ts'
import { renderPage } from '../report/index.ts'
import { checkOutputs, writeOutput } from './output.ts'
import { explained, interruptible, Progress, printJson, printText, wrap } from './terminal.ts'
import { disciplineName, seconds, several, size } from './words.ts'

interface DemoWords {
  readonly file?: string
  readonly out: string
  readonly seconds: number
  readonly rate: number
  readonly discipline?: readonly string[]
  readonly mmu: string
  readonly json?: boolean
}

const EXAMPLES = [
  'demo',
  'demo --discipline hold restart --seconds 2 --out two.html',
  'demo --mmu hardware',
  'demo --json > figures.json',
]

export function demoCommand(): Command {
  const demo = new Command('demo')
    .option(
      '--file <path>',
      'store to this file instead of one that is made and removed; its content is given back',
    )
    .option('--out <page>', 'where to write the page', 'report.html')
    .option('--seconds <n>', 'how long each discipline plays', seconds(0.5, 600), 4)
    .addOption(
      new Option('--rate <size>', 'how much the batch job may write a second')
        .default(4 * 2 ** 20, '4 MiB')
        .argParser(size(65_536)),
    )
    .option('--discipline <names...>', 'play these only', several(disciplineName))
    .addOption(
      new Option('--mmu <kind>', "software: all disciplines; hardware: the kernel's own readers of /proc")
        .choices(['software', 'hardware'])
        .default('software'),
    )
    .option('--json', 'print the figures as JSON')
    .action(run)
  return explained(demo, EXAMPLES, '0 it was played; 1 this computer refused something.')
}

async function run(words: DemoWords): Promise<void> {
  if (words.mmu === 'hardware') await runReaders(words)
  else await runScenes(words)
}

/** The hardware MMU, and the kernel's own mapping beside it. */
async function runReaders({ seconds, rate, json }: DemoWords): Promise<void> {
  const progress = new Progress()
  try {
    const signal = interruptible()
    const result = await playReaders({ seconds, rate, signal, onSide: side => progress.step(side) })
    progress.stop()
    if (json === true) printJson(result)
    else printText(`${readersTable(result)}\n\n${wrap(readersSentence(result))}`)
  } finally {
    progress.stop()
  }
}

async function runScenes(words: DemoWords): Promise<void> {
  checkOutputs({ '--out': words.out }, [words.file])
  const signal = interruptible()
  const progress = new Progress()
  // The designs of the fault path; what differs in its readers and forks alone is the lab's.
  const usual = DISCIPLINES.filter(({ readers, fork }) => readers === 'mmap' && fork === 'all')
  const names = words.discipline ?? usual.map(each => each.name)
  try {
    const result = await playDemo({
      disciplines: names,
      seconds: words.seconds,
      rate: words.rate,
      file: words.file,
      signal,
      onScene: (name, at) => progress.step(`${at + 1}/${names.length}  ${name}`),
    })
    progress.stop()
    const madeBy = `faultline ${process.argv.slice(2).join(' ')}`.trim()
    writeOutput(words.out, [renderPage(reportOf(result, madeBy))])
    if (words.json === true) {
      const figures = result.disciplines.map(({ name, monitor, app, mapper, batch, faults }) => {
        const { count: reads, ...times } = monitor
        return { name, monitor: { reads, ...times }, app, mapper, batch, faults }
      })
      printJson({ disciplines: figures })
      return
    }
    printText(tableOf(result))
    printText(`\n${wrap(sentenceOf(result).replaceAll('`', ''))}`)
    printText(`\nWho waited for whom: ${words.out}`)
  } finally {
    progress.stop()
  }
}
