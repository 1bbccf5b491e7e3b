/** What a demo has shown, in words and in a table for a terminal of 80 columns. */
import type { DemoResult } from './demo.ts'
import type { SceneResult } from './scene.ts'

/** The point, in a sentence: the worst design against `restart`, or against the best that was played. */
export function sentenceOf({ disciplines, rate }: DemoResult): string {
  const byMax = [...disciplines].sort((a, b) => a.monitor.maxMs - b.monitor.maxMs)
  const best = disciplines.find(each => each.name === 'restart') ?? byMax[0]!
  const worst = byMax.at(-1)!
  const limit = `${(rate / 2 ** 20).toFixed(1)} MiB/s`
  if (worst === best) return `Under ${best.name} the monitor's slowest ps took ${ms(best.monitor.maxMs)}.`
  const times = Math.round(worst.monitor.maxMs / Math.max(0.001, best.monitor.maxMs))
  return (
    `While a batch job limited to ${limit} stored to a mapped file, the slowest ps of a protected monitor took ` +
    `${ms(worst.monitor.maxMs)} under \`${worst.name}\` and ${ms(best.monitor.maxMs)} under \`${best.name}\`, ` +
    `${times} times less; the batch job wrote at ${percent(best, worst)} of the speed.`
  )
}

function percent(best: SceneResult, worst: SceneResult): string {
  return `${Math.round((100 * best.batch.bytesPerSecond) / Math.max(1, worst.batch.bytesPerSecond))} %`
}

export function tableOf({ disciplines }: DemoResult): string {
  const head = ['discipline', 'monitor p50', 'p99', 'max', 'app p99', 'mapper max', 'batch', 'io under lock']
  const rows = disciplines.map(({ name, monitor, app, mapper, batch, faults }) => [
    name,
    ms(monitor.p50Ms),
    ms(monitor.p99Ms),
    ms(monitor.maxMs),
    ms(app.p99Ms),
    ms(mapper.maxMs),
    `${(batch.bytesPerSecond / 2 ** 20).toFixed(1)} MiB/s`,
    String(faults.ioUnderLock),
  ])
  return columns(head, rows)
}

/** A table for a terminal: the first column to the left, the others to the right. */
export function columns(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map(row => row[column]!.length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
  return [line(head), ...rows.map(line)].join('\n')
}

export function ms(value: number): string {
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`
  if (value >= 10) return `${value.toFixed(0)} ms`
  return value >= 1 ? `${value.toFixed(1)} ms` : `${value.toFixed(2)} ms`
}
