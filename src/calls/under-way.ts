/**
 * The calls of one object that are under way, and its close, which gives nothing back before they have ended.
 *
 *     open --begin to close--> closing: calls that may last are told to end; the others are waited for
 *          <---stay open-----'        \--none is under way--> what they used is given back
 *
 * Invariants
 *   UW1 What an object holds of the host, of memory or of a store is given back only when no call of it is under way.
 */
import { Closed } from './error.ts'

export class UnderWay {
  private readonly calls = new Set<Promise<unknown>>()
  private controller = new AbortController()

  /** Aborts what may last long: the object begins to close. */
  get ending(): AbortSignal {
    return this.controller.signal
  }

  /** What ends a call that may last: its caller's signal, or the close of the object. */
  endedBy(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.ending : AbortSignal.any([signal, this.ending])
  }

  /** Does something that close waits for. */
  async during<T>(act: () => Promise<T>): Promise<T> {
    const call = act()
    this.calls.add(call)
    try {
      return await call
    } finally {
      this.calls.delete(call)
    }
  }

  /** `what` was closed, for those who are told to end: 'the volume /data/vol'. */
  beginToClose(what: string): void {
    this.controller.abort(new Closed(what))
  }

  /** It isn't closed after all. */
  stayOpen(): void {
    this.controller = new AbortController()
  }

  get isCalm(): boolean {
    return this.calls.size === 0
  }

  /** Settles when none is under way, those that began meanwhile included. */
  async settled(): Promise<void> {
    while (this.calls.size > 0) await Promise.allSettled(this.calls)
  }
}
