/**
 * Attempts at sections: synchronous functions that read and store through views, and are called again when a page was
 * missing. Whoever runs sections (a door with promises, a task) has one of these, and brings what an attempt misses.
 *
 *     attempt:  section(view) -> returns: it has taken effect
 *                         \-> MISS: its stores are undone; what it missed is told
 *
 * A section may run others, of any mapping: they are part of it, and take effect with it.
 *
 * Invariants
 *   U3  A section that missed never takes effect: one that caught MISS and went on is found out.
 *   AT1 A section takes effect whole or not at all, with all that ran inside it.
 *   AT2 When every page is there nothing is allocated: the section's own value is returned.
 */
import type { Vpn } from '../base/index.ts'
import { UndoLog } from './undo-log.ts'
import { MISS, type Miss, type View } from './view.ts'

/** A mapping that takes part in sections. */
export interface Participant {
  /** The view of the section that runs, or that ran last. */
  readonly view: View
  /** A section begins: decides which view it gets. */
  chooseView(): void
}

/** Who runs sections. */
export interface SectionHost {
  /** A section begins: until it ends nothing else of the machine may run in this thread. */
  enter(): void
  leave(): void
  /** The error for a section that broke a rule; `cause` is what it threw or returned. */
  misuse(rule: 'returned a promise' | 'swallowed a miss', cause: unknown): Error
}

/** What a section missed, in all the mappings that it touched: one miss a page. */
export class Cold<P extends Participant> {
  readonly misses: readonly { readonly mapping: P; readonly miss: Miss }[]

  constructor(running: readonly P[]) {
    const [mapping] = running
    const [miss] = mapping!.view.misses
    // hot: a first store misses one page of one mapping
    if (running.length === 1 && mapping!.view.misses.length === 1)
      this.misses = [{ mapping: mapping!, miss: miss! }]
    else
      this.misses = running.flatMap(mapping => distinct(mapping.view.misses).map(miss => ({ mapping, miss })))
  }
}

export class Attempts<P extends Participant> {
  /** What the section that runs now has stored, through whatever mapping. */
  readonly undo = new UndoLog()
  private readonly host: SectionHost
  /** The mappings of the section that runs now, the outermost first; empty when none runs. */
  private readonly running: P[] = []

  constructor(host: SectionHost) {
    this.host = host
  }

  /** Whether one is running now: whoever asks was called by its section. */
  get areRunning(): boolean {
    return this.running.length > 0
  }

  /** Calls the section: its value, or the pages that it misses. Inside another section it is a part of that one. */
  attempt<T>(mapping: P, section: (view: View) => T): T | Cold<P> {
    return this.areRunning ? this.join(mapping, section) : this.begin(mapping, section)
  }

  private begin<T>(mapping: P, section: (view: View) => T): T | Cold<P> {
    const { running, undo, host } = this
    mapping.chooseView()
    mapping.view.begin()
    running.push(mapping)
    host.enter()
    try {
      const value = section(mapping.view)
      if (isThenable(value)) throw host.misuse('returned a promise', value)
      if (anyMissed(running)) throw host.misuse('swallowed a miss', undefined)
      undo.forget()
      return value
    } catch (thrown) {
      undo.rollback(0)
      if (thrown === MISS) return new Cold(running)
      throw anyMissed(running) ? host.misuse('swallowed a miss', thrown) : thrown
    } finally {
      for (let last = running.pop(); last !== undefined; last = running.pop()) last.view.close()
      host.leave()
    }
  }

  /** What it misses, the outer one misses. If it throws, its own stores are taken back. */
  private join<T>(mapping: P, section: (view: View) => T): T {
    const { running, undo } = this
    if (!running.includes(mapping)) {
      mapping.chooseView()
      mapping.view.begin()
      running.push(mapping)
    }
    const { mark } = undo
    try {
      const value = section(mapping.view)
      if (isThenable(value)) throw this.host.misuse('returned a promise', value)
      return value
    } catch (thrown) {
      undo.rollback(mark)
      throw thrown
    }
  }
}

/** The store, if a page is wanted for both. */
function distinct(misses: readonly Miss[]): readonly Miss[] {
  if (misses.length <= 1) return misses
  const accesses = new Map<Vpn, Miss>()
  for (const miss of misses)
    if (miss.access === 'store' || !accesses.has(miss.vpn)) accesses.set(miss.vpn, miss)
  return [...accesses.values()]
}

function anyMissed(running: readonly Participant[]): boolean {
  for (const { view } of running) if (view.missed) return true
  return false
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
