/**
 * Look-ups whose records are drawn by Zipf's law: the n-th most wanted one comes 1/n^0.99 times as often as the first, as in
 * YCSB, and lies anywhere among the others. Both sides of a bench draw the same ones.
 *
 * Compare   Gray et al., Quickly Generating Billion-Record Synthetic Databases, SIGMOD 1994.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Bytes, Prng } from '../base/index.ts'
import { shuffled } from './scratch.ts'

export const RECORD: Bytes = 200
const THETA = 0.99
const WORD = 2 ** 32
/** Look-ups between two turns of the event loop. */
const TURN = 256

export class Zipf {
  private readonly prng: Prng
  private readonly order: Uint32Array
  private readonly zeta: number
  private readonly eta: number

  constructor(count: number, seed: number) {
    this.prng = new Prng(seed)
    this.order = shuffled(count, seed)
    let zeta = 0
    for (let rank = 1; rank <= count; rank++) zeta += 1 / rank ** THETA
    this.zeta = zeta
    this.eta = (1 - (2 / count) ** (1 - THETA)) / (1 - (1 + 0.5 ** THETA) / this.zeta)
  }

  next(): number {
    const chance = this.prng.u32() / WORD
    const share = chance * this.zeta
    const { length } = this.order
    if (share < 1) return this.order[0]!
    if (share < 1 + 0.5 ** THETA) return this.order[1]!
    return this.order[Math.floor(length * (this.eta * chance - this.eta + 1) ** (1 / (1 - THETA)))]!
  }
}

/** Look-ups a second; the time that all but a thousandth of them took, in µs; the longest stall of the event loop, in ms. */
export type Rates = readonly [number, number, number]

/** `count` look-ups, so many at once. One that hits returns no promise. */
export async function measureLookups(
  count: number,
  inFlight: number,
  lookUp: () => void | Promise<void>,
): Promise<Rates> {
  const took = new Float64Array(count)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  let next = 0
  const one = async () => {
    while (next < count) {
      const at = next++
      const start = performance.now()
      const pending = lookUp()
      if (pending !== undefined) await pending
      took[at] = performance.now() - start
      if (at % TURN === 0) await new Promise(resolve => setImmediate(resolve))
    }
  }
  delay.enable()
  const start = performance.now()
  await Promise.all(Array.from({ length: inFlight }, one))
  const all = performance.now() - start
  delay.disable()
  took.sort()
  return [(count * 1000) / all, took[Math.floor(count * 0.999)]! * 1000, delay.max / 1e6]
}
