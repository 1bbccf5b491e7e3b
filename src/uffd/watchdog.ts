/**
 * The watchdog: a thread that does nothing but look whether the pagers of this process live. The thread that would hear
 * of a pager's death by an event may be waiting for that very pager.
 *
 * Invariants
 *   WD1 If a pager that serves is gone, or stands still, the process ends with a sentence within PATIENCE looks.
 */
import { existsSync } from 'node:fs'
import { parentPort, receiveMessageOnPort } from 'node:worker_threads'
import { Linux } from '../linux/index.ts'
import { HEARTBEAT, PAGER, SERVING, STATE } from './signals.ts'
import { abortProcess } from './stuck.ts'
import { hasLoaded } from './threads.ts'

/** Between two looks, in milliseconds. */
const INTERVAL = 200
/** Looks without a turn of a pager that lives. Counted, not timed: a process that is stopped looks as little as it turns. */
const PATIENCE = 150

const linux = new Linux()
hasLoaded()
const sleep = new Int32Array(new SharedArrayBuffer(4))
const watched: { readonly signals: Int32Array; heartbeat: number; still: number }[] = []

for (;;) {
  for (
    let news = receiveMessageOnPort(parentPort!);
    news !== undefined;
    news = receiveMessageOnPort(parentPort!)
  )
    watched.push({ signals: new Int32Array(news.message), heartbeat: -1, still: 0 })
  for (const [at, each] of [...watched.entries()].reverse()) {
    const { signals } = each
    if (Atomics.load(signals, STATE) !== SERVING) {
      if (Atomics.load(signals, STATE) > SERVING) watched.splice(at, 1)
      continue
    }
    const heartbeat = Atomics.load(signals, HEARTBEAT)
    each.still = heartbeat === each.heartbeat ? each.still + 1 : 0
    each.heartbeat = heartbeat
    const gone = !existsSync(`/proc/self/task/${Atomics.load(signals, PAGER)}`)
    // It may have ended between the two looks.
    if ((gone || each.still > PATIENCE) && Atomics.load(signals, STATE) === SERVING)
      abortProcess(
        linux,
        `the pager ${gone ? 'is gone' : 'stands still'}; threads that touch its mappings would wait for ever`,
      )
  }
  Atomics.wait(sleep, 0, 0, INTERVAL)
}
