/**
 * Tables of runs: what is so from one number to another, in as few records as can be. Extents, free blocks, shared blocks
 * and blocks pending free are all kept in one.
 *
 *     key     prefix + last number of the run          so that the first key >= n is the run that covers n, or the next one
 *     value   | first number u64 | value u64 | tag u64 |
 *
 * A value stands still along its run (a count), or goes along with it (the block of an extent).
 *
 * Invariants
 *   RU1 Runs of a table don't overlap.
 *   RU2 Two runs that touch, go on in value and have the same tag are one, after `add`.
 */
import { Damage } from './failure.ts'
import { decodeRun, type Run } from './fields.ts'
import type { Overlay, Record } from './overlay.ts'
import { encodeNumbers, hex, NUMBERS_MAX, numberIn } from './records.ts'

export type { Run } from './fields.ts'

/** So many that are gone are worth passing over at once. */
const GAP_RUNS = 8

export class RunTable {
  private readonly overlay: Overlay
  private readonly prefix: string
  private readonly slope: 0 | 1

  /** `values`: whether a run's value stands still along it or rises by one with each number. */
  constructor(overlay: Overlay, prefix: string, values: 'still' | 'rising') {
    this.overlay = overlay
    this.prefix = prefix
    this.slope = values === 'rising' ? 1 : 0
  }

  /** The run that covers `number`. */
  at(number: number): Run | undefined {
    const run = this.from(number)
    return run !== undefined && run.start <= number ? run : undefined
  }

  /** The run that covers `number`, or the first one behind it. */
  from(number: number): Run | undefined {
    const record = this.overlay.first(this.key(number), this.end())
    return record === undefined ? undefined : this.decode(record)
  }

  /** The runs that overlap [start, end), whole. The table may change while they are walked. */
  *overlapping(start: number, end: number): Generator<Run> {
    for (let at = start; at < Math.min(end, NUMBERS_MAX); ) {
      const run = this.from(at)
      if (run === undefined || run.start >= end) return
      yield run
      at = run.end
    }
  }

  /** The parts of runs inside [start, end). */
  *inside(start: number, end: number): Generator<Run> {
    for (const run of this.overlapping(start, end)) yield this.part(run, start, end)
  }

  /** Whether the run that covers `number` is as the last durable commit has it. */
  isDurable(number: number): boolean {
    const run = this.at(number)
    return run !== undefined && !this.overlay.isPending(this.key(run.end - 1))
  }

  /** Adds a run where none is, joined with its neighbours if they go on from one another. */
  add(run: Run): void {
    let { start, end, value } = run
    const before = start === 0 ? undefined : this.exactly(start - 1)
    if (before !== undefined && this.goesOn(before, run)) {
      this.drop(before)
      start = before.start
      value = before.value
    }
    const next = this.from(end)
    if (next !== undefined && next.start < run.end)
      throw new Damage(`RU1: the run at ${this.prefix}${hex(run.start)} lies over the one at ${next.start}`)
    if (next !== undefined && next.start === end && this.goesOn(run, next)) {
      this.drop(next)
      end = next.end
    }
    this.overlay.put(this.key(end - 1), encodeNumbers(start, value, run.tag))
  }

  /** Takes [start, end) out, cutting the runs at its edges, and returns what was there. */
  take(start: number, end: number): Run[] {
    const taken: Run[] = []
    for (const run of this.overlapping(start, end)) {
      this.drop(run)
      if (run.start < start) this.put(this.part(run, run.start, start))
      if (run.end > end) this.put(this.part(run, end, run.end))
      taken.push(this.part(run, start, end))
    }
    if (taken.length >= GAP_RUNS) this.overlay.emptied(this.key(start), this.key(end))
    return taken
  }

  private part(run: Run, start: number, end: number): Run {
    const from = Math.max(run.start, start)
    return {
      start: from,
      end: Math.min(run.end, end),
      value: run.value + this.slope * (from - run.start),
      tag: run.tag,
    }
  }

  private goesOn(run: Run, next: Run): boolean {
    return run.tag === next.tag && run.value + this.slope * (run.end - run.start) === next.value
  }

  private exactly(last: number): Run | undefined {
    const key = this.key(last)
    const value = this.overlay.get(key)
    return value === undefined ? undefined : this.decode({ key, value })
  }

  private put({ start, end, value, tag }: Run): void {
    this.overlay.put(this.key(end - 1), encodeNumbers(start, value, tag))
  }

  private drop({ end }: Run): void {
    this.overlay.delete(this.key(end - 1))
  }

  private decode({ key, value: bytes }: Record): Run {
    const run = decodeRun(key, bytes, numberIn(key) + 1)
    if (run.start >= run.end) throw new Damage(`the run ${key} begins at ${run.start}, behind its end`)
    return run
  }

  private key(number: number): string {
    return this.prefix + hex(Math.min(number, NUMBERS_MAX - 1))
  }

  private end(): string {
    return `${this.prefix}w`
  }
}
