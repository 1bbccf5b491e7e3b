#!/usr/bin/env node
/**
 * The engine held against the kernel that runs: the same random operations on both, compared after each.
 *
 * Exit status: 0 no difference outside the table; 1 a difference; 2 it was asked for something it doesn't know, or can't
 * be made here; 130 and 143 it was interrupted, and has taken away what it had made.
 */
import { parseArgs } from 'node:util'
import { codeOf, messageOf, namesOf } from '../base/index.ts'
import { type Campaign, campaign, type Failure, replay } from './campaign.ts'
import { type Counts, Coverage, coverageText } from './coverage.ts'
import { FILESYSTEMS, type FilesystemName } from './differences.ts'
import { Filesystem, NotHere } from './filesystem.ts'
import { STORY, type Stage } from './story.ts'
import { Tracer } from './tracee.ts'
import { assertZeroPage } from './zero-page.ts'

const HELP = `The same random operations on the engine's space and on the kernel's own mmap, compared after each.

usage: npm run differential -- [options]      needs root, on Linux on x64

  --operations N     so many on each filesystem (default 30000)
  --seed S           where chance begins; the same seed plays the same operations (default 1)
  --filesystem F     one of ${FILESYSTEMS.join(', ')}, or all (default all)
  --story K          begin with story K (default 0)
  --keep A,B,C       of that story only these operations: how a difference is played again
  --json             one line of JSON in place of words
  --help             this text

examples
  npm run differential -- --operations 1000000 --seed 1 --filesystem ext4
  npm run differential -- --seed 1 --filesystem btrfs --story 17 --keep 3,8,21

exit status: 0 no difference outside the table; 1 a difference; 2 wrong words, or it can't be made here; 130 and 143 it was
interrupted, and has taken away what it had made

Compared are errors, bytes, /proc/<pid>/maps, entries, mincore, the counters of smaps, and files after a sync. Where the two
may differ is in docs/differential.md. A difference is made small and printed with the line that plays it again.
`

interface Report {
  readonly filesystem: FilesystemName
  readonly seed: number
  readonly operations: number
  /** Stories that were played again, since the kernel had taken pages of files by itself. */
  readonly taken: number
  readonly seconds: number
  readonly failure: Failure | null
  /** Of each kind of operation. */
  readonly played: Counts
}

class Unknown extends Error {}

/** The signals that it stops at, and its exit status then. */
const STOPS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

class Stopped extends Error {
  readonly status: number

  constructor(signal: keyof typeof STOPS) {
    super(`stopped by ${signal}`)
    this.status = STOPS[signal]
  }
}

async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: {
      operations: { type: 'string', default: '30000' },
      seed: { type: 'string', default: '1' },
      filesystem: { type: 'string', default: 'all' },
      story: { type: 'string', default: '0' },
      keep: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const filesystems = FILESYSTEMS.filter(name => values.filesystem === 'all' || values.filesystem === name)
  if (filesystems.length === 0)
    throw new Unknown(`--filesystem ${values.filesystem}: expected one of ${FILESYSTEMS.join(', ')}, or all`)
  const seed = wholeNumber('seed', values.seed)
  const from = wholeNumber('story', values.story)
  const operations = wholeNumber('operations', values.operations, 1)
  const kept = values.keep?.split(',').map(each => wholeNumber('keep', each, 0, STORY - 1))
  const reports: Report[] = []
  for (const filesystem of filesystems) {
    const report = await on(filesystem, async stage =>
      kept === undefined
        ? await played(stage, {
            operations,
            seed,
            from,
            signal,
            onProgress: done => say(`${filesystem}: ${done} operations`),
          })
        : again(stage, seed, from, kept),
    )
    say('')
    reports.push(report)
    if (!values.json) print(report)
    if (!values.json && kept === undefined) console.log(coverageText(report.played))
  }
  if (values.json) console.log(JSON.stringify(reports))
  return reports.some(({ failure }) => failure !== null) ? 1 : 0
}

async function on(filesystem: FilesystemName, act: (stage: Stage) => Promise<Report>): Promise<Report> {
  const made = Filesystem.make(filesystem)
  try {
    const tracer = new Tracer()
    assertZeroPage(tracer)
    return await act({
      tracer,
      filesystem,
      directory: made.directory,
      coverage: new Coverage(),
    })
  } finally {
    made.remove()
  }
}

async function played(stage: Stage, plan: Campaign): Promise<Report> {
  const began = performance.now()
  const { operations, taken, failure } = await campaign(stage, plan)
  const seconds = (performance.now() - began) / 1000
  const { filesystem, coverage } = stage
  const played = coverage.counts
  return { filesystem, seed: plan.seed, operations, taken, seconds, failure: failure ?? null, played }
}

function again(stage: Stage, seed: number, story: number, kept: readonly number[]): Report {
  const began = performance.now()
  const found = replay(stage, seed, story, kept)
  const seconds = (performance.now() - began) / 1000
  const failure = found === undefined ? null : { story, kept, operations: [], message: found.message }
  const { filesystem, coverage } = stage
  return { filesystem, seed, operations: kept.length, taken: 0, seconds, failure, played: coverage.counts }
}

function print({ filesystem, seed, operations, taken, seconds, failure }: Report): void {
  const rate = Math.round(operations / seconds)
  console.log(
    `${filesystem}: ${operations} operations in ${seconds.toFixed(1)} s (${rate} a second)${failure === null ? '; no difference outside the table' : '; a difference'}`,
  )
  if (taken > 0)
    console.log(`in ${taken} stories the kernel had taken pages by itself, and not again (the row "taken")`)
  if (failure === null) return
  for (const operation of failure.operations) console.log(`  ${JSON.stringify(operation)}`)
  console.log(failure.message)
  console.log(
    `npm run differential -- --seed ${seed} --filesystem ${filesystem} --story ${failure.story} --keep ${failure.kept.join(',')}`,
  )
}

/** A line that the next one takes the place of; on a terminal only. */
function say(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`)
}

function wholeNumber(option: string, value: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
  const number = Number(value.replaceAll('_', ''))
  if (value.trim() !== '' && Number.isSafeInteger(number) && number >= least && number <= most) return number
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
  throw new Unknown(`--${option} ${value === '' ? "''" : value}: expected a whole number ${range}`)
}

const stopping = new AbortController()
for (const name of namesOf(STOPS)) process.on(name, () => stopping.abort(new Stopped(name)))
try {
  process.exitCode = await main(stopping.signal)
} catch (error) {
  const code = codeOf(error)
  if (error instanceof Stopped) process.exitCode = error.status
  else if (error instanceof Unknown || error instanceof NotHere || code?.startsWith('ERR_PARSE_ARGS'))
    process.exitCode = 2
  else throw error
  console.error(`${messageOf(error)}${process.exitCode === 2 ? '\ntry --help' : ''}`)
}
