/**
 * The listeners of 'exit', of which ours are the last: what others do in theirs has happened by then.
 *
 * Node calls the listeners that there were when the event began, so a place among them must be kept beforehand: whenever
 * somebody else listens, ours go behind in a microtask. One who begins to listen and ends the process in the same turn comes
 * after ours.
 *
 * Invariants
 *   LAE1 Ours don't make way for one another, those of a second copy of this package included: each would be last for ever.
 */

export type AtExit = (status: number) => void

/** On a listener of ours. */
const OURS = Symbol.for('faultline: last at exit')

/** Calls `last` at 'exit' after all listeners of others, as far as it can be. */
export function lastAtExit(last: AtExit): void {
  Object.defineProperty(last, OURS, { value: true })
  process.on('exit', last)
  process.on('newListener', (event, listener) => {
    if (event === 'exit' && !(OURS in listener)) queueMicrotask(() => stayLast(last))
  })
}

/** The listeners of others that come after `last` all the same. */
export function listenersAfter(last: AtExit): readonly AtExit[] {
  const listeners = process.rawListeners('exit') as AtExit[]
  return listeners.slice(listeners.lastIndexOf(last) + 1).filter(listener => !(OURS in listener))
}

function stayLast(last: AtExit): void {
  if (listenersAfter(last).length === 0) return
  process.off('exit', last)
  process.on('exit', last)
}
