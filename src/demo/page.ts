/** A demo as a report: the sentence, the table, the latency curves of the monitor, and a timeline for each discipline. */
import { MS } from '../base/index.ts'
import type { Report } from '../report/index.ts'
import { quantile } from '../watch/index.ts'
import type { DemoResult } from './demo.ts'
import { sentenceOf } from './words.ts'

const QUANTILES = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1]

export function reportOf(result: DemoResult, madeBy: string): Report {
  const { disciplines, seconds, rate, extent } = result
  const setting =
    `Each discipline played for ${seconds} s on a real file: a writer stores at random to ${extent / 4096} pages of a ` +
    `shared mapping and may write ${(rate / 2 ** 20).toFixed(1)} MiB/s; beside it its process maps, unmaps and forks; ` +
    'a protected monitor does ps each millisecond, and a protected application reads its own file at random.'
  return {
    title: 'A page fault held a lock while it waited for the disk',
    sentences: [sentenceOf(result), setting],
    madeBy,
    sections: [
      {
        kind: 'table',
        id: 'disciplines',
        title: 'The disciplines side by side',
        lead: 'I/O locked: waits for I/O while a lock of the space was held. The batch column is what the device took.',
        columns: [
          { name: 'discipline', align: 'left' },
          { name: 'reads', group: 'monitor', align: 'right' },
          { name: 'p50', group: 'monitor', unit: 'ns', align: 'right', better: 'low' },
          { name: 'p99', group: 'monitor', unit: 'ns', align: 'right', better: 'low' },
          { name: 'max', group: 'monitor', unit: 'ns', align: 'right', better: 'low' },
          { name: 'p99', group: 'app', unit: 'ns', align: 'right' },
          { name: 'p99', group: 'mapper', unit: 'ns', align: 'right', better: 'low' },
          { name: 'max', group: 'mapper', unit: 'ns', align: 'right', better: 'low' },
          { name: 'written', group: 'batch', unit: 'B/s', align: 'right' },
          { name: 'retries', group: 'faults', align: 'right' },
          { name: 'I/O locked', group: 'faults', align: 'right', better: 'low' },
        ],
        rows: disciplines.map(({ name, monitor, app, mapper, batch, faults }) => [
          name,
          monitor.count,
          monitor.p50Ms * MS,
          monitor.p99Ms * MS,
          monitor.maxMs * MS,
          app.p99Ms * MS,
          mapper.p99Ms * MS,
          mapper.maxMs * MS,
          batch.bytesPerSecond,
          faults.retries,
          faults.ioUnderLock,
        ]),
      },
      {
        kind: 'latency',
        id: 'monitor',
        title: 'How long ps took the monitor',
        series: disciplines.map(({ name, monitorMs }) => {
          const sorted = [...monitorMs].sort((a, b) => a - b)
          return {
            name,
            points: QUANTILES.map(each => ({ quantile: each, ns: quantile(sorted, each) * MS })),
          }
        }),
      },
      ...disciplines.map(each => each.timeline),
    ],
  }
}
