/**
 * Threads of machines. One that has done its work waits for the next machine instead of ending: a thread costs a tenth of
 * a second to start, and koffi keeps some memory of each that ends.
 *
 * Invariants
 *   TH1 A thread has one task at a time. If it dies, the process ends: threads may be waiting for it.
 *   TH2 A thread that waits keeps no process alive.
 *   TH3 A process that ends waits until its threads have loaded: koffi aborts a process that stops a thread which loads it.
 */
import { extname } from 'node:path'
import { type MessagePort, Worker, workerData } from 'node:worker_threads'
import { Linux } from '../linux/index.ts'
import { abortProcess } from './poison.ts'

export type ThreadKind = 'pager-thread' | 'io-thread' | 'watchdog'

/** A process that ends waits no longer than this for threads that load, in milliseconds. */
const LOADING = 5000

/** Of garbage a thread keeps no more before it is collected: what it holds, fork copies the page tables of. */
const YOUNG_MB = 4

const idle = new Map<ThreadKind, Worker[]>()
/** A word for each thread that was made: 1 when it has loaded. */
const loaded: Int32Array[] = []
let processEnds = false

/** Gives a thread a task. The promise is kept when the task has ended; once it is asked for, it keeps the process alive. */
export class Thread {
  private readonly worker: Worker
  private readonly done: Promise<void>
  private working = true

  constructor(kind: ThreadKind, task: unknown, transfer: readonly MessagePort[] = []) {
    const worker = idle.get(kind)?.pop() ?? make(kind)
    this.worker = worker
    this.done = new Promise(resolve => {
      worker.once('message', () => {
        this.working = false
        worker.unref()
        idle.set(kind, [...(idle.get(kind) ?? []), worker])
        resolve()
      })
    })
    worker.postMessage(task, transfer)
    worker.unref()
  }

  ended(): Promise<void> {
    if (this.working) this.worker.ref()
    return this.done
  }

  /** One more thing for a thread that never ends. */
  tell(news: unknown): void {
    this.worker.postMessage(news)
  }
}

/** Said by a thread. */
export function hasLoaded(): void {
  const word = new Int32Array(workerData as SharedArrayBuffer)
  Atomics.store(word, 0, 1)
  Atomics.notify(word, 0)
}

function make(kind: ThreadKind): Worker {
  if (loaded.length === 0) process.once('exit', endWithProcess)
  const word = new Int32Array(new SharedArrayBuffer(4))
  loaded.push(word)
  const worker = new Worker(new URL(`./${kind}${extname(import.meta.url)}`, import.meta.url), {
    workerData: word.buffer,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  })
  const linux = new Linux()
  worker.on('error', error => abortProcess(linux, `a thread of the machine failed: ${error.stack ?? error}`))
  worker.on('exit', () => {
    if (!processEnds) abortProcess(linux, `a thread of the machine is gone: ${kind}`)
  })
  return worker
}

function endWithProcess(): void {
  processEnds = true
  for (const word of loaded) Atomics.wait(word, 0, 0, LOADING)
}
