/**
 * A pass over a file four times as big as the memory that it may have: through the hardware MMU with memory.max, and in a
 * child process under the same limit of the host's, through native mmap and by fs.readSync in pieces.
 *
 * Our side reads and writes the file past the host's page cache, so memory.max is all that it has.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { GroupFace, MachineFace } from '../api/index.ts'
import type { Bytes } from '../base/index.ts'
import { limitMemory } from './cgroup.ts'
import { startHardware } from './hardware.ts'
import type { Pass } from './limited.ts'
import { type Bench, compare, type Figure, MIB, sink } from './measure.ts'
import { loadLines, storePages } from './passes.ts'
import { makeFile } from './scratch.ts'

const PAGE: Bytes = 4096
const PIECE: Bytes = 64 * 1024
const TIMES = 4
/** Pages of the machine: the host takes a file in large folios, so one of ours is large too. */
const LARGE: Bytes = 64 * 1024

export const hardwareScans: Bench = {
  name: 'hardware-scans',
  about: 'a file four times memory.max, read in order and stored to in order, against mmap and fs.readSync',
  async run(plan) {
    // With less, the host's limit leaves too little for the heap of the child, and the host kills it.
    const memory = (plan.smoke ? 16 : 32) * MIB
    const length = TIMES * memory
    const path = makeFile(plan, 'hardware-scans', length)
    const child = fork(new URL('./limited.ts', import.meta.url))
    const theirs = (way: Pass['way'], piece: Bytes) => () => passIn(child, { way, path, length, piece })
    // Half of its memory: several windows are on their way, and the reader is in the one before.
    const readAhead = memory / 2
    /** Passes of a machine of its own: one that idles beside it would take its share of the processors. */
    const measured = async (
      pageSize: Bytes,
      stores: boolean,
      figure: (ours: () => Promise<number>) => Promise<Figure>,
    ) => {
      await using machine = await startHardware({ memory: memory + 16 * MIB, pageSize, readAhead })
      const group = machine.group('scan', { 'memory.max': memory })
      return await figure(() => passOf(machine, group, stores))
    }
    const passOf = async (machine: MachineFace, group: GroupFace, stores: boolean) => {
      // A file that was closed is cold when it is opened again.
      await using file = await machine.open(path, { direct: true, mode: 'r+' })
      await using space = machine.space({ name: 'scan', group })
      const map = await space.map(file, { mmu: 'hardware', advice: 'sequential', prot: stores ? 'rw' : 'r' })
      const start = performance.now()
      if (stores) {
        storePages(map.bytes, PAGE, start & 255)
        await map.sync()
      } else sink.value += loadLines(map.bytes)
      const took = performance.now() - start
      await map.unmap()
      return took
    }
    // What the child allocates for code and heap it allocates before it is limited.
    for (const way of ['mmap', 'readSync', 'store'] as const) await theirs(way, PIECE)()
    const limit = limitMemory(child.pid!, memory)
    const figures: Figure[] = []
    const perSecond = (count: number, milliseconds: Promise<number>) =>
      milliseconds.then(took => (count * 1000) / took)
    try {
      for (const [way, name] of [
        ['mmap', 'native mmap'],
        ['readSync', `fs.readSync of ${PIECE / 1024} KiB`],
      ] as const)
        for (const pageSize of [LARGE, PAGE]) {
          const pages = `pages of ${pageSize / 1024} KiB`
          figures.push(
            await measured(pageSize, false, ours =>
              compare(plan, {
                name: `scan, ${name}, ${pages}`,
                what: `a byte of each cache line of ${length / MIB} MiB through map.bytes, ${pages}, with ${memory / MIB} MiB, half of it for readahead, against ${name} ${limit.what}`,
                unit: 'MiB/s',
                target: { atLeast: pageSize === LARGE ? 0.9 : 0.75 },
                ratio: 'ours/theirs',
                rounds: 15,
                warmUps: 20,
                ours: () => perSecond(length / MIB, ours()),
                theirs: () => perSecond(length / MIB, theirs(way, PIECE)()),
              }),
            ),
          )
        }
      figures.push(
        await measured(PAGE, true, ours =>
          compare(plan, {
            name: 'dirty pages, native mmap',
            what: `a store to each 4 KiB of ${length / MIB} MiB and sync, with ${memory / MIB} MiB, against native mmap and msync ${limit.what}`,
            unit: 'pages/s',
            target: 'none',
            ratio: 'ours/theirs',
            rounds: 7,
            warmUps: 3,
            ours: () => perSecond(length / PAGE, ours()),
            theirs: () => perSecond(length / PAGE, theirs('store', PAGE)()),
          }),
        ),
      )
    } finally {
      await ended(child)
      limit.remove()
    }
    return figures
  },
}

/** Has the child make a pass. Returns the milliseconds it took; throws if the child is gone, or goes. */
function passIn(child: ChildProcess, pass: Pass): Promise<number> {
  return new Promise((resolve, reject) => {
    const answer = (took: unknown) => {
      child.off('exit', gone)
      resolve(took as number)
    }
    const gone = (status: number | null, signal: NodeJS.Signals | null) => {
      child.off('message', answer)
      reject(
        new Error(
          `the process that passes over the file for the other side ended with ${signal ?? `status ${status}`}; SIGKILL means that the host found its limit of memory too small for it, as dmesg tells: run the bench again`,
        ),
      )
    }
    child.once('message', answer)
    child.once('exit', gone)
    child.send(pass)
  })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill()
  await exit
}
