/** The one watchdog of this process, started with its first hardware machine. */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'

let watchdog: Worker | undefined

/** Watches a pager until it ends. */
export function watch(signals: SharedArrayBuffer): void {
  if (watchdog === undefined) {
    watchdog = new Worker(new URL(`./watchdog${extname(import.meta.url)}`, import.meta.url))
    watchdog.unref()
  }
  watchdog.postMessage(signals)
}
