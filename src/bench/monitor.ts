/**
 * How long a monitor waits for ps while a group beside it wants more memory than its limit holds: two hundred tasks reclaim from
 * one another without end, under `restart`, whose monitors wait for no lock that a fault has.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Machine } from '../map/index.ts'
import { type Bench, type Figure, MIB, median, type Plan, quantile } from './measure.ts'
import { makeFile } from './scratch.ts'
import { PAGE } from './world.ts'

const LIMIT = 4 * MIB
/** Tasks that load pages of a file, and as many that store to memory of their own: a page for each more than the limit holds. */
const TASKS = 100
const OWN_PAGES = 15
/** What is asked of p99, in ms. */
const P99_MAX = 10

export const monitor: Bench = {
  name: 'monitor',
  about:
    'ps of a protected monitor beside a group that wants more memory than its limit holds, under restart',
  async run(plan) {
    const calls = plan.smoke ? 20 : 400
    const rounds = plan.smoke ? 1 : 3
    const beside: Took[] = []
    const alone: Took[] = []
    for (let round = 0; round < rounds; round++) {
      plan.say(`monitor: round ${round + 1} of ${rounds}`)
      alone.push(await longest(plan, calls, 0))
      beside.push(await longest(plan, calls, plan.smoke ? 4 : TASKS))
    }
    const row = (name: string, of: (took: Took) => number): Figure => {
      const shares = beside.map(took => of(took) / P99_MAX)
      return {
        name: `ps beside a group at its limit, p99: ${name}`,
        what: `of ${P99_MAX} ms, under restart; theirs: with nobody beside it`,
        ours: median(beside.map(of)),
        theirs: median(alone.map(of)),
        unit: 'ms',
        ratio: median(shares),
        target: { atMost: 1 },
        rounds,
        spread: [Math.min(...shares), Math.max(...shares)],
      }
    }
    return [row('by the clock', took => took.wall), row('of the processor', took => took.own)]
  },
}

/** On a busy host a part of what a call takes is other processes' turn: the thread itself has run so much of it. */
interface Took {
  readonly wall: number
  readonly own: number
}

/** p99 of so many calls of ps, a millisecond apart, in ms. */
async function longest(plan: Plan, calls: number, tasks: number): Promise<Took> {
  await using machine = await Machine.start({ memory: 64 * MIB, discipline: 'restart' })
  const group = machine.group('crowd', { 'memory.max': LIMIT })
  const file = await machine.open(makeFile(plan, 'monitor', 16 * MIB), { direct: true })
  const pages = (16 * MIB) / PAGE
  machine.space({ name: 'monitor', group: machine.group('monitor') })
  let isOver = false
  const endless = async (work: (count: number) => Promise<unknown>) => {
    for (let count = 0; !isOver; count++) {
      await work(count).catch(() => sleep(1))
      if (count % 16 === 0) await sleep(0)
    }
  }
  const crowd: Promise<void>[] = []
  for (let task = 0; task < tasks; task++) {
    const map = await machine.space({ name: `reader ${task}`, group }).map(file)
    crowd.push(endless(async count => map.run(view => view.u32(((task * 41 + count) % pages) * PAGE))))
    const memory = await machine
      .space({ name: `writer ${task}`, group })
      .mapAnonymous({ length: OWN_PAGES * PAGE })
    crowd.push(endless(async count => memory.run(view => view.setU32(((count * 7) % OWN_PAGES) * PAGE, 1))))
  }
  if (!plan.smoke) await sleep(500)
  const [walls, owns]: [number[], number[]] = [[], []]
  for (let call = 0; call < calls; call++) {
    const began = performance.now()
    const ran = process.threadCpuUsage()
    await machine.ps()
    const { user, system } = process.threadCpuUsage(ran)
    walls.push(performance.now() - began)
    owns.push((user + system) / 1000)
    await sleep(1)
  }
  isOver = true
  await Promise.all(crowd)
  return { wall: quantile(walls, 0.99), own: quantile(owns, 0.99) }
}
