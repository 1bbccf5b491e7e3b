/**
 * Has the kernel write its dirty pages of files of the mount: stores through shared mappings, and what was written and kept back. It
 * writes them by requests, as ever, and keeps the pages.
 *
 *     idle <-> at work                a thread that is at work does nothing else: another one is taken, or made
 *
 * Files are opened by their handles (open_by_handle_at), which takes CAP_DAC_READ_SEARCH: without it they can't be reached.
 *
 * Invariants
 *   FPW1 Whose pages can't be written for now keeps nobody else's from being written.
 *   FPW2 Its threads have none of the session's descriptors: a process that is killed leaves nobody waiting.
 *   FPW3 A thread is ended when it has loaded what it needs: native code that is loaded in a thread that ends takes the process along.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type Errno, errno } from '../base/index.ts'

/** A file whose pages are to be written. */
export interface PagesOf {
  readonly ino: number
  readonly generation: number
}

export interface PageWriterSetting {
  /** The session's descriptor. */
  readonly device: number
  readonly target: string
}

export interface HandedOver {
  /** Why the files could not be reached, and nothing is known of their pages. */
  readonly unreachable: Errno
  /** What the first page that wasn't written has failed with. */
  readonly failed: Errno
}

export type PageWriterSaid = { readonly handedOver: HandedOver } | 'loaded' | 'idle'

export class PageWriters {
  private readonly setting: PageWriterSetting
  private readonly idle: Worker[] = []
  /** Each settles when its thread has loaded what it needs, or is gone. */
  private readonly all = new Map<Worker, Promise<void>>()
  private readonly waiting = new Map<Worker, (handedOver: HandedOver) => void>()

  constructor(setting: PageWriterSetting) {
    this.setting = setting
  }

  /** What is dirty of the files at this moment has been taken by the session when it settles. */
  write(files: readonly PagesOf[]): Promise<HandedOver> {
    const worker = this.idle.pop() ?? this.start()
    return new Promise(resolve => {
      this.waiting.set(worker, resolve)
      worker.postMessage(files)
    })
  }

  async end(): Promise<void> {
    for (const worker of this.all.keys()) worker.ref()
    await Promise.all([...this.all].map(([worker, loaded]) => loaded.then(() => worker.terminate())))
  }

  private start(): Worker {
    const file = new URL(`./page-writer-thread${extname(import.meta.url)}`, import.meta.url)
    // Files that are opened by handle Node doesn't know of.
    const worker = new Worker(file, { workerData: this.setting, trackUnmanagedFds: false })
    const loaded = Promise.withResolvers<void>()
    this.all.set(worker, loaded.promise)
    worker.on('exit', () => loaded.resolve())
    worker.on('message', (said: PageWriterSaid) => {
      if (said === 'loaded') loaded.resolve()
      else if (said === 'idle') this.idle.push(worker)
      else this.waiting.get(worker)!(said.handedOver)
    })
    worker.on('error', () => {
      this.all.delete(worker)
      this.waiting.get(worker)?.({ unreachable: errno.EIO, failed: errno.OK })
    })
    worker.unref()
    return worker
  }
}
