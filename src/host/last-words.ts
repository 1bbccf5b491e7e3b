/**
 * The listeners of 'exit', of which ours is the last: what others do in theirs has happened by then.
 *
 * Node calls the listeners that there were when the event began, so a place among them must be kept beforehand: whenever
 * somebody listens, ours goes behind in a microtask. One who begins to listen and ends the process in the same turn comes
 * after ours.
 */

export type AtExit = (status: number) => void

/** Calls `last` at 'exit' after all other listeners, as far as it can be. */
export function lastAtExit(last: AtExit): void {
  process.on('exit', last)
  process.on('newListener', event => {
    if (event === 'exit') queueMicrotask(() => stayLast(last))
  })
}

/** The listeners that come after `last` all the same. */
export function listenersAfter(last: AtExit): readonly AtExit[] {
  const listeners = process.rawListeners('exit') as AtExit[]
  return listeners.slice(listeners.lastIndexOf(last) + 1)
}

function stayLast(last: AtExit): void {
  if (listenersAfter(last).length === 0) return
  process.off('exit', last)
  process.on('exit', last)
}
