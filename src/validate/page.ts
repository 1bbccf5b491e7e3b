/** A validation as a page to look at: how far model and kernel are apart, every stall of both, and moments of traces. */
import { MS } from '../base/index.ts'
import type { Cell, Report, Table, Timeline } from '../report/index.ts'
import { differenceOf, isStall, type Validated } from './validate.ts'

export interface PageParts {
  readonly rows: readonly Validated[]
  readonly timelines: readonly Timeline[]
  /** What the two sides are given in common, in a sentence. */
  readonly given: string
  readonly madeBy: string
}

export const GIVEN = {
  experiments:
    'The model is told when each began, when the device was limited and when the filesystem was thawed. How long anybody waits is its own answer.',
  traces:
    'In the model everybody arrives, holds and sleeps for I/O as in the trace. How long anybody waits for a lock is its own answer.',
} as const

export function validationReport({ rows, timelines, given, madeBy }: PageParts): Report {
  const compared = rows.filter(({ error }) => error !== null)
  const worst = compared.reduce((most, { error }) => Math.max(most, error!), 0)
  const stalls = compared.reduce((sum, row) => sum + stallsOf(row).length, 0)
  return {
    title: 'The model against the kernel',
    sentences: [
      `${stalls} stalls of more than 10 ms in ${compared.length} ${compared.length === 1 ? 'comparison' : 'comparisons'}: the model is off by ${percent(worst)} at most.`,
      given,
      'An error of 100 % says that a stall is in one of the two alone.',
    ],
    madeBy,
    sections: [errors(rows), allStalls(rows), ...timelines],
  }
}

function errors(rows: readonly Validated[]): Table {
  return {
    kind: 'table',
    id: 'errors',
    title: 'How far they are apart',
    columns: [
      { name: 'experiment', align: 'left' },
      { name: 'stalls', align: 'right' },
      { name: 'largest error', unit: '%', align: 'right', better: 'low' },
      { name: 'said', align: 'left' },
    ],
    rows: rows.map(row => [
      row.experiment,
      stallsOf(row).length,
      row.error === null ? null : Math.round(row.error * 1000) / 10,
      row.says ?? '',
    ]),
  }
}

function allStalls(rows: readonly Validated[]): Table {
  return {
    kind: 'table',
    id: 'stalls',
    title: 'Every stall',
    columns: [
      { name: 'experiment', align: 'left' },
      { name: 'who waited', align: 'left' },
      { name: 'kernel', unit: 'ns', align: 'right' },
      { name: 'model', unit: 'ns', align: 'right' },
      { name: 'error', align: 'right' },
    ],
    rows: rows.flatMap(stallsOf),
  }
}

function stallsOf({ experiment, readers, kernelMs, modelMs }: Validated): Cell[][] {
  return readers.flatMap((reader, at) => {
    const [kernel, model] = [kernelMs[at]!, modelMs[at]!]
    if (!isStall(kernel) && !isStall(model)) return []
    return [[experiment, reader, kernel * MS, model * MS, percent(differenceOf(kernel, model))]]
  })
}

function percent(value: number): string {
  return `${(value * 100).toFixed(1)} %`
}
