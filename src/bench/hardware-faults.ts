/**
 * A fault there and back: threads touch pages of a file at random, through the hardware MMU, a native mmap, and by
 * fs.readSync. Each touch is timed in the thread that makes it.
 *
 * Cold: our side reads the file past the host's page cache, so its pages are cold whenever it is opened; the others find it
 * dropped from the host's cache. Warm: all find it in the host's cache, and our side opens it as it does by default.
 */
import { once } from 'node:events'
import fs from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { Bytes } from '../base/index.ts'
import { startHardware } from './hardware.ts'
import { type Bench, compareAll, type Figure, MIB, type Plan, quantile, type Target } from './measure.ts'
import { Native } from './native.ts'
import { makeFile, shuffled } from './scratch.ts'
import type { Touches } from './toucher.ts'

const PAGE: Bytes = 4096

/** What the times of all threads come to. */
interface Measure {
  readonly names: readonly string[]
  readonly unit: string
  readonly ratio: 'ours/theirs' | 'theirs/ours'
  of(times: readonly Float64Array[]): number[]
}

const LATENCY: Measure = {
  names: ['median', 'p99'],
  unit: 'µs',
  ratio: 'ours/theirs',
  of(times) {
    const all = times.flatMap(each => [...each])
    return [quantile(all, 0.5) * 1000, quantile(all, 0.99) * 1000]
  },
}

const RATE: Measure = {
  names: ['touches a second'],
  unit: 'touches/s',
  ratio: 'ours/theirs',
  of: times => [
    times.reduce((sum, each) => sum + (each.length * 1000) / each.reduce((all, took) => all + took, 0), 0),
  ],
}

interface Row {
  readonly pages: 'cold' | 'warm'
  readonly threads: number
  readonly side: 'mmap' | 'readSync'
  readonly measure: Measure
  readonly targets: readonly Target[]
}

const [TWICE, THRICE, SIX_TIMES] = [{ atMost: 2 }, { atMost: 3 }, { atMost: 6 }]

const ROWS: readonly Row[] = [
  { pages: 'cold', threads: 1, side: 'mmap', measure: LATENCY, targets: [TWICE, THRICE] },
  { pages: 'cold', threads: 1, side: 'readSync', measure: LATENCY, targets: ['none', 'none'] },
  { pages: 'cold', threads: 2, side: 'mmap', measure: LATENCY, targets: [TWICE, THRICE] },
  { pages: 'cold', threads: 2, side: 'readSync', measure: LATENCY, targets: ['none', 'none'] },
  { pages: 'warm', threads: 1, side: 'mmap', measure: LATENCY, targets: [SIX_TIMES, 'none'] },
  { pages: 'cold', threads: 4, side: 'mmap', measure: RATE, targets: ['none'] },
]

export const hardwareFaults: Bench = {
  name: 'hardware-faults',
  about:
    'a page touched through .bytes, cold and warm, by one, two and four threads, against mmap and fs.readSync',
  async run(plan) {
    const native = new Native()
    const size = (plan.smoke ? 4 : 256) * MIB
    const path = makeFile(plan, 'hardware-faults', size)
    const workers = Array.from(
      { length: Math.max(...ROWS.map(({ threads }) => threads)) },
      () => new Worker(new URL('./toucher.ts', import.meta.url)),
    )
    await using machine = await startHardware({ memory: size + 16 * MIB })
    const ours = async ({ pages, threads }: Row) => {
      if (pages === 'warm') fs.readFileSync(path)
      // A file that was closed is cold when it is opened again.
      await using file = await machine.open(path, { direct: pages === 'cold' })
      await using space = machine.space({ name: 'faults' })
      const map = await space.map(file, { mmu: 'hardware', advice: 'random' })
      const times = await touched(plan, workers, { handle: map.handle }, size, threads)
      await map.unmap()
      return times
    }
    const theirs = ({ pages, threads, side }: Row) => {
      if (pages === 'warm') fs.readFileSync(path)
      else native.dropCache(path)
      return touched(plan, workers, side === 'mmap' ? { mmap: path } : { readSync: path }, size, threads)
    }
    const figures: Figure[] = []
    for (const row of ROWS) {
      const { pages, threads, side, measure, targets } = row
      const name = `${side}, ${pages === 'cold' ? '' : 'warm, '}${threads === 1 ? 'one thread' : `${threads} threads`}`
      const { unit, ratio } = measure
      figures.push(
        ...(await compareAll(plan, {
          name,
          of: measure.names.map((each, at) => ({ name: `${each}, ${name}`, target: targets[at]! })),
          what: `a ${pages} page at random through map.bytes against ${side === 'mmap' ? 'native mmap (MADV_RANDOM)' : `fs.readSync of ${PAGE} bytes`}`,
          unit,
          ratio,
          rounds: 5,
          warmUps: 2,
          ours: async () => measure.of(await ours(row)),
          theirs: async () => measure.of(await theirs(row)),
        })),
      )
    }
    for (const worker of workers) await worker.terminate()
    return figures
  },
}

/** Has threads touch pages, no page twice. Returns what each touch of each thread took, in milliseconds. */
function touched(
  plan: Plan,
  workers: readonly Worker[],
  file: Touches['file'],
  length: Bytes,
  threads: number,
): Promise<Float64Array[]> {
  const each = plan.smoke ? 50 : 2000
  const order = shuffled(length / PAGE, ++seeds)
  const ready = new Int32Array(new SharedArrayBuffer(4))
  return Promise.all(
    workers.slice(0, threads).map(async (worker, thread) => {
      const pages = order.subarray(thread * each, (thread + 1) * each).slice()
      const touches: Touches = { file, length, pageSize: PAGE, pages, ready, threads }
      worker.postMessage(touches)
      const [times] = (await once(worker, 'message')) as [Float64Array]
      return times
    }),
  )
}

let seeds = 0
