/**
 * What commands share of the terminal: how wide it is, progress on a line that is written over, JSON, examples in the help,
 * and a clean stop on Ctrl-C.
 */
import type { Command } from 'commander'
import { namesOf, printable } from '../base/index.ts'

/** Wider lines than this are hard to read. */
const COLUMNS_MAX = 100
const COLUMNS_DEFAULT = 80
const DRAW_EVERY_MS = 200

export function columns(): number {
  return Math.max(40, Math.min(process.stdout.columns || COLUMNS_DEFAULT, COLUMNS_MAX))
}

/** Breaks prose where the terminal ends; what is indented stays as it is. */
export function wrap(text: string): string {
  const most = columns() - 1
  const lines: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith(' ')) {
      lines.push(line)
      continue
    }
    let row = ''
    for (const word of line.split(' ')) {
      if (row !== '' && row.length + 1 + word.length > most) {
        lines.push(row)
        row = word
      } else row = row === '' ? word : `${row} ${word}`
    }
    lines.push(row)
  }
  return lines.join('\n')
}

/** Ends the help of a command: command lines that can be copied, and what the exit status says. */
export function explained(command: Command, examples: readonly string[], status?: string): Command {
  const lines = examples.map(line => `  $ faultline ${line}`)
  const text = [
    `\nExamples:\n${lines.join('\n')}`,
    ...(status === undefined ? [] : [`\nExit status: ${status}`]),
  ]
  return command.addHelpText('after', () => text.map(wrap).join('\n'))
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
}

/** Whatever names are in it, it is one line. */
export function printLine(text: string): void {
  process.stdout.write(`${printable(text)}\n`)
}

/** Whatever names are in it, it moves no cursor. */
export function printText(text: string): void {
  process.stdout.write(`${printableLines(text)}\n`)
}

export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

const STATUS_OF_SIGNAL = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const
type Interruption = keyof typeof STATUS_OF_SIGNAL

let interrupted: Interruption | undefined

/**
 * Aborts on the first Ctrl-C, SIGTERM, or SIGHUP of a terminal that is gone, so that a command can put things back; the
 * second ends the process at once.
 * `process.exitCode` is set by who catches the error.
 */
export function interruptible(): AbortSignal {
  const controller = new AbortController()
  const stop = (signal: Interruption) => {
    if (interrupted !== undefined) process.exit(statusOfSignal())
    interrupted = signal
    controller.abort()
  }
  for (const signal of namesOf(STATUS_OF_SIGNAL)) process.on(signal, () => stop(signal))
  return controller.signal
}

/** The shell's status for the signal that interrupted. */
export function statusOfSignal(): number {
  return STATUS_OF_SIGNAL[interrupted ?? 'SIGINT']
}

/** The command puts things back now: that its terminal can't be written to must not end it before. */
export function isInterrupted(): boolean {
  return interrupted !== undefined
}

/** Shows what is going on, on a terminal; in a pipe it says nothing. */
export class Progress {
  private readonly shows = process.stderr.isTTY === true
  private timer: NodeJS.Timeout | undefined
  private detail = ''

  /** Shows `text`, with the seconds since. */
  step(text: string): void {
    if (!this.shows) return
    this.stop()
    this.detail = ''
    const began = Date.now()
    const draw = () => {
      const line = `${text}  ${this.detail}${((Date.now() - began) / 1000).toFixed(0)} s`
      process.stderr.write(
        `\r\u001b[2K${printable(line).slice(0, (process.stderr.columns || COLUMNS_DEFAULT) - 1)}`,
      )
    }
    draw()
    this.timer = setInterval(draw, DRAW_EVERY_MS)
    this.timer.unref()
  }

  /** How far it is: shown with the seconds. */
  note(detail: string): void {
    this.detail = `${detail}  `
  }

  stop(): void {
    if (this.timer === undefined) return
    clearInterval(this.timer)
    this.timer = undefined
    process.stderr.write('\r\u001b[2K')
  }
}
