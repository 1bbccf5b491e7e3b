/**
 * `faultline observe`: finds mmap_lock priority inversions in a trace, or on the running kernel.
 *
 * Exit status   0  the trace was read to its end, whatever was found     1  it, or the kernel, could not be read
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { DISCIPLINES } from '../mm/index.ts'
import {
  type Account,
  accountText,
  analyze,
  assertReadableTwice,
  filesText,
  type Inversion,
  inversionText,
  momentsOf,
  observeLive,
  readScenes,
  reportOf,
  timelinesOf,
  whatIf,
  whatIfText,
} from '../observe/index.ts'
import { perfettoTrace, renderPage, type Timeline } from '../report/index.ts'
import { TraceError } from '../trace/index.ts'

const FAILED = 1
const PROGRESS_EVERY_MS = 200

interface AnalyzeFlags {
  readonly json?: true
  readonly threshold: number
}

interface FileFlags extends AnalyzeFlags {
  readonly out?: string
  readonly perfetto?: string
  readonly whatIf?: string
  readonly kernelDiscipline?: string
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
  const observe = new Command('observe').description('find mmap_lock priority inversions in kernel traces')
  observe
    .command('analyze')
    .description(
      'find them in the text of tracefs, perf script or trace-cmd report, or in a trace.dat, gzipped or not',
    )
    .argument('<file...>', 'trace files; several are parts of one trace, earliest first')
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
    .option('--out <file>', 'write a page to look at: report.html')
    .option('--perfetto <file>', 'write the worst moments for ui.perfetto.dev')
    .option('--json', 'print the whole account as JSON')
    .addHelpText('after', STATUS)
    .action((files: string[], flags: FileFlags) => run(signal => analyzeFiles(files, flags, signal)))
  observe
    .command('live')
    .description('find them on the running kernel, as root')
    .option('--pid <n>', 'only waits by this process, or for its memory; may be repeated', collectPid)
    .addOption(new Option('--all', 'all processes; the default').conflicts('pid'))
    .option('--seconds <s>', 'stop after so long; otherwise at Ctrl-C', positive)
    .addOption(threshold())
    .option('--watch', 'print each inversion when it ends; with --json one object a line')
    .option('--exec <command>', 'run this by the shell for each inversion, with its JSON on standard input')
    .addOption(
      new Option('--buffer-kb <n>', 'memory for events, of each CPU; raise it when events are lost')
        .default(4096)
        .argParser(wholeNumber),
    )
    .option('--json', 'print the whole account as JSON at the end')
    .addHelpText('after', STATUS)
    .action((flags: LiveFlags) => run(signal => watchKernel(flags, signal)))
  for (const command of observe.commands) command.exitOverride().showSuggestionAfterError()
  return observe
}

const STATUS =
  '\nExit status: 0 the trace was read, whatever was found; 1 it, or the kernel, could not be read.'

async function analyzeFiles(files: readonly string[], flags: FileFlags, signal: AbortSignal): Promise<void> {
  if (flags.kernelDiscipline !== undefined && flags.whatIf === undefined)
    throw new TraceError('--kernel-discipline says what to compare with; expected --what-if beside it')
  const isReadTwice = flags.out !== undefined || flags.perfetto !== undefined || flags.whatIf !== undefined
  if (isReadTwice) assertReadableTwice(files)
  const progress = process.stderr.isTTY ? progressLine() : null
  const reading = { signal, ...(progress === null ? {} : { onProgress: progress.show }) }
  const thresholdMs = flags.threshold
  try {
    const account = await analyze(files, { thresholdMs }, reading)
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
      write(flags.out, [renderPage(report)])
    }
    if (flags.perfetto !== undefined) writePerfetto(flags.perfetto, timelines)
    progress?.clear()
    if (flags.json) printJson(answer === null ? account : { ...account, whatIf: answer })
    else {
      const said = answer === null ? '' : `\n${whatIfText(answer, thresholdMs)}`
      process.stdout.write(`${filesText(account.files)}\n${accountText(account, thresholdMs)}${said}`)
    }
  } finally {
    progress?.clear()
  }
}

function writePerfetto(path: string, timelines: readonly Timeline[]): void {
  if (timelines.length === 0)
    throw new TraceError(`there is no inversion to show, so ${path} was not written; lower --threshold`)
  write(path, perfettoTrace(timelines))
}

function write(path: string, chunks: Iterable<string | Uint8Array>): void {
  try {
    const file = openSync(path, 'w')
    for (const chunk of chunks) writeSync(file, chunk as string)
    closeSync(file)
  } catch (error) {
    throw new TraceError(
      `${path} can't be written: ${(error as Error).message}; name a file in a folder that exists`,
    )
  }
}

async function watchKernel(flags: LiveFlags, signal: AbortSignal): Promise<void> {
  const account = await observeLive({
    thresholdMs: flags.threshold,
    pids: flags.pid ?? null,
    seconds: flags.seconds ?? null,
    bufferKb: flags.bufferKb,
    signal,
    onStarted: () => {
      const until = flags.seconds === undefined ? 'until Ctrl-C' : `for ${flags.seconds} s`
      process.stderr.write(`observing ${until}\n`)
    },
    onInversion: inversion => {
      if (flags.watch) printInversion(inversion, flags)
      if (flags.exec !== undefined) execute(flags.exec, inversion)
    },
  })
  if (!(flags.watch && flags.json)) print(account, flags)
}

function print(account: Account, flags: AnalyzeFlags): void {
  if (flags.json) printJson(account)
  else process.stdout.write(accountText(account, flags.threshold))
}

function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
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

/** Runs to the end or to Ctrl-C, and turns what happened into an exit status. */
async function run(action: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController()
  const stop = () => controller.abort(new TraceError('stopped'))
  process.once('SIGINT', stop).once('SIGTERM', stop)
  process.stdout.on('error', leaveWhenUnread)
  try {
    await action(controller.signal)
  } catch (error) {
    if (!(error instanceof TraceError)) throw error
    process.stderr.write(`faultline: ${error.message}\n`)
    process.exitCode = FAILED
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

/** A reader such as `head` has seen enough. */
function leaveWhenUnread(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
  process.exit()
}

function progressLine(): {
  readonly show: (bytes: number, total: number) => void
  readonly clear: () => void
} {
  let shown = 0
  return {
    show: (bytes, total) => {
      if (performance.now() - shown < PROGRESS_EVERY_MS) return
      shown = performance.now()
      const part = total > 0 ? `${((100 * bytes) / total).toFixed(0)} %` : `${(bytes / 1e6).toFixed(0)} MB`
      process.stderr.write(`\rreading ${part}\x1b[K`)
    },
    clear: () => process.stderr.write('\r\x1b[K'),
  }
}

const discipline = (flag: string, what: string): Option =>
  new Option(flag, what).choices(DISCIPLINES.map(({ name }) => name))

const threshold = (): Option =>
  new Option('--threshold <time>', 'the shortest wait to report, such as 50ms or 1s')
    .default(50, '50ms')
    .argParser(milliseconds)

function milliseconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s)?$/.exec(text)
  if (match === null) throw new InvalidArgumentError('Expected a time such as 50ms, 1s or 500us.')
  const unit = match[2] ?? 'ms'
  return Number(match[1]) * (unit === 's' ? 1000 : unit === 'us' ? 0.001 : 1)
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('Expected a number of seconds above 0.')
  return value
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text))
    throw new InvalidArgumentError('Expected a whole number from 1 to 9999999.')
  return Number(text)
}

function collectPid(text: string, previous: readonly number[] = []): number[] {
  if (!/^[1-9]\d*$/.test(text))
    throw new InvalidArgumentError('Expected a process id, a whole number above 0.')
  return [...previous, Number(text)]
}
