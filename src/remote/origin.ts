/**
 * A server as all files on it share it: how many requests it has, how long it takes, and what may be asked twice.
 *
 * Invariants
 *   RO1 No more than `connections` ranges of an origin are asked for at once; a hedge stands beside its first.
 *   RO2 Retries are at most a tenth of the requests and hedges a twentieth, beyond the first few of an origin.
 */
import type { Bytes } from '../base/index.ts'
import { Budget } from './budget.ts'
import { Quantiles } from './quantiles.ts'

const RETRY_SHARE = 0.1
const RETRIES_AT_FIRST = 10
const HEDGE_SHARE = 0.05
const HEDGES_AT_FIRST = 3
/** A hedge goes out when an answer takes longer than this share of answers did, */
const HEDGE_AFTER = 0.95
/** or so many times as long as half of them: where a twentieth is slow, the share above says how slow, and nothing is won. Chosen. */
const HEDGE_TIMES = 3
/** While more than this share of requests fail, a second one makes it worse. */
const FAILING = 0.1
/** What one answer more weighs in a running mean: the last twenty or so count. */
const WEIGHT = 0.05
/** Between two ranges fewer bytes than this are cheaper to read than to skip, whatever the server (PMTiles, hyparquet). */
export const GAP_MIN: Bytes = 64 * 1024
const GAP_MAX: Bytes = 2 ** 20
/** Shorter bodies say nothing of bandwidth. */
const TELLING: Bytes = 64 * 1024

export class Origin {
  /** "https://host:port" */
  readonly name: string
  readonly retries = new Budget(RETRY_SHARE, RETRIES_AT_FIRST)
  private readonly hedges = new Budget(HEDGE_SHARE, HEDGES_AT_FIRST)
  private readonly firstByte = new Quantiles()
  private readonly connections: number
  private running = 0
  private failing = 0
  private bytesPerMs = 0
  /** Who wants to ask as soon as somebody else has been answered, in order. */
  private readonly waiting = new Set<() => void>()
  private readonly told: (change: 1 | -1) => void

  /** `told`: something more is under way, or less: a range, or a look for what is kept of it. */
  constructor(name: string, connections: number, told: (change: 1 | -1) => void = () => {}) {
    this.name = name
    this.connections = connections
    this.told = told
  }

  /** Whether one more range may be asked for now; if not, `then` is called when it may be. */
  enter(then: () => void): boolean {
    if (this.running >= this.connections) {
      this.waiting.add(then)
      return false
    }
    this.running++
    this.told(1)
    this.retries.earn()
    this.hedges.earn()
    return true
  }

  /** Settles when one more range is asked for. */
  async entered(): Promise<void> {
    for (;;) {
      const free = Promise.withResolvers<void>()
      if (this.enter(free.resolve)) return
      await free.promise
    }
  }

  /** Does what comes before a range, or after it. */
  async during<T>(act: () => Promise<T>): Promise<T> {
    this.told(1)
    try {
      return await act()
    } finally {
      this.told(-1)
    }
  }

  leave(): void {
    this.running--
    this.told(-1)
    const [next] = this.waiting
    if (next === undefined) return
    this.waiting.delete(next)
    next()
  }

  /** After so many milliseconds without an answer a second request is sent; undefined: none is. */
  get hedgeAfter(): number | undefined {
    const median = this.firstByte.at(0.5)
    if (this.failing > FAILING || median === undefined) return undefined
    return Math.min(HEDGE_TIMES * median, this.firstByte.at(HEDGE_AFTER) ?? Infinity)
  }

  mayHedge(): boolean {
    return this.hedges.spend()
  }

  /** The head of an answer came after `ms`. */
  answered(ms: number): void {
    this.firstByte.add(ms)
  }

  /** A request ended; a body of `bytes` took `ms` after its head. */
  ended(how: 'well' | 'badly', bytes: Bytes, ms: number): void {
    this.failing += WEIGHT * ((how === 'badly' ? 1 : 0) - this.failing)
    if (how === 'badly' || bytes < TELLING || ms <= 0) return
    const rate = bytes / ms
    this.bytesPerMs = this.bytesPerMs === 0 ? rate : this.bytesPerMs + WEIGHT * (rate - this.bytesPerMs)
  }

  /** Two ranges that are so near are asked for as one: what lies between costs less than a quarter of a round trip. */
  get gap(): Bytes {
    const median = this.firstByte.at(0.5) ?? 0
    return Math.min(GAP_MAX, Math.max(GAP_MIN, (this.bytesPerMs * median) / 4))
  }
}
