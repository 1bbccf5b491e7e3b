/**
 * Sections as a door runs them: an attempt (mmu/attempts.ts), and while it misses pages, the promises of their faults.
 *
 *     run(section):  attempt -> its value
 *                         \-> missing pages are brought, all together; again: in the same call as long as none is waited for
 *
 * Invariants   U3, AT1, AT2 (mmu/attempts.ts)
 *   MP2 Pages that a section waited for stay pinned until it is over: it is run again at most twice
 *       for each page: once to load from it, once to store to it.
 *   MP3 When every page is there, or can be had without a wait, nothing is awaited: run returns the section's own value.
 *   MP4 What fails after a miss fails by a promise, however soon.
 */
import type { RunOptions } from '../api/index.ts'
import type { Pfn } from '../base/index.ts'
import { shown } from '../group/index.ts'
import {
  Attempts,
  Cold,
  type Miss,
  type UndoLog,
  type View,
  type Participant as Viewed,
} from '../mmu/index.ts'
import { aborted, FaultlineError } from './error.ts'
import { checkKeys, invalid } from './options.ts'
import { isAborted } from './performer.ts'

/** A mapping that takes part in sections. */
export interface Participant extends Viewed {
  readonly name: string
  /** Throws if it is mapped no more. */
  check(operation: string): void
  /** Begins the fault of one page: how it has ended, or a promise of that, which never fails. */
  bring(miss: Miss, signal: AbortSignal | undefined): Brought | Promise<Brought>
}

/** How the fault of a page that a section missed ended: the frame that is pinned for it (0: none), or the error. */
export type Brought = Pfn | FaultlineError

/** What differs between the machine that runs in this thread and the one that runs in the pager's. */
export interface Pages {
  /** The section is over. */
  unpin(kept: readonly Pfn[]): void
  /** A section begins: until it ends nothing else of the machine may run in this thread. */
  enter(): void
  leave(): void
}

export class Sections {
  private readonly pages: Pages
  private readonly attempts: Attempts<Participant>

  constructor(pages: Pages) {
    this.pages = pages
    this.attempts = new Attempts<Participant>({
      enter: () => pages.enter(),
      leave: () => pages.leave(),
      misuse: (rule, cause) => (rule === 'returned a promise' ? notSynchronous(cause) : swallowed(cause)),
    })
  }

  /** What the section that runs now has stored, through whatever mapping. */
  get undo(): UndoLog {
    return this.attempts.undo
  }

  /** Whether a section is running now: whoever asks was called by it. */
  get isRunning(): boolean {
    return this.attempts.areRunning
  }

  run<T>(mapping: Participant, section: (view: View) => T, options: RunOptions | undefined): T | Promise<T> {
    mapping.check('run')
    if (typeof section !== 'function')
      throw invalid('run', `expected a function of a view, got ${shown(section)}`)
    if (options !== undefined) checkKeys(options, ['signal'], 'run')
    const value = this.attempts.attempt(mapping, section)
    return value instanceof Cold ? this.runMissed(mapping, section, value, options?.signal) : value
  }

  /** hot: a first store to a page that is there costs no promise. */
  private runMissed<T>(
    mapping: Participant,
    section: (view: View) => T,
    first: Cold<Participant>,
    signal: AbortSignal | undefined,
  ): T | Promise<T> {
    const kept: Pfn[] = []
    try {
      for (let cold = first; ; ) {
        const begun = this.bring(mapping, cold, signal)
        if (!begun.every(isFrame)) return this.runCold(mapping, section, begun, kept.splice(0), signal)
        for (const frame of begun) if (frame !== 0) kept.push(frame)
        mapping.check('run')
        const value = this.attempts.attempt(mapping, section)
        if (!(value instanceof Cold)) return value
        cold = value
      }
    } catch (error) {
      return Promise.reject(error)
    } finally {
      if (kept.length > 0) this.pages.unpin(kept)
    }
  }

  private async runCold<T>(
    mapping: Participant,
    section: (view: View) => T,
    first: readonly (Brought | Promise<Brought>)[],
    kept: Pfn[],
    signal: AbortSignal | undefined,
  ): Promise<T> {
    try {
      for (let begun = first; ; ) {
        let failed: FaultlineError | undefined
        for (const fault of begun) {
          const brought = await fault
          if (typeof brought !== 'number') failed ??= brought
          else if (brought !== 0) kept.push(brought)
        }
        if (failed !== undefined)
          throw isAborted(signal) ? aborted('run', mapping.name, signal.reason) : failed
        mapping.check('run')
        const value = this.attempts.attempt(mapping, section)
        if (!(value instanceof Cold)) return value
        begun = this.bring(mapping, value, signal)
      }
    } finally {
      this.pages.unpin(kept)
    }
  }

  /** Begins the faults for all of them at once. */
  private bring(
    { name }: Participant,
    { misses }: Cold<Participant>,
    signal: AbortSignal | undefined,
  ): (Brought | Promise<Brought>)[] {
    if (signal?.aborted === true) throw aborted('run', name, signal.reason)
    for (const { mapping } of misses) mapping.check('run')
    return misses.map(({ mapping, miss }) => mapping.bring(miss, signal))
  }
}

function isFrame(brought: Brought | Promise<Brought>): brought is Pfn {
  return typeof brought === 'number'
}

/** What its promise says later is of no interest, least of all to the process. */
function notSynchronous(promise: unknown): FaultlineError {
  Promise.resolve(promise).catch(() => {})
  return invalid('run', 'a section must be synchronous, and this one returned a promise; await outside of it')
}

/** An error of ours says more. */
function swallowed(cause: unknown): FaultlineError {
  if (cause instanceof FaultlineError) return cause
  return new FaultlineError(
    'EINVAL',
    'run',
    'the section caught the signal of a missing page and went on; let what `view` throws pass through',
    cause,
  )
}
