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
 *   FPW3 Who waits for pages isn't left alone: as long as a thread is at work the process goes on.
 */
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { type Errno, errno } from '../base/index.ts'
import { startLoadingThread } from '../linux/index.ts'

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

export type PageWriterAsked = readonly PagesOf[] | 'end'

export type PageWriterSaid = { readonly handedOver: HandedOver } | 'idle'

export class PageWriters {
  private readonly setting: PageWriterSetting
  private readonly idle: Worker[] = []
  private readonly all = new Set<Worker>()
  private readonly waiting = new Map<Worker, (handedOver: HandedOver) => void>()

  constructor(setting: PageWriterSetting) {
    this.setting = setting
  }

  /** What is dirty of the files at this moment has been taken by the session when it settles. */
  write(files: readonly PagesOf[]): Promise<HandedOver> {
    const worker = this.idle.pop() ?? this.start()
    return new Promise(resolve => {
      this.waiting.set(worker, resolve)
      worker.ref()
      worker.postMessage(files satisfies PageWriterAsked)
    })
  }

  async end(): Promise<void> {
    const all = [...this.all]
    this.all.clear()
    await Promise.all(all.map(worker => this.endOne(worker)))
  }

  private async endOne(worker: Worker): Promise<void> {
    worker.ref()
    worker.postMessage('end' satisfies PageWriterAsked)
    await once(worker, 'exit')
  }

  private start(): Worker {
    // Files that are opened by handle Node doesn't know of.
    const options = { trackUnmanagedFds: false }
    const worker = startLoadingThread('page-writer-thread', import.meta.url, this.setting, options)
    this.all.add(worker)
    worker.on('message', (said: PageWriterSaid) => {
      if (said === 'idle') {
        this.idle.push(worker)
        // One that is to end is waited for.
        if (this.all.has(worker)) worker.unref()
      } else this.waiting.get(worker)!(said.handedOver)
    })
    worker.on('error', () => {
      this.all.delete(worker)
      this.waiting.get(worker)?.({ unreachable: errno.EIO, failed: errno.OK })
    })
    return worker
  }
}
