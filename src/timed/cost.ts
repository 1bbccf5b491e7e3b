/**
 * What a fault costs when nobody is in its way, in real nanoseconds of this computer: the one part of the lab that looks
 * at a real clock, so its figures differ from run to run and are kept apart from the others.
 *
 *     miss     the page comes from a memory device, and another is evicted for it: both attempts, and the I/O's own code
 *     resident the page is cached and only the entry is missing, which is taken away first: one attempt
 *
 * Each figure is the least mean of ROUNDS rounds of BATCH faults, as little disturbed as could be had.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { ROOT } from '../base/index.ts'
import { MemoryDevice } from '../device/index.ts'
import type { Engine } from '../engine/index.ts'
import { LinearFile } from '../fs/index.ts'
import { newVmFault } from '../memmap/index.ts'
import { type Discipline, faultArgs, newOpening, type OpenFile, PROT_READ, type Space } from '../mm/index.ts'
import { rigEngine } from '../rig/index.ts'
import { TimedDriver } from '../sched/index.ts'

export interface Cost {
  readonly name: string
  readonly missNs: number
  readonly residentNs: number
  /** Of one miss. */
  readonly attempts: number
  readonly mapLocks: number
  readonly vmaLocks: number
}

const PAGE = 4096
const FRAMES = 1024
const FILE_PAGES = 65_536
const BATCH = 2000
const ROUNDS = 12

/** Disciplines take turns, so that a slow moment of the computer is shared among them. */
export async function measureCosts(disciplines: readonly Discipline[], signal: AbortSignal): Promise<Cost[]> {
  const benches = disciplines.map(discipline => new Bench(discipline))
  for (let round = 0; round < ROUNDS; round++)
    for (const bench of benches) {
      bench.round()
      await nextTurn()
      signal.throwIfAborted()
    }
  return benches.map(bench => bench.cost())
}

class Bench {
  private readonly name: string
  private readonly driver = new TimedDriver()
  private readonly engine: Engine
  private readonly space: Space
  private start = 0
  private next = 0
  private miss = Infinity
  private resident = Infinity

  constructor(discipline: Discipline) {
    this.name = discipline.name
    const { driver } = this
    this.engine = rigEngine({ frames: FRAMES, driver, discipline })
    const { scheduler, io, memory, cache, mm } = this.engine
    const device = new MemoryDevice(scheduler, { length: FILE_PAGES * PAGE })
    const backing = new LinearFile(device, io, memory, { stablePages: false, spaceFor: FILE_PAGES })
    const file = cache.add('data', FILE_PAGES * PAGE, backing)
    this.space = mm.createSpace({ name: 'alone', group: ROOT, commandLine: 'alone' })
    this.start = this.map(newOpening(file, { advice: 'random', readOnly: true }))
  }

  round(): void {
    this.miss = Math.min(this.miss, this.timed('miss'))
    this.resident = Math.min(this.resident, this.timed('resident'))
  }

  cost(): Cost {
    const { faults, retries, mapLocks, vmaLocks } = this.space.stat
    const misses = faults / 2
    // A resident fault is one attempt under one lock, of the kind that the discipline takes first.
    const { takes } = this.engine.discipline
    return {
      name: this.name,
      missNs: Math.round(this.miss),
      residentNs: Math.round(this.resident),
      attempts: (misses + retries) / misses,
      mapLocks: (mapLocks - (takes === 'mmap' ? misses : 0)) / misses,
      vmaLocks: (vmaLocks - (takes === 'vma' ? misses : 0)) / misses,
    }
  }

  private timed(kind: 'miss' | 'resident'): number {
    const began = performance.now()
    for (let at = 0; at < BATCH; at++) {
      if (kind === 'miss') this.next = (this.next + 1) % FILE_PAGES
      else this.engine.mm.rmap.setEntry(this.space, this.start + this.next, 0)
      this.fault(this.start + this.next)
    }
    return ((performance.now() - began) * 1e6) / BATCH
  }

  private fault(vpn: number): void {
    const { scheduler, verbs } = this.engine
    const args = faultArgs(this.space, newVmFault(vpn, 'load', ROOT, 0), 'go on')
    const task = scheduler.spawn(verbs.fault, args, { name: 'alone', group: ROOT })
    this.driver.runWhile(scheduler, () => task.state === 'ended')
  }

  private map(open: OpenFile): number {
    const { scheduler, verbs } = this.engine
    const plan = { prot: PROT_READ, share: 'shared', open, pageOffset: 0, advice: 'random' } as const
    const args = { space: this.space, pages: FILE_PAGES, fixed: undefined, locked: false, start: 0, plan }
    const task = scheduler.spawn(verbs.map, args, { name: 'alone', group: ROOT })
    this.driver.runWhile(scheduler, () => task.state === 'ended')
    return args.start
  }
}
