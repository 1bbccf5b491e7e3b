#!/usr/bin/env node
/**
 * Campaigns of endurance, on a terminal: what /proc says of the process before and after each trial.
 *
 * Exit status: 0 nothing was left behind; 1 something was; 2 it was asked for something it doesn't know.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { type Census, kills, Leak, mapsAndUnmaps, pagers, type Trial, terminations } from './endurance.ts'

interface Options {
  readonly maps: number
  readonly pagers: number
  readonly terminations: number
  readonly kills: number
  readonly seed: number
  readonly json?: true
}

function whole(value: string): number {
  const number = Number(value)
  if (Number.isSafeInteger(number) && number >= 0) return number
  throw new InvalidArgumentError('expected a whole number')
}

const options = new Command('npm run endure --')
  .description('Makes and ends things of the hardware MMU many times, and looks for what is left of them.')
  .option('--maps <count>', 'maps and unmaps', whole, 10_000)
  .option('--pagers <count>', 'pagers started and stopped', whole, 1000)
  .option('--terminations <count>', 'workers terminated while they wait for a page', whole, 200)
  .option('--kills <count>', 'processes killed at random', whole, 100)
  .option('--seed <number>', 'where chance begins', whole, 1)
  .option('--json', 'one line of JSON in place of words')
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts<Options>()

const directory = mkdtempSync(join(tmpdir(), 'faultline-endure-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
process.on('SIGINT', () => process.exit(130))
const done: Trial[] = []
const { seed } = options
try {
  for (const [play, count] of [
    [mapsAndUnmaps, options.maps],
    [terminations, options.terminations],
    [kills, options.kills],
    [pagers, options.pagers],
  ] as const) {
    if (count === 0) continue
    const found = await play(count, {
      directory,
      seed,
      progress: at => say(`${play.name}: ${at} of ${count}`),
    })
    say('')
    done.push(found)
    if (options.json === undefined) console.log(sentence(found))
  }
  if (options.json) console.log(JSON.stringify(done))
} catch (error) {
  if (!(error instanceof Leak)) throw error
  console.error(error.message)
  process.exitCode = 1
}

function sentence({ name, count, seconds, before, after }: Trial): string {
  const change = (what: keyof Census) => `${what} ${before[what]} -> ${after[what]}`
  const all = (['descriptors', 'threads', 'memoryFiles', 'mappings', 'resident'] as const).map(change)
  return `${count} ${name} in ${seconds.toFixed(1)} s: ${all.join(', ')}`
}

/** A line that the next one takes the place of; on a terminal only. */
function say(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`)
}
