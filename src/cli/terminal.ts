/** What commands share of the terminal: progress on a line that is written over, and a clean stop on Ctrl-C. */

/** Aborts on the first Ctrl-C, so that a command can put things back; the second ends the process at once. */
export function interruptible(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => {
    controller.abort()
    process.once('SIGINT', () => process.exit(130))
  })
  return controller.signal
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
    const draw = () =>
      process.stderr.write(`\r\u001b[2K${text}  ${this.detail}${((Date.now() - began) / 1000).toFixed(0)} s`)
    draw()
    this.timer = setInterval(draw, 500)
  }

  /** How far it is: shown with the seconds. */
  note(detail: string): void {
    this.detail = `${detail}  `
  }

  stop(): void {
    clearInterval(this.timer)
    if (this.shows) process.stderr.write('\r\u001b[2K')
  }
}
