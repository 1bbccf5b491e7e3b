/**
 * `faultline observe`: finds mmap_lock priority inversions in a trace, or on the running kernel.
 *
 * Exit status   0  the trace was read to its end, whatever was found
 *               1  it, or the kernel, could not be read, or nothing could be concluded from it
 *               2  the words were wrong                                  130  Ctrl-C, before `analyze` had read it all
 */

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { Inversion } from '../analysis/index.ts'
import { messageOf } from '../base/index.ts'
import {
  accountText,
  analyze,
  assertReadableTwice,
  doubtText,
  filesText,
  inversionText,
  momentsOf,
  observeLive,
  type RecorderOptions,
  readScenes,
  recorderScript,
  reportOf,
  timelinesOf,
  underWayText,
  watchedText,
  whatIf,
  whatIfText,
} from '../observe/index.ts'
import { perfettoTrace, renderPage, type Timeline } from '../report/index.ts'
import { TraceError } from '../trace/index.ts'
import { servePage } from '../web/index.ts'
import { DaemonsHere, daemonsIn } from './observe-daemons.ts'
import { checkOutputs, writeOutput } from './output.ts'
import { explained, interruptible, Progress, printJson } from './terminal.ts'
import {
  clockHz,
  count,
  disciplineName,
  milliseconds,
  seconds,
  several,
  shownBytes,
  WrongWords,
} from './words.ts'

const STATUS =
  '0 the trace was read, whatever was found; 1 it, or the kernel, could not be read, or nothing could be concluded from it.'
/** A week: nobody watches longer in one go. */
const SECONDS_MAX = 7 * 24 * 3600

/** From src/cli and from dist/cli alike. */
const SCHEMA = new URL('../../docs/observe.schema.json', import.meta.url)

interface AnalyzeFlags {
  readonly json?: true
  readonly threshold: number
}

interface FileFlags extends AnalyzeFlags {
  readonly out?: string
  readonly perfetto?: string
  readonly whatIf?: string
  readonly kernelDiscipline?: string
  readonly clockHz?: number
  readonly kallsyms?: string
  readonly mountStatus?: readonly string[]
}

interface LiveFlags extends AnalyzeFlags {
  readonly pid?: readonly number[]
  readonly all?: true
  readonly seconds?: number
  readonly watch?: true
  readonly exec?: string
  readonly bufferKb: number
}

export function observeCommand(): Command {
  const observe = new Command('observe')
  const analysis = observe
    .command('analyze', { isDefault: true })
    .description(
      'find them in the text of tracefs, perf script or trace-cmd report, in a trace.dat, or in a dump of hung tasks; packed or pasted',
    )
    .argument('<file...>', 'trace files; several are parts of one trace, earliest first, or of one state')
    .addOption(threshold())
    .addOption(
      discipline(
        '--what-if <discipline>',
        'replay the worst moments, and say what would have been under this one',
      ),
    )
    .addOption(
      discipline('--kernel-discipline <name>', 'the one the kernel had, if the trace doesn’t tell it right'),
    )
    .addOption(clockHz())
    .option('--kallsyms <file>', 'the symbols of the kernel that a perf.data was recorded on')
    .option(
      '--mount-status <file>',
      'what `volume status --json` says of a mount in the trace; may be repeated',
      several(path => path),
    )
    .option('--out <file>', 'write a page to look at: report.html')
    .option('--perfetto <file>', 'write the worst moments for ui.perfetto.dev')
    .option('--json', 'print the whole account as JSON')
    .action((files: string[], flags: FileFlags) => analyzeFiles(files, flags))
  explained(
    analysis,
    [
      'observe analyze trace.txt',
      'observe analyze trace.dat.gz --threshold 10ms --json',
      'observe analyze trace.txt --out report.html --what-if restart',
    ],
    STATUS,
  )
  const live = observe
    .command('live')
    .description('find them on the running kernel, as root')
    .option('--pid <n>', 'only waits by this process, or for its memory; may be repeated', several(count(1)))
    .addOption(new Option('--all', 'all processes; the default').conflicts('pid'))
    .option('--seconds <s>', 'stop after so long; otherwise at Ctrl-C', seconds(0.001, SECONDS_MAX))
    .addOption(threshold())
    .option('--watch', 'print each inversion when it ends; with --json one object a line')
    .option('--exec <command>', 'run this by the shell for each inversion, with its JSON on standard input')
    .addOption(
      new Option('--buffer-kb <n>', 'memory for events, of each CPU; raise it when events are lost')
        .default(4096, '4096, which is 4 MiB')
        .argParser(count(1, 9_999_999)),
    )
    .option('--json', 'print the whole account as JSON at the end')
    .action(watchKernel)
  explained(
    live,
    [
      'observe live --seconds 60 --watch',
      "observe live --pid 1234 --exec 'logger -t faultline'",
      'observe live --watch --json > inversions.ndjson',
    ],
    STATUS,
  )
  const recorder = observe
    .command('recorder')
    .description(
      'print a shell script that records the same where there is no Node: sh record.sh FILE, as root',
    )
    .addOption(
      new Option('--seconds <s>', 'for how long it records, if it is not told another')
        .default(60, '60')
        .argParser(count(1, SECONDS_MAX)),
    )
    .addOption(
      new Option('--buffer-kb <n>', 'memory for events, of each CPU')
        .default(8192, '8192, which is 8 MiB')
        .argParser(count(1, 9_999_999)),
    )
    .action((options: RecorderOptions) => {
      process.stdout.write(recorderScript(options))
    })
  explained(
    recorder,
    ['observe recorder --seconds 30 > record.sh', 'observe recorder | ssh root@host sh -s -- /tmp/trace.txt'],
    '0 the script was printed.',
  )
  const page = observe
    .command('open')
    .description(
      'open the page faultline.html in a browser of this machine, with these files; it reads them itself, and sends nothing',
    )
    .argument('[file...]', 'trace files or dumps')
    .option('--no-browser', 'only print the address')
    .option('--json', 'print the address as JSON')
    .action(openPage)
  explained(
    page,
    ['observe open trace.dat', 'observe open', 'observe open --no-browser dmesg.txt'],
    '0 it was closed by Ctrl-C; 1 a file could not be read.',
  )
  const schema = observe
    .command('schema')
    .description('print the JSON schema of what --json prints')
    .action(() => {
      process.stdout.write(readFileSync(SCHEMA, 'utf8'))
    })
  explained(schema, ['observe schema > observe.schema.json'], '0 the schema was printed.')
  return observe
}

async function analyzeFiles(files: readonly string[], flags: FileFlags): Promise<void> {
  if (flags.kernelDiscipline !== undefined && flags.whatIf === undefined)
    throw new WrongWords('--kernel-discipline says what to compare with; expected --what-if beside it')
  const { mountStatus = [] } = flags
  const inputs = [...files, flags.kallsyms, ...mountStatus]
  checkOutputs({ '--out': flags.out, '--perfetto': flags.perfetto }, inputs)
  const isReadTwice = flags.out !== undefined || flags.perfetto !== undefined || flags.whatIf !== undefined
  if (isReadTwice) assertReadableTwice(files)
  const progress = new Progress()
  progress.step('reading')
  const onProgress = (bytes: number, total: number) =>
    progress.note(total > 0 ? `${((100 * bytes) / total).toFixed(0)} %` : shownBytes(bytes))
  const reading = {
    signal: interruptible(),
    onProgress,
    ...(flags.clockHz === undefined ? {} : { clockHz: flags.clockHz }),
    ...(flags.kallsyms === undefined ? {} : { kallsyms: readSymbols(flags.kallsyms) }),
  }
  const thresholdMs = flags.threshold
  try {
    const account = await analyze(files, { thresholdMs, askDaemon: daemonsIn(mountStatus) }, reading)
    const scenes = isReadTwice ? await readScenes(files, momentsOf(account, thresholdMs), reading) : []
    const answer =
      flags.whatIf === undefined
        ? null
        : whatIf(scenes, {
            discipline: flags.whatIf,
            kernelDiscipline: flags.kernelDiscipline ?? null,
            thresholdMs,
          })
    const timelines = timelinesOf(scenes)
    if (flags.out !== undefined) {
      const madeBy = `faultline ${process.argv.slice(2).join(' ')}`
      const report = reportOf({ account, timelines, whatIf: answer, thresholdMs, madeBy })
      writeOutput(flags.out, [renderPage(report)])
    }
    if (flags.perfetto !== undefined) writePerfetto(flags.perfetto, timelines)
    progress.stop()
    if (!account.conclusive) process.exitCode = 1
    if (flags.json) printJson(answer === null ? account : { ...account, whatIf: answer })
    else {
      const said = answer === null ? '' : `\n${whatIfText(answer, thresholdMs)}`
      process.stdout.write(
        `${doubtText(account)}${filesText(account.files)}\n${accountText(account, thresholdMs)}${said}`,
      )
    }
  } finally {
    progress.stop()
  }
}

async function openPage(
  files: readonly string[],
  flags: { readonly browser: boolean; readonly json?: true },
): Promise<void> {
  const serving = await servePage(files)
  const { address } = serving
  const signal = interruptible()
  if (flags.json) printJson({ address })
  else process.stdout.write(`${address}\n`)
  if (flags.browser) browse(address)
  if (process.stderr.isTTY) process.stderr.write('Ctrl-C ends it\n')
  if (!signal.aborted)
    await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  await serving.close()
}

/** Where there is no browser the address was printed. */
function browse(address: string): void {
  const opener = { darwin: 'open', win32: 'explorer' }[process.platform as string] ?? 'xdg-open'
  const child = spawn(opener, [address], { stdio: 'ignore', detached: true })
  child.on('error', () => {})
  child.unref()
}

function readSymbols(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    throw new TraceError(`${path} can't be read: ${messageOf(error)}; expected a copy of /proc/kallsyms`)
  }
}

function writePerfetto(path: string, timelines: readonly Timeline[]): void {
  if (timelines.length === 0)
    throw new TraceError(`there is no inversion to show, so ${path} was not written; lower --threshold`)
  writeOutput(path, perfettoTrace(timelines))
}

async function watchKernel(flags: LiveFlags): Promise<void> {
  const account = await observeLive({
    thresholdMs: flags.threshold,
    pids: flags.pid ?? null,
    seconds: flags.seconds ?? null,
    bufferKb: flags.bufferKb,
    signal: interruptible(),
    daemons: new DaemonsHere(),
    onStarted: underWay => {
      if (flags.watch && flags.json) for (const each of underWay) printInversion(each, flags)
      else if (flags.watch) process.stdout.write(underWayText(underWay))
      const until = flags.seconds === undefined ? 'until Ctrl-C' : `for ${flags.seconds} s`
      if (process.stderr.isTTY) process.stderr.write(`observing ${until}\n`)
    },
    onInversion: inversion => {
      if (flags.watch) printInversion(inversion, flags)
      if (flags.exec !== undefined) execute(flags.exec, inversion)
    },
  })
  if (flags.watch && flags.json) return
  if (flags.json) printJson(account)
  // What was told when it ended isn't told again.
  else process.stdout.write((flags.watch ? watchedText : accountText)(account, flags.threshold))
}

function printInversion(inversion: Inversion, flags: AnalyzeFlags): void {
  process.stdout.write(
    flags.json ? `${JSON.stringify(inversion)}\n` : `${inversionText(inversion).join('\n')}\n\n`,
  )
}

function execute(command: string, inversion: Inversion): void {
  const child = spawn(command, { shell: true, stdio: ['pipe', 'inherit', 'inherit'] })
  child.on('error', error => process.stderr.write(`faultline: "${command}" can't be run: ${error.message}\n`))
  // A command that doesn't read its input closes the pipe; that is its right.
  child.stdin.on('error', () => {})
  child.stdin.end(`${JSON.stringify(inversion)}\n`)
}

const discipline = (flag: string, what: string): Option => new Option(flag, what).argParser(disciplineName)

const threshold = (): Option =>
  new Option('--threshold <time>', 'the shortest wait to report, such as 50ms or 1s')
    .default(50, '50ms')
    .argParser(milliseconds)
