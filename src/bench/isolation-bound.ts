/**
 * What a file of this host gives an application and a hog at all: random reads of a page by Node's own calls, past the host's
 * cache, so many of the hog's on their way at once, and nothing of ours between them and the disk.
 *
 *     work     .  x        a point for each number of the hog's reads; between two of them lies what a controller gets that
 *              x           changes from one to the other in time. What lies beyond the line is more than who decides when
 *              +---- isolation     the hog goes can give.
 */
import fs from 'node:fs'
import { memoryBuffer } from '../host/index.ts'
import { type Figure, MIB, median, type Plan, Skipped } from './measure.ts'
import { shuffled } from './scratch.ts'
import { PAGE } from './world.ts'

const DEPTHS = [1, 2, 3, 4, 6]
/** What the hog has on its way when it is alone. */
const HOG = 64

/** Shares: of the application's rate alone, and of what the hog does alone. */
interface Point {
  readonly isolation: number
  readonly work: number
}

/** What a controller got, to stand beside. */
export async function isolationBound(plan: Plan, path: string, got: Point): Promise<Figure[]> {
  const { O_DIRECT, O_RDONLY } = fs.constants
  if (O_DIRECT === undefined) throw new Skipped('this host has no O_DIRECT')
  const fd = fs.openSync(path, O_RDONLY | O_DIRECT)
  const reader = new Reader(fd, fs.fstatSync(fd).size / PAGE)
  const ms = plan.smoke ? 10 : 700
  const rounds = plan.smoke ? 1 : 5
  const points: Point[][] = [0, ...DEPTHS].map(() => [])
  for (let round = 0; round < rounds; round++) {
    plan.say(`isolation: what Node's reads give, round ${round + 1} of ${rounds}`)
    const most = (await reader.run(0, HOG, ms)).hog
    const alone = (await reader.run(1, 0, ms)).app
    points[0]!.push({ isolation: 1, work: alone / most })
    for (const [at, depth] of DEPTHS.entries()) {
      const { app, hog } = await reader.run(1, depth, ms)
      points[at + 1]!.push({ isolation: app / alone, work: (app + hog) / most })
    }
  }
  fs.closeSync(fd)
  const middle = points.map(each => ({
    isolation: median(each.map(({ isolation }) => isolation)),
    work: median(each.map(({ work }) => work)),
  }))
  const most = workAt(middle, got.isolation)
  const shares = got.work / most
  return [
    ...DEPTHS.map((depth, at): Figure => {
      const each = points[at + 1]!.map(({ isolation }) => isolation)
      return {
        name: `a file of this host, Node's reads, ${depth} of the hog's at once: isolation`,
        what: 'without Faultline: the application’s rate beside so many, of that alone; theirs: work conservation meanwhile',
        ours: 100 * middle[at + 1]!.isolation,
        theirs: 100 * middle[at + 1]!.work,
        unit: '%',
        ratio: middle[at + 1]!.isolation,
        target: 'none',
        rounds,
        spread: [Math.min(...each), Math.max(...each)],
      }
    }),
    {
      name: 'a file of this host, bound: work at 90 % isolation',
      what: 'the most that Node’s reads give without Faultline, from one number of the hog’s to the other in time; theirs: at the isolation that io.protect has; the ratio: the work of io.protect, of that',
      ours: 100 * workAt(middle, 0.9),
      theirs: 100 * most,
      unit: '%',
      ratio: shares,
      target: 'none',
      rounds,
      spread: [shares, shares],
    },
  ]
}

/** The most work at so much isolation: a point that has it, or what lies between two. */
function workAt(points: readonly Point[], isolation: number): number {
  let most = 0
  for (const from of points)
    for (const to of points) {
      if (from.isolation < isolation) continue
      const share =
        to.isolation >= isolation ? 0 : (from.isolation - isolation) / (from.isolation - to.isolation)
      most = Math.max(most, from.work + share * (to.work - from.work))
    }
  return most
}

class Reader {
  private readonly fd: number
  private readonly order: Uint32Array
  private readonly memory = new Uint8Array(memoryBuffer(MIB))
  private next = 0

  constructor(fd: number, pages: number) {
    this.fd = fd
    this.order = shuffled(pages, 5)
  }

  /** Reads a second of either kind, `ms` long. */
  async run(app: number, hog: number, ms: number): Promise<{ readonly app: number; readonly hog: number }> {
    let isOver = false
    const counts = { app: 0, hog: 0 }
    const lane = async (kind: 'app' | 'hog') => {
      for (; !isOver; counts[kind]++) await this.read()
    }
    const lanes = [...Array(app).fill('app'), ...Array(hog).fill('hog')].map(lane)
    const began = performance.now()
    await new Promise(resolve => setTimeout(resolve, ms))
    const seconds = (performance.now() - began) / 1000
    const rates = { app: counts.app / seconds, hog: counts.hog / seconds }
    isOver = true
    await Promise.all(lanes)
    return rates
  }

  private read(): Promise<void> {
    const page = this.order[this.next++ % this.order.length]!
    const slot = (this.next * PAGE) % this.memory.length
    return new Promise((resolve, reject) => {
      fs.read(this.fd, this.memory, slot, PAGE, page * PAGE, error => {
        if (error === null) resolve()
        else reject(error)
      })
    })
  }
}
