/**
 * The command line: words in, words out.
 *
 * Exit status   0 it did what was asked · 1 it ran, and what it looked for was found or failed · 2 the words were wrong
 *               130 Ctrl-C · 143 SIGTERM · 129 SIGHUP · 141 nobody reads the output any more
 *
 * An error is a sentence on standard error; with --json it is `{ "error": { "code", "message" } }` there.
 */
import { getSystemErrorMessage } from 'node:util'
import { CommanderError } from 'commander'
import { errorJson, program } from './program.ts'
import { isInterrupted, printableLines, statusOfSignal } from './terminal.ts'
import { WrongWords } from './words.ts'

function statusOf(error: unknown, isJson: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof Error && (error.name === 'AbortError' || codeOf(error) === 'ABORT_ERR'))
    return statusOfSignal()
  if (!isTold(error)) throw error
  process.stderr.write(
    isJson
      ? errorJson(codeOf(error), sentenceOf(error))
      : `faultline: ${printableLines(sentenceOf(error))}\n`,
  )
  return error instanceof WrongWords ? 2 : 1
}

/** What the host refused is told as where it was, and why. */
function sentenceOf(
  error: Error & { readonly errno?: number; readonly path?: string; readonly dest?: string },
): string {
  const { errno, path, dest } = error
  if (OURS.has(error.name) || errno === undefined) return error.message
  const where = [path, dest].filter(each => each !== undefined).join(' to ')
  return `${where === '' ? '' : `${where}: `}${getSystemErrorMessage(errno)} (${codeOf(error)})`
}

function codeOf(error: Error): string {
  if (error instanceof WrongWords) return 'ERR_WORDS'
  return 'code' in error && typeof error.code === 'string' ? error.code : 'ERR_INPUT'
}

/** By name, so that the rooms that they are of needn't be loaded for every command. */
const OURS: ReadonlySet<string> = new Set(['FaultlineError', 'WrongWords', 'ScenarioError'])

/** Ours, or what the host refused: a file that isn't there, a directory that may not be written. */
function isTold(error: unknown): error is Error {
  return error instanceof Error && (OURS.has(error.name) || ('code' in error && 'syscall' in error))
}

/** `faultline help lab run` and `faultline lab help run` are `faultline lab run --help`. */
function helpFirst(words: readonly string[]): string[] {
  const place = words.indexOf('help')
  // Behind the names of a program and its command it is a path, or another argument.
  return place === 0 || place === 1 ? [...words.toSpliced(place, 1), '--help'] : [...words]
}

// Whoever reads our output has read enough: `| head`. The shell's status for SIGPIPE.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (isInterrupted()) return
    if (error.code === 'EPIPE') process.exit(141)
    if (stream === process.stdout) process.stderr.write(`faultline: standard output: ${error.message}\n`)
    process.exit(1)
  })

// A command that waits for what keeps no process alive would end with 0, as if it had done what was asked.
function endedEarly(): void {
  process.stderr.write(
    'faultline: the process ended before the command had done its work, which is a defect of faultline\n',
  )
  process.exitCode = 1
}
process.once('beforeExit', endedEarly)

const words = helpFirst(process.argv.slice(2))
try {
  await (await program(words)).parseAsync(words, { from: 'user' })
} catch (error) {
  process.exitCode = statusOf(error, words.includes('--json'))
}
process.off('beforeExit', endedEarly)
