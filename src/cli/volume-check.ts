/** faultline volume check and dump: what is wrong with a volume, what can be mended, and what it holds, record by record. */
import { Command, Option } from 'commander'
import { printable } from '../base/index.ts'
import { dumpVolume, volumeBlockSize } from '../volumes/index.ts'
import { explained, interruptible, Progress, printJson, printLine } from './terminal.ts'
import { ask, refuseMounted, refuseShared, withMachine } from './volume-open.ts'
import { shownBytes } from './words.ts'

interface CheckWords {
  readonly repair?: true
  readonly metadata?: true
  readonly json?: true
}

export function checkCommand(): Command {
  const command = new Command('check')
    .description(
      'recompute everything that a volume says of itself, read all its data, and say what is wrong',
    )
    .argument('<volume>')
    .addOption(new Option('--metadata', "don't read the data").conflicts('repair'))
    .option('--repair', 'mend what can be mended without guessing, and say what was given up')
    .option('--json', 'print what was found as JSON')
    .action(check)
  return explained(
    command,
    ['volume check data.vol', 'volume check data.vol --metadata --json', 'volume check data.vol --repair'],
    '0 nothing is wrong; 1 something is, or it could not be read.',
  )
}

export function dumpCommand(): Command {
  const command = new Command('dump')
    .description('print every record of the metadata, a line each')
    .argument('<volume>')
    .option('--json', 'print each as a line of JSON')
    .action(dump)
  return explained(command, ['volume dump data.vol', 'volume dump data.vol --json | grep inode'])
}

async function check(path: string, words: CheckWords): Promise<void> {
  const start = performance.now()
  const progress = new Progress()
  progress.step(`${words.repair ? 'repair' : 'check'} of ${path}`)
  const options = {
    signal: interruptible(),
    progress: (bytes: number) => progress.note(`${shownBytes(bytes)} read`),
  }
  try {
    if (words.repair) {
      refuseShared('check --repair')
      refuseMounted(path)
      const repaired = await withMachine(volumeBlockSize(path), machine =>
        machine.repairVolume(path, options),
      )
      progress.stop()
      const { wrong, givenUp } = repaired
      if (words.json === true)
        printJson({ volume: path, ...repaired, seconds: (performance.now() - start) / 1000 })
      else if (wrong.length === 0) printLine(`${path}: nothing is wrong`)
      else {
        for (const sentence of wrong) printLine(`was wrong: ${sentence}`)
        for (const sentence of givenUp) printLine(`given up: ${sentence}`)
        printLine(
          `${path}: mended; ${givenUp.length === 0 ? 'nothing was' : `${givenUp.length} things were`} given up`,
        )
      }
      return
    }
    const data = words.metadata ? 'metadata only' : 'with data'
    const { report, noted } = await ask(path, 'check', { data }, 'r', async volume => {
      const noted = [...volume.damage]
      return { report: await volume.check({ ...options, data }), noted }
    })
    progress.stop()
    const { wrong, files, directories, extents, compared } = report
    if (wrong.length + noted.length > 0) process.exitCode = 1
    const seconds = (performance.now() - start) / 1000
    if (words.json === true) {
      printJson({ volume: path, wrong, noted, files, directories, extents, compared, seconds })
      return
    }
    const told = new Set([...wrong, ...noted])
    for (const sentence of told) printLine(sentence)
    printLine(
      `${path}: ${told.size === 0 ? 'nothing is wrong' : `${told.size} things are wrong; --repair mends what can be mended`}; ${files} files, ${directories} directories, ${extents} extents, ${compared} blocks compared in ${seconds.toFixed(2)} s`,
    )
  } finally {
    progress.stop()
  }
}

async function dump(path: string, { json }: { readonly json?: true }): Promise<void> {
  refuseShared('dump')
  for (const record of dumpVolume(path)) {
    const line =
      json === true
        ? JSON.stringify(record)
        : 'damage' in record
          ? `!  ${record.damage}`
          : `${record.key.padEnd(24)} ${record.what}`
    if (!process.stdout.write(`${printable(line)}\n`))
      await new Promise(resolve => process.stdout.once('drain', resolve))
  }
}
