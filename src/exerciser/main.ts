#!/usr/bin/env node
/**
 * Campaigns of the exerciser, on a terminal: a world for each discipline and kind of trouble, so many operations in each.
 * A failure is made small and printed as one line that plays it again.
 *
 * Exit status: 0 all ran without a mismatch; 1 a mismatch; 2 it was asked for something it doesn't know.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { codeOf, messageOf } from '../base/index.ts'
import { DISCIPLINES, disciplineNamed } from '../mm/index.ts'
import type { Counts } from './exerciser.ts'
import { inspect } from './inspect.ts'
import type { Plan, Run } from './operations.ts'
import { PLANS, planFor } from './plans.ts'
import { exercise, type Options, type Result, replay, shrink } from './play.ts'

const HELP = `Random file and mapping operations on the engine, held against a flat model.

usage: node src/exerciser/main.ts [options]

  --operations N     operations for each discipline and plan (default 100000)
  --seed S           where chance begins; the same seed plays the same operations (default 1)
  --discipline D     one of ${DISCIPLINES.map(({ name }) => name).join(', ')}; all if left out
  --plan P           one of ${PLANS.map(({ name }) => name).join(', ')}, or all (default tiny)
  --backend B        memory (a simulated clock), file (a real file, the real driver), or hardware (loads and stores
                     through arrays in two threads; it has one plan and one discipline); default memory
  --replay FILE      play a run again: a file of JSON, or the JSON itself
  --json             one line of JSON in place of words
  --help             this text

The plans ${PLANS.filter(({ plan }) => plan.volume !== null)
  .map(({ name }) => name)
  .join(', ')} are of files of a volume, in memory; after every thousand operations the volume is checked.
A failure is made small and printed with the line that plays it again. Exit status 1 means that there was one.
`

interface Report {
  readonly plan: string
  readonly discipline: string
  readonly seed: number
  readonly counts: Counts
  readonly seconds: number
  readonly failure: { readonly message: string; readonly run: Run } | null
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      operations: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      discipline: { type: 'string' },
      plan: { type: 'string', default: 'tiny' },
      backend: { type: 'string', default: 'memory' },
      replay: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  if (values.replay !== undefined) return playAgain(values.replay, values.json)
  const operations = wholeNumber('operations', values.operations)
  const seed = wholeNumber('seed', values.seed)
  if (values.backend === 'hardware') return arrays(operations, seed, values.json)
  const disciplines = chosen(
    'discipline',
    values.discipline ?? 'all',
    DISCIPLINES.map(({ name }) => name),
  )
  const plans = chosen(
    'plan',
    values.plan,
    PLANS.map(({ name }) => name),
  )
  const [backend] = chosen('backend', values.backend, ['memory', 'file'])
  const ofVolumes = PLANS.filter(({ plan }) => plan.volume !== null).map(({ name }) => name)
  if (backend === 'file' && plans.some(plan => ofVolumes.includes(plan)))
    throw new Unknown(
      `--backend file: expected a plan without a volume; ${ofVolumes.join(', ')} run in memory`,
    )
  const reports: Report[] = []
  for (const plan of plans)
    for (const discipline of disciplines) {
      const report = await campaign(
        plan,
        planFor(plan, { discipline, seed, backend: backend === 'file' ? 'file' : 'memory' }),
        operations,
      )
      reports.push(report)
      if (!values.json) print(report)
    }
  if (values.json) console.log(JSON.stringify(reports))
  return reports.some(({ failure }) => failure !== null) ? 1 : 0
}

async function campaign(name: string, plan: Plan, operations: number): Promise<Report> {
  const began = performance.now()
  const options = await optionsFor(plan, `${name}, ${plan.discipline}`, operations)
  const { counts, failure }: Result = await exercise(plan, operations, options)
  const seconds = (performance.now() - began) / 1000
  say('')
  if (failure !== undefined) say(`${name}, ${plan.discipline}: ${failure.message}; making it small`)
  const smallest = failure === undefined ? null : await shrink(failure, options)
  say('')
  return {
    plan: name,
    discipline: plan.discipline,
    seed: plan.seed,
    counts,
    seconds,
    failure: smallest,
  }
}

/** The hardware MMU: a file of 1024 pages in memory for 256. */
async function arrays(operations: number, seed: number, json: boolean): Promise<number> {
  const { exerciseArrays } = await import('./arrays.ts')
  const { Mismatch } = await import('./exerciser.ts')
  const directory = mkdtempSync(join(tmpdir(), 'faultline-exercise-'))
  const began = performance.now()
  try {
    const plan = { seed, pages: 1024, memory: 256, path: join(directory, 'file') }
    const result = await exerciseArrays(plan, operations)
    const seconds = (performance.now() - began) / 1000
    if (json) console.log(JSON.stringify({ ...result, seconds, failure: null }))
    else
      console.log(
        `hardware: ${result.operations} operations in ${seconds.toFixed(1)} s, ${result.faults} faults, ${result.majorFaults} major; no mismatch`,
      )
    return 0
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error
    console.log(json ? JSON.stringify({ failure: error.message }) : error.message)
    return 1
  } finally {
    rmSync(directory, { recursive: true })
  }
}

async function optionsFor(plan: Plan, name: string, operations: number): Promise<Partial<Options>> {
  const progress = (played: number) => {
    if (played % 10_000 < 1000) say(`${name}: ${played} of ${operations} operations`)
  }
  if (plan.volume !== null) return { progress, inspect, checkEvery: 1000, lookEvery: 1 }
  if (plan.backend === 'memory') return { progress, inspect }
  const { fileBackend } = await import('./file-backend.ts')
  return { progress, inspect, make: fileBackend }
}

async function playAgain(source: string, json: boolean): Promise<number> {
  const run = readRun(source)
  const options = await optionsFor(run.plan, 'replay', 0)
  const message = await replay(run, options)
  if (json) console.log(JSON.stringify({ failure: message === undefined ? null : { message, run } }))
  else console.log(message ?? 'played again without a mismatch')
  return message === undefined ? 0 : 1
}

function readRun(source: string): Run {
  const inline = source.trimStart().startsWith('{')
  const what = inline ? 'the JSON after --replay' : source
  let run: Partial<Run>
  try {
    run = JSON.parse(inline ? source : readFileSync(source, 'utf8')) as Partial<Run>
  } catch (error) {
    throw new Unknown(`${what} can't be read: ${messageOf(error)}`)
  }
  if (run.plan === undefined || !Array.isArray(run.rounds))
    throw new Unknown(
      `${what} isn't a run: expected {"plan": {…}, "rounds": [[…], …]}, as a failure prints it`,
    )
  if (disciplineNamed(run.plan.discipline) === undefined)
    throw new Unknown(`${what} names the discipline ${run.plan.discipline}, which isn't known`)
  return { plan: run.plan, rounds: run.rounds }
}

function print({ plan, discipline, counts, seconds, failure }: Report): void {
  const { operations, checked, refused, excused } = counts
  const rate = Math.round((operations + checked) / seconds)
  const share = (part: number) => `${((100 * part) / Math.max(1, operations)).toFixed(1)} %`
  console.log(
    `${plan}, ${discipline}: ${operations} operations and ${checked} of checks in ${seconds.toFixed(1)} s (${rate} a second), ${share(refused)} refused, ${share(excused)} excused; ${counts.faults} faults, ${counts.majorFaults} major, ${counts.evicted} evicted, ${counts.refaults} refaults, ${counts.swappedOut} swapped out${failure === null ? '; no mismatch' : ''}`,
  )
  if (failure === null) return
  console.log(`  ${failure.message}`)
  console.log(`  node src/exerciser/main.ts --replay '${JSON.stringify(failure.run)}'`)
}

/** A line that the next one takes the place of; on a terminal only. */
function say(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`)
}

class Unknown extends Error {}

function wholeNumber(option: string, value: string): number {
  const number = Number(value.replaceAll('_', ''))
  if (Number.isSafeInteger(number) && number >= 0) return number
  throw new Unknown(`--${option} ${value}: expected a whole number`)
}

function chosen(option: string, value: string, known: readonly string[]): readonly string[] {
  if (value === 'all') return known
  if (known.includes(value)) return [value]
  throw new Unknown(`--${option} ${value}: expected one of ${known.join(', ')}`)
}

try {
  process.exitCode = await main()
} catch (error) {
  const wrongUse = error instanceof Unknown || codeOf(error)?.startsWith('ERR_PARSE_ARGS')
  if (!wrongUse) throw error
  console.error(`${messageOf(error)}\ntry --help`)
  process.exitCode = 2
}
