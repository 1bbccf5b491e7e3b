/**
 * The watchdog: a thread that does nothing but look whether the pagers of this process live, and answer touches of arrays
 * that have none any more (warden.ts). The thread that would hear of a pager's death by an event may be waiting for that
 * very pager.
 *
 * Each thread that starts machines has one; so has a thread that attaches to a machine which another worker has started,
 * for a worker takes its pager and its watchdog with it when it ends.
 *
 * Invariants
 *   WD1 If a pager that serves is gone, or stands still, the process ends with a sentence within PATIENCE looks: at once if
 *       this thread started it, else when somebody touches what it served.
 */
import { existsSync } from 'node:fs'
import { parentPort, receiveMessageOnPort } from 'node:worker_threads'
import { hasLoaded, Linux } from '../linux/index.ts'
import { Control } from './control.ts'
import { abortProcess } from './poison.ts'
import { HEARTBEAT, PAGER, SERVING, STATE } from './signals.ts'
import { Warden } from './warden.ts'
import type { Held } from './wire.ts'

/** What it is told: of a pager, of what is held of a machine that was closed, or of an array of somebody else's machine. */
export type News =
  | { readonly pager: SharedArrayBuffer }
  | { readonly held: Held }
  | { readonly attached: Held; readonly pager: SharedArrayBuffer; readonly thread: number }

/** Between two looks, in milliseconds. */
const INTERVAL = 200
/** Looks without a turn of a pager that lives. Counted, not timed: a process that is stopped looks as little as it turns. */
const PATIENCE = 150

const CLOSED = 'its machine was closed'
const ORPHANED = 'the worker that started its machine has ended, and with it the machine'

const linux = new Linux()
hasLoaded()
const sleep = new Int32Array(new SharedArrayBuffer(4))

/** Looks; says whether there is more to look at. */
type Watch = () => boolean

function serves(signals: Int32Array): boolean {
  return Atomics.load(signals, STATE) === SERVING
}

function isGone(signals: Int32Array): boolean {
  return !existsSync(`/proc/self/task/${Atomics.load(signals, PAGER)}`)
}

function watchPager(signals: Int32Array): Watch {
  let last = -1
  let still = 0
  return () => {
    if (!serves(signals)) return Atomics.load(signals, STATE) < SERVING
    const heartbeat = Atomics.load(signals, HEARTBEAT)
    still = heartbeat === last ? still + 1 : 0
    last = heartbeat
    const gone = isGone(signals)
    // It may have ended between the two looks.
    if ((gone || still > PATIENCE) && serves(signals))
      abortProcess(
        linux,
        `the pager ${gone ? 'is gone' : 'stands still'}; threads that touch its mappings would wait for ever`,
      )
    return true
  }
}

function watchHeld(held: Held): Watch {
  const warden = new Warden(linux, held, CLOSED)
  return () => {
    warden.look()
    return warden.sweep()
  }
}

function watchAttached(held: Held, signals: Int32Array, thread: number): Watch {
  const control = new Control(held.ranges[0]!.control)
  let warden: Warden | undefined
  return () => {
    if (control.threadIdOf(thread) === undefined) return false
    if (!isGone(signals)) return true
    warden ??= new Warden(linux, held, ORPHANED)
    warden.look()
    return true
  }
}

function watchFor(news: News): Watch {
  if ('held' in news) return watchHeld(news.held)
  const signals = new Int32Array(news.pager)
  return 'attached' in news ? watchAttached(news.attached, signals, news.thread) : watchPager(signals)
}

let watches: Watch[] = []
for (;;) {
  for (
    let news = receiveMessageOnPort(parentPort!);
    news !== undefined;
    news = receiveMessageOnPort(parentPort!)
  )
    watches.push(watchFor(news.message as News))
  watches = watches.filter(look => look())
  Atomics.wait(sleep, 0, 0, INTERVAL)
}
