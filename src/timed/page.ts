/**
 * A comparison as a report: the sentence, the heat map of disciplines by workloads, the argument of 2026 in a table,
 * what a fault costs, and for each workload the latency curves and the timeline of its longest stall.
 */
import { MS } from '../base/index.ts'
import type { Column, Report, Section, Table, Timeline } from '../report/index.ts'
import { quantile } from '../watch/index.ts'
import { type Comparison, key } from './compare.ts'
import type { RunResult } from './run.ts'
import { compareSentence } from './words.ts'
import type { Workload } from './workload.ts'

const QUANTILES = [0.5, 0.9, 0.99, 0.999, 1]
const SETTING =
  'Every figure but the cost of a fault is of a simulated clock: an attempt takes no time, a wait takes what the model of ' +
  'the device or the throttle says. The same seed gives the same figures.'

export function compareReport(comparison: Comparison, madeBy: string): Report {
  const { results, workloads } = comparison
  const watched = workloads.filter(({ name }) =>
    results.some(({ workload, monitor }) => workload === name && monitor.count > 0),
  )
  return {
    title: 'Designs of the page fault, side by side',
    sentences: [compareSentence(results), SETTING],
    madeBy,
    sections: [
      heatmap(comparison, watched),
      threadsTable(results),
      costTable(comparison),
      ...watched.flatMap(workload => sectionsOf(comparison, workload)),
    ].filter(section => section !== undefined),
  }
}

/** The timelines in the order of the page: what the Perfetto trace holds. */
export function timelinesOf({ workloads, timelines }: Comparison): readonly Timeline[] {
  return workloads.flatMap(({ name }) => timelines.get(name) ?? [])
}

function heatmap({ disciplines, results }: Comparison, workloads: readonly Workload[]): Section {
  return {
    kind: 'heatmap',
    id: 'monitor',
    title: 'How long a monitor hung at most',
    lead: 'The slowest read of /proc/<pid>/cmdline, by workload and discipline. A cell leads to the workload.',
    rowsAre: 'workload',
    columnsAre: 'discipline',
    unit: 'ns',
    scale: 'log',
    columns: disciplines,
    rows: workloads.map(({ name }) => ({
      name,
      cells: disciplines.map(discipline => {
        const result = results.find(each => each.workload === name && each.name === discipline)
        return result === undefined ? null : { value: result.monitor.maxMs * MS, link: name }
      }),
    })),
  }
}

function threadsTable(results: readonly RunResult[]): Table | undefined {
  const rows = results.filter(({ workload }) => workload.startsWith('threads'))
  if (rows.length === 0) return undefined
  const time = (name: string, group: string): Column => {
    return { name, group, unit: 'ns', align: 'right', better: 'low' }
  }
  return {
    kind: 'table',
    id: 'argument',
    title: 'The argument of 2026: thousands of threads on files larger than memory',
    lead: 'Reads again: pages that were gone before their fault came back. Reads a fault: I/Os for each major fault.',
    columns: [
      { name: 'workload', align: 'left' },
      { name: 'discipline', align: 'left' },
      { name: 'reads a fault', group: 'faults', align: 'right' },
      { name: 'reads again', group: 'faults', align: 'right', better: 'low' },
      { name: 'a second', group: 'faults', align: 'right', better: 'high' },
      { name: 'I/O locked', group: 'faults', align: 'right', better: 'low' },
      time('p99', 'fault'),
      time('p99', 'mmap elsewhere'),
      time('max', 'mmap elsewhere'),
      time('p50', 'fork'),
      time('max', 'fork'),
      time('max', 'monitor'),
    ],
    rows: rows.map(({ workload, name, faults, io, batch, mapper, others, monitor }) => [
      workload,
      name,
      io.readsPerFault,
      faults.rereads,
      faults.perSecond,
      faults.ioUnderLock,
      batch.fault.p99Ms * MS,
      mapper.p99Ms * MS,
      mapper.maxMs * MS,
      (others.forker?.p50Ms ?? 0) * MS,
      (others.forker?.maxMs ?? 0) * MS,
      monitor.maxMs * MS,
    ]),
  }
}

function costTable({ costs }: Comparison): Section {
  return {
    kind: 'table',
    id: 'cost',
    title: 'What a fault costs when nobody is in its way',
    lead: 'Real time on the computer that made this page, the least of twelve rounds; locks and attempts of one miss.',
    columns: [
      { name: 'discipline', align: 'left' },
      { name: 'miss', group: 'real time', unit: 'ns', align: 'right' },
      { name: 'resident', group: 'real time', unit: 'ns', align: 'right' },
      { name: 'attempts', group: 'a miss', align: 'right' },
      { name: 'mmap lock', group: 'a miss', align: 'right' },
      { name: 'VMA lock', group: 'a miss', align: 'right' },
    ],
    rows: costs.map(({ name, missNs, residentNs, attempts, mapLocks, vmaLocks }) => [
      name,
      missNs,
      residentNs,
      attempts,
      mapLocks,
      vmaLocks,
    ]),
  }
}

/** The curves have the workload's name for their address, which the heat map leads to. */
function sectionsOf(comparison: Comparison, { name, about }: Workload): readonly Section[] {
  const results = comparison.results.filter(({ workload }) => workload === name)
  const worst = [...results].sort((a, b) => b.monitor.maxMs - a.monitor.maxMs)[0]!
  const curves: Section = {
    kind: 'latency',
    id: name,
    title: `${name}: the monitor's reads`,
    lead: about,
    series: results.map(result => ({
      name: result.name,
      points: QUANTILES.map(each => ({
        quantile: each,
        ns: quantile(comparison.monitorNs.get(key(result))!, each),
      })),
    })),
  }
  const drawn = comparison.timelines.get(name)?.[0]
  return worst.monitor.slowMs.length === 0 || drawn === undefined ? [curves] : [curves, drawn]
}
