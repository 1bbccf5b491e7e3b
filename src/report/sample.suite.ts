/**
 * A report such as the demo makes, for tests: a monitor, an application and a batch job under several disciplines. The
 * figures are invented in the shape of the measured ones; the same seed gives the same report.
 */
import { MS, Prng, SECOND, US } from '../base/index.ts'
import type { Arrow, LatencySeries, Report, Span, SpanKind, Stall, Timeline } from './model.ts'

const DISCIPLINES = ['hold', 'linux-5.1', 'v3-mkwrite', 'linux-6.4', 'vma-retry', 'vma-hold', 'restart']
const STALL_MS = [4120, 4051, 96, 4046, 4038, 4410, 0.31]
const SCENARIOS = [
  'fault and munmap',
  'two faults on one page',
  'fault, writer, proc reader',
  'fault and truncate',
  'fault and hole punch',
  'mkwrite and writeback',
  'mkwrite and ENOSPC',
  'mkwrite, fork, proc reader',
  'fault and eviction',
  'mprotect and remap',
  'kill at each wait',
  'EIO seen by two waiters',
  'fork and copy-on-write',
  'populate and reclaim',
]

/** A timeline of 9 s: with a stall of about 4 s twice, or without any where the discipline never waits under a lock. */
export function inversion(discipline: string, options: { readonly sharedScale?: string }): Timeline {
  const chance = new Prng(7)
  const between = (low: number, high: number) => low + chance.below(1_000_000) * ((high - low) / 1_000_000)
  const spans: Span[] = []
  const arrows: Arrow[] = []
  const stalls: Stall[] = []
  const add = (row: number, start: number, end: number, kind: SpanKind, label: string, lock?: string) =>
    spans.push(lock === undefined ? { row, start, end, kind, label } : { row, start, end, kind, label, lock })
  const [MONITOR, APP, WRITER, FORKER, FLUSHER] = [0, 1, 2, 3, 4]
  const inverted = discipline !== 'restart'
  const writebacks = [
    [0.62 * SECOND, 4.64 * SECOND],
    [4.9 * SECOND, 8.94 * SECOND],
  ] as const

  for (const [start, end] of writebacks) {
    const asked = start + 2 * MS
    add(FLUSHER!, start - 80 * MS, end, 'io', 'writeback to 7,0 at 4 MiB/s')
    add(WRITER!, start, end, 'io', 'waits for writeback of page 217')
    if (inverted) {
      add(WRITER!, start - 0.1 * MS, end + 0.2 * MS, 'holding', 'VMA lock, read', 'vma 7f3a')
      add(FORKER!, start + 1 * MS, end, 'waiting', 'dup_mmap waits for the VMA', 'vma 7f3a')
      add(FORKER!, start + 0.9 * MS, end + 0.6 * MS, 'holding', 'mmap_lock, write', 'mmap_lock')
      add(MONITOR!, asked, end + 0.7 * MS, 'waiting', 'cmdline waits for mmap_lock', 'mmap_lock')
      add(APP!, asked + 9 * MS, end + 0.8 * MS, 'waiting', 'mmap waits for mmap_lock', 'mmap_lock')
      arrows.push({ time: start + 1 * MS, fromRow: FORKER!, toRow: WRITER!, label: 'VMA lock held for read' })
      arrows.push({ time: asked, fromRow: MONITOR!, toRow: FORKER!, label: 'mmap_lock held for write' })
      arrows.push({ time: asked + 9 * MS, fromRow: APP!, toRow: FORKER!, label: 'mmap_lock held for write' })
      stalls.push({
        row: MONITOR!,
        start: asked,
        end: end + 0.7 * MS,
        sentence: `health-monitor waited ${Math.round((end - start) / MS)} ms for mmap_lock, held for write by batch-forker, which slept for the VMA lock held by batch-writer, which waited for writeback on 7,0`,
      })
    }
  }
  const busy = (row: number, kind: SpanKind, label: string, every: number, length: number, lock?: string) => {
    for (let time = between(0, every); time < 9 * SECOND; time += between(0.5, 1.5) * every) {
      const end = time + between(0.5, 1.6) * length
      const stuck = writebacks.some(([from, to]) => end > from - 2 * MS && time < to + 2 * MS)
      if (!stuck || (!inverted && row !== WRITER)) add(row, time, end, kind, label, lock)
    }
  }
  busy(MONITOR!, 'running', 'read cmdline', 9 * MS, 0.2 * MS)
  busy(APP!, 'io', 'read 4 KiB', 6 * MS, 0.4 * MS)
  busy(APP!, 'running', 'compute', 12 * MS, 2.5 * MS)
  busy(WRITER!, 'running', 'store', 14 * MS, 5 * MS)
  busy(FORKER!, 'holding', 'mmap_lock, write', 8 * MS, 0.8 * MS, 'mmap_lock')

  const dirty = Array.from({ length: 90 }, (_, at) => ({
    time: at * 0.1 * SECOND,
    value: 16 * 2 ** 20 * Math.abs(Math.sin(at / 13)) + between(0, 2 ** 20),
  }))
  return {
    kind: 'timeline',
    id: `timeline-${discipline}`,
    title: `Who waited for whom under ${discipline}`,
    lead: inverted
      ? 'Click a wait to follow its chain.'
      : 'The same work. The writer still waits for its page; nobody waits for the writer.',
    rows: [
      { name: 'health-monitor', group: 'system.slice' },
      { name: 'app', group: 'app.slice' },
      { name: 'batch-writer', group: 'batch.slice' },
      { name: 'batch-forker', group: 'batch.slice' },
      { name: 'flusher 7:0', group: 'kernel' },
    ],
    spans,
    arrows,
    stalls,
    markers: [
      { time: 0.6 * SECOND, label: 'sync' },
      { time: 4.88 * SECOND, label: 'sync' },
    ],
    counters: [{ name: 'dirty pages', unit: 'B', points: dirty }],
    ...(options.sharedScale === undefined ? {} : { sharedScale: options.sharedScale }),
  }
}

const series = (name: string, max: number): LatencySeries => ({
  name,
  points: [
    { quantile: 0.5, ns: 80 * US + max * 9 * US },
    { quantile: 0.9, ns: 150 * US + max * 20 * US },
    { quantile: 0.99, ns: 200 * US + max * 0.04 * MS },
    { quantile: 0.999, ns: 210 * US + max * 0.9 * MS },
    { quantile: 1, ns: 220 * US + max * MS },
  ],
})

/** Every kind of section once, filled as the demo would. */
export function sampleReport(): Report {
  return {
    title: 'The fault that held the lock',
    sentences: [
      'Under `linux-6.4` the health monitor hung for 4.05 s behind the batch job’s throttled I/O; under `restart`, in the same run, its longest wait was 0.31 ms.',
      'Batch throughput was the same: 98 % of what `hold` reached.',
    ],
    madeBy: 'npx faultline demo --seconds 9 --file /data/big.bin --out report.html',
    sections: [
      {
        kind: 'table',
        id: 'disciplines',
        title: 'The same work under each discipline',
        columns: [
          { name: 'discipline', align: 'left' },
          { name: 'p50', group: 'monitor', unit: 'ns', align: 'right', better: 'low' },
          { name: 'p99', group: 'monitor', unit: 'ns', align: 'right', better: 'low' },
          { name: 'max', group: 'monitor', unit: 'ns', align: 'right', better: 'low' },
          { name: 'p99', group: 'application', unit: 'ns', align: 'right', better: 'low' },
          { name: 'max', group: 'application', unit: 'ns', align: 'right', better: 'low' },
          { name: 'throughput', group: 'batch', unit: 'B/s', align: 'right', better: 'high' },
          { name: 'faults', align: 'right' },
          { name: 'retries', align: 'right' },
          { name: 'I/Os under a lock', align: 'right', better: 'low' },
        ],
        rows: DISCIPLINES.map((name, at) => {
          const max = STALL_MS[at]!
          return [
            name,
            80 * US + at * 3 * US,
            240 * US + max * 0.04 * MS,
            max * MS,
            300 * US + max * 0.06 * MS,
            max * 1.02 * MS + 2 * MS,
            4 * 2 ** 20 * (0.97 + at * 0.004),
            24_310 + at * 17,
            at < 1 ? 0 : 1204 + at,
            name === 'restart' ? 0 : 1806 - at * 120,
          ]
        }),
      },
      {
        kind: 'bars',
        id: 'longest',
        title: 'The monitor’s longest wait',
        lead: 'Each line is ten times the one before it.',
        unit: 'ns',
        scale: 'log',
        bars: DISCIPLINES.map((label, at) => ({ label, value: STALL_MS[at]! * MS })),
      },
      {
        kind: 'latency',
        id: 'latency',
        title: 'How long the monitor’s reads took',
        series: DISCIPLINES.map((name, at) => series(name, STALL_MS[at]!)),
      },
      inversion('linux-6.4', { sharedScale: 'run' }),
      inversion('restart', { sharedScale: 'run' }),
      {
        kind: 'chains',
        id: 'chains',
        title: 'The worst waits',
        chains: (inversion('linux-6.4', {}).stalls ?? []).map(({ sentence }) => ({
          sentence,
          link: 'timeline-linux-6.4',
        })),
      },
      {
        kind: 'heatmap',
        id: 'catalogue',
        title: 'The longest wait of a reader in each scenario',
        rowsAre: 'scenario',
        columnsAre: 'discipline',
        unit: 'ns',
        scale: 'log',
        columns: DISCIPLINES,
        rows: SCENARIOS.map((name, row) => ({
          name,
          cells: DISCIPLINES.map((_, at) => {
            if (row === 6 && at === 2) return null
            const value = Math.max(0.02, (STALL_MS[at]! * ((row * 37) % 11)) / 11) * MS
            return row === 7 ? { value, link: 'timeline-linux-6.4' } : { value }
          }),
        })),
      },
      {
        kind: 'text',
        id: 'how',
        title: 'How this was measured',
        paragraphs: [
          'One process, one file, seven runs one after another; each run drops the page cache first. The device is limited to `4 MiB/s`.',
        ],
      },
    ],
  }
}
