/**
 * Whether what the engine does costs the same in a large space as in a small one: a fault, map and unmap, and ps, with
 * 10^2 VMAs of 10^3 resident pages against 10^5 VMAs of 10^6.
 *
 * Both sides work on as many VMAs, and on a page of each, spread over all there are: what differs is how much the engine
 * has to search and to keep, and not how much of it the processor's caches hold.
 */
import type { Vpn } from '../base/index.ts'
import { type Bench, compare, MIB, type Plan } from './measure.ts'
import { openOf, PAGE, World } from './world.ts'

const PAGES_PER_VMA = 10
/** How many VMAs, or a page of each, are worked on again and again: as many as the small space has. */
const SAMPLE = 100

class Grown {
  readonly vmas: number
  readonly world: World
  private readonly open
  private readonly starts: Vpn[] = []

  constructor(plan: Plan, vmas: number, memory: number) {
    plan.say(`making ${vmas} VMAs of ${PAGES_PER_VMA} resident pages`)
    this.vmas = vmas
    this.world = new World(memory)
    const file = this.world.file(vmas * PAGES_PER_VMA)
    this.world.fill(file)
    this.open = openOf(file)
    for (let vma = 0; vma < vmas; vma++) {
      const start = this.world.map(this.open, this.offsetOf(vma), PAGES_PER_VMA)
      this.starts.push(start)
      for (let page = 0; page < PAGES_PER_VMA; page++) this.world.load(start + page)
    }
  }

  /** Nanoseconds for a fault on a page that lies in the cache and isn't mapped. */
  faults(repeats: number): number {
    const { mm } = this.world.engine
    const pages = Array.from(
      { length: SAMPLE },
      (_, at) => this.starts[this.spread(at)]! + (at % PAGES_PER_VMA),
    )
    let spent = 0
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const vpn of pages) mm.rmap.setEntry(this.world.space, vpn, 0)
      const start = performance.now()
      for (const vpn of pages) this.world.load(vpn)
      spent += performance.now() - start
    }
    return (spent * 1e6) / (repeats * SAMPLE)
  }

  /** Nanoseconds to unmap one of the VMAs and to map it again where it was. */
  maps(repeats: number): number {
    const start = performance.now()
    for (let repeat = 0; repeat < repeats; repeat++)
      for (let at = 0; at < SAMPLE; at++) {
        const vma = this.spread(at)
        this.world.unmap(this.starts[vma]!, PAGES_PER_VMA)
        this.world.map(this.open, this.offsetOf(vma), PAGES_PER_VMA, this.starts[vma]!)
      }
    return ((performance.now() - start) * 1e6) / (repeats * SAMPLE)
  }

  /** Nanoseconds of one ps. */
  ps(repeats: number): number {
    const { ps } = this.world.engine.verbs
    const start = performance.now()
    for (let repeat = 0; repeat < repeats; repeat++) this.world.perform(ps, ps.begin())
    return ((performance.now() - start) * 1e6) / repeats
  }

  /** Later VMAs map earlier pages, so that neighbours are never one. */
  private offsetOf(vma: number): number {
    return (this.vmas - 1 - vma) * PAGES_PER_VMA
  }

  private spread(at: number): number {
    return Math.floor((at * this.vmas) / SAMPLE)
  }
}

export const growth: Bench = {
  name: 'growth',
  about:
    'a fault, map and unmap, and ps, as VMAs grow from 10^2 to 10^5 and resident pages from 10^3 to 10^6',
  async run(plan) {
    const most = plan.smoke ? 1000 : 100_000
    const memory = most * PAGES_PER_VMA + MIB / PAGE
    const small = new Grown(plan, 100, memory)
    const large = new Grown(plan, most, memory)
    const rounds = 9
    const repeats = plan.smoke ? 1 : 200
    const times = plan.smoke ? 1 : 1000
    const against = `${large.vmas} VMAs and ${large.vmas * PAGES_PER_VMA} resident pages against 100 and 1000`
    const common = { unit: 'ns', target: { atMost: 1.5 }, ratio: 'ours/theirs', rounds } as const
    return [
      await compare(plan, {
        ...common,
        name: 'a fault, grown',
        what: `a load fault on a cached page: ${against}`,
        ours: () => large.faults(repeats),
        theirs: () => small.faults(repeats),
      }),
      await compare(plan, {
        ...common,
        name: 'map and unmap, grown',
        what: `munmap of a VMA and mmap of it again: ${against}`,
        ours: () => large.maps(repeats),
        theirs: () => small.maps(repeats),
      }),
      await compare(plan, {
        ...common,
        name: 'ps for each VMA, grown',
        what: `ps of one space, divided by its VMAs: ${against}`,
        ours: () => large.ps(Math.max(1, times / 100)) / large.vmas,
        theirs: () => small.ps(times) / small.vmas,
      }),
    ]
  },
}
