/**
 * A fault there and back: threads touch cold pages of a file at random, through the hardware MMU, a native mmap, and by
 * fs.readSync. Each touch is timed in the thread that makes it.
 *
 * Our side reads the file past the host's page cache, so its pages are cold whenever it is opened; the others find it
 * dropped from the host's cache.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Bytes } from '../base/index.ts'
import { startHardware } from './hardware.ts'
import { type Bench, compareAll, type Figure, MIB, type Plan, quantile } from './measure.ts'
import { Native } from './native.ts'
import { makeFile, shuffled } from './scratch.ts'
import type { Touches } from './toucher.ts'

const PAGE: Bytes = 4096

export const hardwareFaults: Bench = {
  name: 'hardware-faults',
  about:
    'a cold page touched through .bytes, median and p99, by one and two threads, against mmap and fs.readSync',
  async run(plan) {
    const native = new Native()
    const size = (plan.smoke ? 4 : 256) * MIB
    const path = makeFile(plan, 'hardware-faults', size)
    await using machine = await startHardware({ memory: size + 16 * MIB })
    const ours = (threads: number) => async () => {
      // A file that was closed is cold when it is opened again.
      await using file = await machine.open(path, { direct: true })
      await using space = machine.space({ name: 'faults' })
      const map = await space.map(file, { mmu: 'hardware', advice: 'random' })
      const measures = await touched(plan, { handle: map.handle }, size, threads)
      await map.unmap()
      return measures
    }
    const theirs = (side: 'mmap' | 'readSync', threads: number) => async () => {
      native.dropCache(path)
      return await touched(plan, side === 'mmap' ? { mmap: path } : { readSync: path }, size, threads)
    }
    const figures: Figure[] = []
    for (const threads of [1, 2])
      for (const side of ['mmap', 'readSync'] as const) {
        const name = `${side}, ${threads === 1 ? 'one thread' : `${threads} threads`}`
        const of = ['median', 'p99'].map(share => ({ name: `${share}, ${name}`, target: 'none' as const }))
        figures.push(
          ...(await compareAll(plan, {
            name,
            of,
            what: `a cold page at random through map.bytes against ${side === 'mmap' ? 'native mmap (MADV_RANDOM)' : `fs.readSync of ${PAGE} bytes`}`,
            unit: 'µs',
            ratio: 'ours/theirs',
            rounds: 7,
            warmUps: 2,
            ours: ours(threads),
            theirs: theirs(side, threads),
          })),
        )
      }
    return figures
  },
}

/** Has threads touch pages, no page twice. Returns median and p99 in microseconds. */
async function touched(
  plan: Plan,
  file: Touches['file'],
  length: Bytes,
  threads: number,
): Promise<readonly number[]> {
  const each = plan.smoke ? 50 : 2000
  const order = shuffled(length / PAGE, ++seeds)
  const ready = new Int32Array(new SharedArrayBuffer(4))
  const took = await Promise.all(
    Array.from({ length: threads }, async (_, thread) => {
      const pages = order.subarray(thread * each, (thread + 1) * each).slice()
      const touches: Touches = { file, length, pageSize: PAGE, pages, ready, threads }
      const worker = new Worker(new URL('./toucher.ts', import.meta.url), { workerData: touches })
      const [times] = (await once(worker, 'message')) as [Float64Array]
      await worker.terminate()
      return [...times]
    }),
  )
  const all = took.flat()
  return [quantile(all, 0.5) * 1000, quantile(all, 0.99) * 1000]
}

let seeds = 0
