/**
 * Sections: synchronous functions of a program that read and store through views of mappings, and run again when a page
 * was missing.
 *
 *     run(section):  section(view) -> returns: it has taken effect
 *                         \-> MISS: its stores are undone; its missing pages are brought, all at once; again
 *
 * A section may run others, of any mapping of the machine: they are part of it, and take effect with it.
 *
 * Invariants
 *   MP1 A section takes effect once, or not at all, with all that ran inside it.
 *   MP2 Pages that a section waited for stay pinned until it is over: it is run again at most twice
 *       for each page: once to load from it, once to store to it.
 *   MP3 When every page is there nothing is allocated and nothing is awaited: run returns the section's own value.
 */
import type { Pfn, Vpn } from '../base/index.ts'
import { shown } from '../group/index.ts'
import { MISS, type Miss, UndoLog, type View } from '../mmu/index.ts'
import { aborted, FaultlineError } from './error.ts'
import { checkKeys, invalid } from './options.ts'
import { isAborted } from './performer.ts'

export interface RunOptions {
  readonly signal?: AbortSignal
}

/** A mapping that takes part in sections. */
export interface Participant {
  readonly name: string
  /** The view of the section that runs, or that ran last. */
  readonly view: View
  /** A section begins: decides which view it gets. */
  chooseView(): void
  /** Throws if it is mapped no more. */
  check(operation: string): void
}

/** How the fault of a page that a section missed ended: the frame that is pinned for it (0: none), or the error. */
export type Brought = Pfn | FaultlineError

/** What differs between the machine that runs in this thread and the one that runs in the pager's. */
export interface Pages<P extends Participant> {
  /** Begins the fault of one page; the promise never fails. */
  bring(mapping: P, miss: Miss, signal: AbortSignal | undefined): Promise<Brought>
  /** The section is over. */
  unpin(kept: readonly Pfn[]): void
  /** A section begins: until it ends nothing else of the machine may run in this thread. */
  enter(): void
  leave(): void
}

interface MissIn<P> {
  readonly mapping: P
  readonly miss: Miss
}

/** What a section missed, in all the mappings that it touched. */
class Cold<P extends Participant> {
  readonly misses: readonly MissIn<P>[]

  constructor(running: readonly P[]) {
    const misses: MissIn<P>[] = []
    for (const mapping of running)
      for (const miss of distinct(mapping.view.misses)) misses.push({ mapping, miss })
    this.misses = misses
  }
}

export class Sections<P extends Participant> {
  /** What the section that runs now has stored, through whatever mapping. */
  readonly undo = new UndoLog()
  private readonly pages: Pages<P>
  /** The mappings of the section that runs now, the outermost first; empty when none runs. */
  private readonly running: P[] = []

  constructor(pages: Pages<P>) {
    this.pages = pages
  }

  run<T>(mapping: P, section: (view: View) => T, options: RunOptions | undefined): T | Promise<T> {
    mapping.check('run')
    if (typeof section !== 'function')
      throw invalid('run', `expected a function of a view, got ${shown(section)}`)
    if (options !== undefined) checkKeys(options, ['signal'], 'run')
    const signal = options?.signal
    if (this.running.length > 0) return this.join(mapping, section)
    const value = this.attempt(mapping, section)
    return value instanceof Cold ? this.runCold(mapping, section, value, signal) : value
  }

  /** Runs the section as far as it gets: to its value, or to the pages that it misses. */
  private attempt<T>(mapping: P, section: (view: View) => T): T | Cold<P> {
    const { running, undo, pages } = this
    mapping.chooseView()
    mapping.view.begin()
    running.push(mapping)
    pages.enter()
    try {
      const value = section(mapping.view)
      if (isThenable(value)) throw notSynchronous(value)
      if (anyMissed(running)) throw swallowed()
      undo.forget()
      return value
    } catch (thrown) {
      undo.rollback(0)
      if (thrown === MISS) return new Cold(running)
      if (anyMissed(running) && !(thrown instanceof FaultlineError)) throw swallowed(thrown)
      throw thrown
    } finally {
      for (let last = running.pop(); last !== undefined; last = running.pop()) last.view.close()
      pages.leave()
    }
  }

  /** Runs inside another section: what it misses, the other one misses. If it throws, its own stores are taken back. */
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
      if (isThenable(value)) throw notSynchronous(value)
      return value
    } catch (thrown) {
      undo.rollback(mark)
      throw thrown
    }
  }

  private async runCold<T>(
    mapping: P,
    section: (view: View) => T,
    first: Cold<P>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const kept: Pfn[] = []
    try {
      for (let cold = first; ; ) {
        let failed: FaultlineError | undefined
        for (const fault of this.bring(mapping, cold, signal)) {
          const brought = await fault
          if (typeof brought !== 'number') failed ??= brought
          else if (brought !== 0) kept.push(brought)
        }
        if (failed !== undefined)
          throw isAborted(signal) ? aborted('run', mapping.name, signal.reason) : failed
        mapping.check('run')
        const value = this.attempt(mapping, section)
        if (!(value instanceof Cold)) return value
        cold = value
      }
    } finally {
      this.pages.unpin(kept)
    }
  }

  /** Begins the faults for all of them at once. */
  private bring({ name }: P, { misses }: Cold<P>, signal: AbortSignal | undefined): Promise<Brought>[] {
    if (signal?.aborted === true) throw aborted('run', name, signal.reason)
    for (const { mapping } of misses) mapping.check('run')
    return misses.map(({ mapping, miss }) => this.pages.bring(mapping, miss, signal))
  }
}

/** One miss a page: the store, if it is wanted for both. */
function distinct(misses: readonly Miss[]): readonly Miss[] {
  if (misses.length === 1) return misses
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
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

/** What its promise says later is of no interest, least of all to the process. */
function notSynchronous(promise: unknown): FaultlineError {
  Promise.resolve(promise).catch(() => {})
  return invalid('run', 'a section must be synchronous, and this one returned a promise; await outside of it')
}

function swallowed(cause?: unknown): FaultlineError {
  return new FaultlineError(
    'EINVAL',
    'run',
    'the section caught the signal of a missing page and went on; let what `view` throws pass through',
    cause,
  )
}
