/** faultline demo: the inversion and its end, on this computer, in under 40 seconds. */
import fs from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import {
  playDemo,
  playReaders,
  readersSentence,
  readersTable,
  reportOf,
  sentenceOf,
  tableOf,
} from '../demo/index.ts'
import { didYouMean, parseBytes, SettingError } from '../group/index.ts'
import { DISCIPLINES } from '../mm/index.ts'
import { renderPage } from '../report/index.ts'
import { interruptible, Progress } from './terminal.ts'

interface DemoWords {
  readonly file?: string
  readonly out: string
  readonly seconds: number
  readonly rate: number
  readonly discipline?: readonly string[]
  readonly mmu: string
  readonly json?: boolean
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('play the experiment under each lock discipline on a real file, and compare')
    .option(
      '--file <path>',
      'store to this file instead of one that is made and removed; its content is given back',
    )
    .option('--out <page>', 'where to write the page', 'report.html')
    .option('--seconds <n>', 'how long each discipline plays', seconds, 4)
    .option('--rate <size>', 'bytes a second that the batch job may write', rate, 4 * 2 ** 20)
    .option('--discipline <names...>', 'play these only', disciplines)
    .addOption(
      new Option('--mmu <kind>', "software: all disciplines; hardware: the kernel's own readers of /proc")
        .choices(['software', 'hardware'])
        .default('software'),
    )
    .option('--json', 'print the figures as JSON')
    .action(run)
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
    if (json === true) console.log(JSON.stringify(result, undefined, 2))
    else console.log(`${readersTable(result)}\n\n${wrap(readersSentence(result))}`)
  } finally {
    progress.stop()
  }
}

async function runScenes(words: DemoWords): Promise<void> {
  fs.closeSync(fs.openSync(words.out, 'a'))
  const signal = interruptible()
  const progress = new Progress()
  const names = words.discipline ?? DISCIPLINES.map(each => each.name)
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
    fs.writeFileSync(words.out, renderPage(reportOf(result, madeBy)))
    if (words.json === true) {
      const figures = result.disciplines.map(({ name, monitor, app, mapper, batch, faults }) => {
        const { count: reads, ...times } = monitor
        return { name, monitor: { reads, ...times }, app, mapper, batch, faults }
      })
      console.log(JSON.stringify({ disciplines: figures }, undefined, 2))
      return
    }
    console.log(tableOf(result))
    console.log(`\n${wrap(sentenceOf(result).replaceAll('`', ''))}`)
    console.log(`\nWho waited for whom: ${words.out}`)
  } finally {
    progress.stop()
  }
}

function seconds(text: string): number {
  const value = Number(text)
  if (!(value >= 0.5 && value <= 600)) throw new InvalidArgumentError('expected 0.5 to 600 seconds.')
  return value
}

function rate(text: string): number {
  try {
    const value = parseBytes(text, 'rate')
    if (value < 65_536) throw new InvalidArgumentError("expected at least '64 KiB' a second.")
    return value
  } catch (error) {
    throw error instanceof SettingError ? new InvalidArgumentError(error.message) : error
  }
}

function disciplines(text: string, before: readonly string[] = []): readonly string[] {
  const known = DISCIPLINES.map(each => each.name)
  if (!known.includes(text))
    throw new InvalidArgumentError(`expected ${known.join(', ')}${didYouMean(text, known)}`)
  return [...before, text]
}

function wrap(text: string): string {
  return text.replace(/(.{1,79})(\s|$)/g, '$1\n').trimEnd()
}
