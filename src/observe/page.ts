/**
 * An account as a report to look at: the worst chains as sentences, the moments around them as timelines, what another
 * discipline would have changed, the totals, and what the trace couldn't say.
 */

import type { Account } from '../analysis/index.ts'
import type { Cell, Column, Report, Section, Timeline } from '../report/index.ts'
import { timelineOf } from './picture.ts'
import type { Scene } from './scene.ts'
import { chainSentence, percent } from './sentences.ts'
import type { WhatIf } from './what-if.ts'

const CHAINS_MAX = 20
const ROWS_MAX = 10

export interface PageParts {
  readonly account: Account
  readonly timelines: readonly Timeline[]
  readonly whatIf: WhatIf | null
  readonly thresholdMs: number
  readonly madeBy: string
}

/** The moments of a trace, each as a timeline. */
export function timelinesOf(scenes: readonly Scene[]): Timeline[] {
  return scenes.map((scene, at) =>
    timelineOf(
      scene,
      `moment-${at + 1}`,
      `Who waited for whom from ${(scene.start / 1e9).toFixed(3)} to ${(scene.end / 1e9).toFixed(3)} s`,
    ),
  )
}

export function reportOf(parts: PageParts): Report {
  const { account, timelines, whatIf, thresholdMs, madeBy } = parts
  const { inversions, requests, openWaits, trace, lostEvents, missing } = account
  const found = [
    ...inversions,
    ...openWaits.filter(wait => wait.from === 'state' || wait.waitMs >= thresholdMs),
  ].sort((a, b) => b.waitMs - a.waitMs)
  const asked = requests.toSorted((a, b) => b.waitMs - a.waitMs).slice(0, CHAINS_MAX)
  const seconds = (trace.endSec - trace.startSec).toFixed(2)
  const lost = lostEvents === 0 ? '' : ` ${lostEvents} events were lost.`
  return {
    title: 'Who made whom wait for mmap_lock',
    sentences: [
      found.length === 0
        ? `No wait of ${thresholdMs} ms or more for an mmap_lock is explained by another task.`
        : `${chainSentence(found[0]!)}.`,
      `${found.length + trace.inversionsNotKept} priority inversions of ${thresholdMs} ms or more in ${seconds} s, read from ${trace.records} records.${lost}`,
      ...(whatIf === null || whatIf.waits.length === 0 ? [] : [whatIfSentence(whatIf)]),
    ],
    madeBy,
    sections: [
      ...(found.length === 0 ? [] : [chainsSection(found.slice(0, CHAINS_MAX), timelines)]),
      ...(asked.length === 0 ? [] : [requestsSection(asked)]),
      ...timelines,
      ...(whatIf === null ? [] : whatIfSections(whatIf)),
      ...totals(account),
      ...(missing.length === 0
        ? []
        : [
            {
              kind: 'text' as const,
              id: 'missing',
              title: 'What this trace could not say',
              paragraphs: missing.map(({ events, cost }) => `\`${events}\`: ${cost}.`),
            },
          ]),
    ],
  }
}

function whatIfSentence({
  discipline,
  kernelDiscipline,
  waits,
  worstErrorPercent,
  trustworthy,
}: WhatIf): string {
  const worst = waits[0]!
  if (!trustworthy)
    return `What would have been under \`${discipline}\` is untrustworthy: a replay under \`${kernelDiscipline}\` is ${worstErrorPercent.toFixed(0)} % off what was observed.`
  return `Under \`${discipline}\` the wait of ${worst.comm} would have been ${duration(worst.whatIfMs)} instead of ${duration(worst.observedMs)}; a replay under \`${kernelDiscipline}\` reproduces what was observed within ${Math.max(0.01, worstErrorPercent).toFixed(2)} %.`
}

const duration = (ms: number): string => (ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(3)} ms`)

function chainsSection(
  found: readonly Account['inversions'][number][],
  timelines: readonly Timeline[],
): Section {
  return {
    kind: 'chains',
    id: 'chains',
    title: 'The worst waits',
    chains: found.map(inversion => {
      const sentence = chainSentence(inversion)
      const seen = timelines.find(({ stalls }) => stalls?.some(stall => stall.sentence === sentence))
      return seen === undefined ? { sentence } : { sentence, link: seen.id }
    }),
  }
}

function requestsSection(asked: Account['requests']): Section {
  return {
    kind: 'chains',
    id: 'requests',
    title: 'The longest waits for requests of FUSE',
    chains: asked.map(wait => ({ sentence: chainSentence(wait) })),
  }
}

function whatIfSections({ discipline, kernelDiscipline, waits, assumed, replayed }: WhatIf): Section[] {
  return [
    {
      kind: 'table',
      id: 'what-if',
      title: `What each would have waited under ${discipline}`,
      lead: `The observed arrivals, holds and I/O times, replayed in the engine: first under \`${kernelDiscipline}\`, then under \`${discipline}\`.`,
      columns: [
        left('who waited'),
        left('for'),
        right('began at'),
        { ...right('observed'), unit: 'ns' },
        { ...right(`replayed, ${kernelDiscipline}`), unit: 'ns' },
        right('error'),
        { ...right(discipline), unit: 'ns' },
      ],
      rows: waits
        .slice(0, ROWS_MAX)
        .map(wait => [
          `${wait.comm} (${wait.tid})`,
          wait.lock,
          `${wait.startSec.toFixed(6)} s`,
          wait.observedMs * 1e6,
          wait.replayedMs * 1e6,
          percent(wait.errorPercent),
          wait.whatIfMs * 1e6,
        ]),
    },
    {
      kind: 'text',
      id: 'assumed',
      title: 'What is replayed, and what is assumed',
      paragraphs: [
        `Replayed: ${replayed.sections} holds and ${replayed.faults} faults of ${replayed.tasks} tasks, in ${replayed.moments === 1 ? 'one moment' : `${replayed.moments} moments`} of the trace; ${replayed.leftOut} left out.`,
        ...assumed,
      ],
    },
  ]
}

function totals({ waitByCause, worstWaits, holders, locks }: Account): Section[] {
  return [
    table(
      'causes',
      'Wait by cause',
      [left('cause'), right('waits'), ns('waited')],
      waitByCause.filter(row => row.waitMs > 0).map(row => [row.kind, row.waits, row.waitMs * 1e6]),
    ),
    table(
      'longest',
      'Longest waits',
      [left('task'), left('for'), left('of mm'), ns('waited')],
      worstWaits.map(wait => [
        `${wait.comm} (${wait.tid})`,
        `mmap_lock (${wait.write ? 'write' : 'read'})`,
        wait.mm,
        wait.waitMs * 1e6,
      ]),
    ),
    table(
      'holders',
      'Holders by time held',
      [left('task'), right('holds'), ns('held'), ns('longest')],
      holders.map(each => [
        `${each.comm} (${each.tid})`,
        each.holds,
        each.heldMs * 1e6,
        each.longestMs * 1e6,
      ]),
    ),
    table(
      'locks',
      'Locks by time waited',
      [left('mm'), right('waits'), ns('waited'), ns('longest wait'), ns('held (read)'), ns('held (write)')],
      locks.map(lock => [
        lock.mm,
        lock.waits,
        lock.waitMs * 1e6,
        lock.longestWaitMs * 1e6,
        lock.readHeldMs * 1e6,
        lock.writeHeldMs * 1e6,
      ]),
    ),
  ].filter(section => section.rows.length > 0)
}

function table(
  id: string,
  title: string,
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): Extract<Section, { kind: 'table' }> {
  return { kind: 'table', id, title, columns, rows: rows.slice(0, ROWS_MAX) }
}

const left = (name: string): Column => ({ name, align: 'left' })
const right = (name: string): Column => ({ name, align: 'right' })
const ns = (name: string): Column => ({ name, align: 'right', unit: 'ns' })
