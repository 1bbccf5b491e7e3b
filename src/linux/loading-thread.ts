/**
 * Threads that load foreign functions.
 *
 * Invariants
 *   LTH1 A process that ends waits until its threads have loaded: koffi aborts a process that stops a thread which loads it.
 */
import { extname } from 'node:path'
import { Worker, type WorkerOptions, workerData } from 'node:worker_threads'

interface Given<Setting> {
  /** A word: 1 when the thread has loaded. */
  readonly loaded: Int32Array
  readonly setting: Setting
}

/** A process that ends waits no longer than this for a thread that loads, in milliseconds. */
const LOADING_MS = 5000

const words = new Set<Int32Array>()
let endIsWatched = false

/** Starts `name`.ts beside the file with the address `beside`; it says `hasLoaded` when it has. */
export function startLoadingThread<Setting>(
  name: string,
  beside: string,
  setting: Setting,
  options: Omit<WorkerOptions, 'workerData'> = {},
): Worker {
  if (!endIsWatched) process.once('exit', waitForAll)
  endIsWatched = true
  const loaded = new Int32Array(new SharedArrayBuffer(4))
  words.add(loaded)
  const file = new URL(`./${name}${extname(beside)}`, beside)
  const worker = new Worker(file, { ...options, workerData: { loaded, setting } satisfies Given<Setting> })
  worker.once('exit', () => words.delete(loaded))
  return worker
}

/** What a thread was started with. */
export function settingOfThread<Setting>(): Setting {
  return (workerData as Given<Setting>).setting
}

/** Said by a thread. */
export function hasLoaded(): void {
  const { loaded } = workerData as Given<unknown>
  Atomics.store(loaded, 0, 1)
  Atomics.notify(loaded, 0)
}

function waitForAll(): void {
  for (const loaded of words) Atomics.wait(loaded, 0, 0, LOADING_MS)
}
