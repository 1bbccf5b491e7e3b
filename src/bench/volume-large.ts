/** Large volumes: how long one of ten million extents takes to open and in how much memory, and how long a million take to check. */
import fs from 'node:fs'
import { join } from 'node:path'
import { Machine } from '../map/index.ts'
import { RealDriver, Scheduler } from '../sched/index.ts'
import { LmdbStore } from '../store/index.ts'
import { largeVolume, MIX53, Overlay } from '../volume/index.ts'
import { type Bench, type Figure, median, type Plan } from './measure.ts'
import { scratchPath } from './scratch.ts'

const PAGE = 4096
const ROUNDS = 9
/** Extents of each file. */
const EXTENTS = 100
const COMMIT_RECORDS = 100_000

/** What each round measured, by volume. */
type Rounds = Readonly<Record<'large' | 'empty', number[]>>

export const volumeOpen: Bench = {
  name: 'volume-open',
  about: 'opening a volume of 10^5 files and 10^7 extents, and the memory it takes, against an empty one',
  async run(plan) {
    const files = plan.smoke ? 10 : 100_000
    const large = await make(plan, 'large', files)
    const empty = await make(plan, 'empty', 0)
    const opened: Rounds = { large: [], empty: [] }
    const held: Rounds = { large: [], empty: [] }
    for (let round = 0; round < (plan.smoke ? 1 : ROUNDS); round++)
      for (const which of ['large', 'empty'] as const) {
        const { ms, mib } = await openOnce(which === 'large' ? large : empty)
        opened[which].push(ms)
        held[which].push(mib)
      }
    for (const path of [large, empty]) fs.rmSync(path, { recursive: true })
    const count = `${files} files, ${files * EXTENTS} extents`
    return [
      figure(
        'open',
        `ms to open for writing a volume of ${count}, against 200 ms`,
        'ms',
        opened.large,
        [200],
      ),
      figure('open, against empty', `the same against an empty volume`, 'ms', opened.large, opened.empty),
      figure(
        'memory of an open volume',
        `growth of the heap and buffers by opening it, ${count} against none`,
        'MiB',
        held.large,
        held.empty,
      ),
    ]
  },
}

export const volumeCheck: Bench = {
  name: 'volume-check',
  about: 'checking the metadata of 10^6 extents',
  async run(plan) {
    const files = plan.smoke ? 10 : 10_000
    const path = await make(plan, 'check', files)
    const times: number[] = []
    await using machine = await Machine.start({ memory: '16 MiB' })
    const volume = await machine.openVolume(path)
    for (let round = 0; round < (plan.smoke ? 1 : 5); round++) {
      plan.say(`check: round ${round + 1}`)
      const start = performance.now()
      const { wrong, extents } = await volume.check()
      times.push((performance.now() - start) / 1000)
      if (wrong.length > 0 || extents !== files * EXTENTS)
        throw new Error(`the volume isn't sound: ${wrong[0]}`)
    }
    await volume.close()
    fs.rmSync(path, { recursive: true })
    return [
      figure(
        'check',
        `s to check ${files * EXTENTS} extents of ${files} files, against 10 s`,
        's',
        times,
        [10],
      ),
    ]
  },
}

/** What was measured, against what was asked for or against something smaller. */
function figure(
  name: string,
  what: string,
  unit: string,
  ours: readonly number[],
  theirs: readonly number[],
): Figure {
  const ratios = ours.map((value, at) => value / (theirs[at] ?? theirs[0]!))
  return {
    name,
    what,
    unit,
    ours: median(ours),
    theirs: median(theirs),
    ratio: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
    target: theirs.length === 1 ? { atMost: 1 } : 'none',
    rounds: ours.length,
  }
}

async function openOnce(path: string): Promise<{ readonly ms: number; readonly mib: number }> {
  await using machine = await Machine.start({ memory: '1 MiB' })
  globalThis.gc?.()
  const before = inUse()
  const start = performance.now()
  const volume = await machine.openVolume(path, { mode: 'r+' })
  const ms = performance.now() - start
  await volume.stat('/')
  globalThis.gc?.()
  return { ms, mib: Math.max(0.01, (inUse() - before) / 2 ** 20) }
}

function inUse(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Lays the metadata of a volume whose files have EXTENTS extents of a page each; its data is one long hole. */
async function make(plan: Plan, name: string, files: number): Promise<string> {
  const path = scratchPath(plan, `volume-${name}`)
  fs.mkdirSync(path)
  const plot = largeVolume({ files, extents: EXTENTS, blockSize: PAGE })
  const driver = new RealDriver()
  const scheduler = new Scheduler(driver)
  let ended: () => void = () => {}
  const store = await LmdbStore.open(path, scheduler, () => ended())
  const overlay = new Overlay(store, MIX53)
  let written = 0
  const commit = async () => {
    plan.say(`laying a volume: ${written} records`)
    overlay.seal()
    const ticket = store.commit(overlay.changes('', Infinity))
    await new Promise<void>(resolve => {
      ended = resolve
      if (ticket.complete) resolve()
    })
    if (ticket.errno !== 0) throw new Error(`laying a volume failed with errno ${ticket.errno}`)
    overlay.settled('durable')
  }
  let batch: { key: string; value: Uint8Array }[] = []
  const flush = async () => {
    overlay.edit(() => {
      for (const { key, value } of batch) overlay.put(key, value)
    })
    batch = []
    await commit()
  }
  for (const record of plot.records()) {
    batch.push(record)
    written++
    if (batch.length === COMMIT_RECORDS) await flush()
  }
  await flush()
  await store.close()
  driver.close()
  fs.writeFileSync(join(path, 'data'), plot.firstBlock)
  fs.truncateSync(join(path, 'data'), plot.blocks * PAGE)
  return path
}
