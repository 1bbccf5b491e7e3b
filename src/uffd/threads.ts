/**
 * Threads of machines. One that has done its work waits for the next machine instead of ending: a thread costs a tenth of
 * a second to start, and koffi keeps some memory of each that ends.
 *
 * Invariants
 *   TH1 A thread has one task at a time. If it dies, the process ends: threads may be waiting for it.
 *   TH2 A thread that waits keeps no process alive.
 */
import type { MessagePort, Worker } from 'node:worker_threads'
import { Linux, startLoadingThread } from '../linux/index.ts'
import { abortProcess } from './poison.ts'

export type ThreadKind = 'pager-thread' | 'io-thread' | 'watchdog'

/** Of garbage a thread keeps no more before it is collected: what it holds, fork copies the page tables of. */
const YOUNG_MB = 4

const idle = new Map<ThreadKind, Worker[]>()
let endIsWatched = false
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

function make(kind: ThreadKind): Worker {
  if (!endIsWatched)
    process.once('exit', () => {
      processEnds = true
    })
  endIsWatched = true
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_MB }
  const worker = startLoadingThread(kind, import.meta.url, undefined, { resourceLimits })
  const linux = new Linux()
  worker.on('error', error => abortProcess(linux, `a thread of the machine failed: ${error.stack ?? error}`))
  worker.on('exit', () => {
    if (!processEnds) abortProcess(linux, `a thread of the machine is gone: ${kind}`)
  })
  return worker
}
