/**
 * npm run bench: every figure of the project, each a ratio of two sides that were measured in turns in this process.
 *
 * Exits with 0 whatever the figures are: how fast a host is isn't an error. --smoke runs everything once, as little as
 * it can, and says only that nothing threw.
 */
import os from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { didYouMean } from '../group/index.ts'
import { footprint } from './footprint.ts'
import { growth } from './growth.ts'
import { hardwareFaults } from './hardware-faults.ts'
import { hardwareLibraries } from './hardware-libraries.ts'
import { hardwareLoads } from './hardware-loads.ts'
import { hardwareScans } from './hardware-scans.ts'
import { loads, records } from './hits.ts'
import { isolation } from './isolation.ts'
import { crashes, explorer } from './lab.ts'
import { lookups } from './lookups.ts'
import { machines } from './machines.bench.ts'
import { type Bench, type Figure, meets, type Plan, Skipped, type Target } from './measure.ts'
import { coldReads, stalls } from './misses.ts'
import { monitor } from './monitor.ts'
import { mountCalls, mountData, mountNames } from './mounts.ts'
import { remote } from './remote.ts'
import { observed, traces } from './traces.ts'
import { volumeCheck, volumeOpen } from './volume-large.ts'
import { volumeClone, volumeCopies, volumeStores } from './volumes.ts'

const BENCHES: readonly Bench[] = [
  loads,
  records,
  lookups,
  coldReads,
  stalls,
  isolation,
  monitor,
  growth,
  footprint,
  traces,
  observed,
  explorer,
  crashes,
  volumeClone,
  volumeStores,
  volumeCopies,
  volumeOpen,
  volumeCheck,
  mountData,
  mountNames,
  mountCalls,
  remote,
  machines,
  hardwareLoads,
  hardwareFaults,
  hardwareScans,
  hardwareLibraries,
]
const NAMES = BENCHES.map(bench => bench.name)

interface Options {
  readonly json?: true
  readonly smoke?: true
  readonly only?: readonly string[]
  readonly part?: string
  readonly dir: string
}

function benchNamed(name: string, before: readonly string[] = []): string[] {
  if (!NAMES.includes(name))
    throw new InvalidArgumentError(
      `expected one of ${NAMES.join(', ')}; got ${name}${didYouMean(name, NAMES)}`,
    )
  return [...before, name]
}

function options(): Options {
  return new Command('npm run bench --')
    .description('Ratios of Faultline to what else does the same work, measured side by side.')
    .option('--json', 'print one JSON document instead of tables')
    .option('--smoke', 'run everything once with tiny counts; the figures mean nothing')
    .option('--only <name>', 'run this bench only; may be given again', benchNamed)
    .option('--part <words>', 'of the benches of a mount only the works whose name has these words')
    .option('--dir <directory>', 'where files are made, on a disk and not in memory', os.tmpdir())
    .addHelpText('after', `\nBenches:\n${BENCHES.map(b => `  ${b.name.padEnd(20)}${b.about}`).join('\n')}`)
    .parse()
    .opts<Options>()
}

async function main(): Promise<void> {
  const { json, smoke = false, only = NAMES, part = '', dir } = options()
  const terminal = process.stderr.isTTY
  const say = (text: string) => {
    if (terminal) process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`)
  }
  const plan: Plan = { smoke, part, directory: dir, say }
  const figures: (Figure & { readonly bench: string })[] = []
  const skipped: { name: string; why: string }[] = []
  if (json === undefined) console.log(machineFacts().join('\n'))
  for (const bench of BENCHES) {
    if (!only.includes(bench.name)) continue
    try {
      const found = await bench.run(plan)
      figures.push(...found.map(figure => ({ ...figure, bench: bench.name })))
      say('')
      if (json === undefined && !smoke) console.log(`\n${bench.name}: ${bench.about}\n${table(found)}`)
    } catch (error) {
      if (!(error instanceof Skipped)) throw error
      skipped.push({ name: bench.name, why: error.message })
      if (json === undefined) console.log(`\n${bench.name}: skipped: ${error.message}`)
    }
  }
  if (json !== undefined)
    console.log(JSON.stringify({ machine: machineFacts(), benches: figures.map(row), skipped }, null, 2))
  else if (smoke) console.log(`smoke: ${figures.length} figures, nothing threw; they mean nothing`)
  else console.log(`\n${verdict(figures)}`)
}

/** What the figures were measured on. */
function machineFacts(): string[] {
  const [cpu] = os.cpus()
  return [
    `${cpu?.model.trim() ?? 'unknown processor'}, ${os.cpus().length} cores, ${Math.round(os.totalmem() / 2 ** 30)} GiB; ${os.type()} ${os.release()}`,
    `Node ${process.versions.node}, V8 ${process.versions.v8}; load ${os.loadavg()[0]!.toFixed(2)} as this began`,
  ]
}

function row(figure: Figure & { readonly bench: string }) {
  const { bench, name, what, ratio, target, ours, theirs, unit, rounds, spread } = figure
  const [low, high] = spread
  return {
    bench,
    name,
    what,
    ratio,
    target,
    ours,
    theirs,
    unit,
    rounds,
    low,
    high,
    meets: meets(figure) ?? null,
  }
}

function table(figures: readonly Figure[]): string {
  const lines = [['', 'ours', 'theirs', '', 'ratio', 'from', 'to', 'asked', '']]
  for (const figure of figures) {
    const { name, ours, theirs, unit, ratio, spread, target } = figure
    const met = meets(figure)
    lines.push([
      name,
      number(ours),
      number(theirs),
      unit,
      ratio.toFixed(2),
      spread[0].toFixed(2),
      spread[1].toFixed(2),
      asked(target),
      met === undefined ? '' : met ? 'met' : 'MISSED',
    ])
  }
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map(line => line[column]!.length)))
  const aligned = lines.map(line =>
    line
      .map((cell, at) => (at === 0 || at === 3 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  ')
      .trimEnd(),
  )
  return [
    ...aligned,
    ...figures.map(({ name, what, rounds }) => `  ${name}: ${what}; median of ${rounds}`),
  ].join('\n')
}

function number(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}

function asked(target: Target): string {
  if (target === 'none') return ''
  return 'atMost' in target ? `<= ${target.atMost}` : `>= ${target.atLeast}`
}

function verdict(figures: readonly Figure[]): string {
  const judged = figures.filter(figure => meets(figure) !== undefined)
  const missed = judged.filter(figure => meets(figure) === false)
  if (missed.length === 0) return `all ${judged.length} figures that were asked for are met`
  return `${judged.length - missed.length} of ${judged.length} figures are met; not: ${missed.map(({ name }) => name).join('; ')}`
}

await main()
