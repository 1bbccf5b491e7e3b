/** The one watchdog of this process, started with its first hardware machine. */
import { Thread } from './threads.ts'

let watchdog: Thread | undefined

/** Watches a pager until it ends. */
export function watch(signals: SharedArrayBuffer): void {
  if (watchdog === undefined) watchdog = new Thread('watchdog', signals)
  else watchdog.tell(signals)
}
