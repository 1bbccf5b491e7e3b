/**
 * Holds what `npm run bench -- --json` measured against what it measured before, of an earlier release perhaps:
 *
 *     npm run bench:compare -- docs/benches/0.1.0 bench.json
 *
 * A figure is worse if its median lies beyond the spread of the earlier one, in the direction that its target calls bad, by
 * more than NOISE. Figures without a target are told and not judged. Ratios of one host don't hold for another: if the two
 * were measured on different machines, that is said first.
 *
 * Exit status   0  nothing is worse     1  something is     2  wrong words, or a file that isn't of the bench
 */
import { pathToFileURL } from 'node:url'
import { type Measured, readMeasured } from './bench-files.ts'

/** Chosen: what the medians of two runs on one quiet machine were seen to differ by. */
const NOISE = 0.1

export interface Change {
  readonly name: string
  readonly before: number
  readonly after: number
  readonly verdict: 'worse' | 'better' | 'same' | 'not judged' | 'gone' | 'new'
}

export function changes(before: Measured, after: Measured): Change[] {
  const left = new Map(before.benches.map(each => [`${each.bench}: ${each.name}`, each]))
  const found = after.benches.map((now): Change => {
    const name = `${now.bench}: ${now.name}`
    const then = left.get(name)
    left.delete(name)
    const { ratio } = now
    if (then === undefined) return { name, before: Number.NaN, after: ratio, verdict: 'new' }
    return { name, before: then.ratio, after: ratio, verdict: verdictOf(then, ratio, now.target) }
  })
  for (const [name, { ratio }] of left)
    found.push({ name, before: ratio, after: Number.NaN, verdict: 'gone' })
  return found
}

function verdictOf(
  then: Measured['benches'][number],
  ratio: number,
  target: Measured['benches'][number]['target'],
) {
  if (target === 'none') return 'not judged'
  const above = ratio > Math.max(then.high, then.ratio * (1 + NOISE))
  const below = ratio < Math.min(then.low, then.ratio * (1 - NOISE))
  if (!above && !below) return 'same'
  return above === 'atMost' in target ? 'worse' : 'better'
}

function main(): void {
  const [older, newer, ...rest] = process.argv.slice(2)
  if (older === undefined || newer === undefined || rest.length > 0)
    wrong(
      'expected two files that `npm run bench -- --json` has printed, or directories of such files: the earlier one, then the later one',
    )
  const [before, after] = [read(older), read(newer)]
  if (before.machine[0] !== after.machine[0])
    console.log(
      `two machines, so ratios may differ for that alone:\n  ${before.machine[0]}\n  ${after.machine[0]}\n`,
    )
  const found = changes(before, after)
  const wide = Math.max(...found.map(({ name }) => name.length))
  for (const { name, before: then, after: now, verdict } of found)
    console.log(`${name.padEnd(wide)}  ${shown(then)}  ${shown(now)}  ${verdict}`)
  process.exitCode = found.some(({ verdict }) => verdict === 'worse') ? 1 : 0
}

function shown(ratio: number): string {
  return (Number.isNaN(ratio) ? '-' : ratio.toFixed(2)).padStart(8)
}

function read(path: string): Measured {
  try {
    return readMeasured(path)
  } catch (error) {
    return wrong((error as Error).message)
  }
}

function wrong(what: string): never {
  console.error(`bench:compare: ${what}`)
  process.exit(2)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
