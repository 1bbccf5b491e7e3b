/**
 * Calls of the kernel that wait for answers of the session itself: unmounting writes what is dirty, and a notification waits
 * for a page that somebody is reading. The thread that answers must not make them; this one does, and never answers.
 *
 * Invariants
 *   AS1 Calls are made one after the other, in the order in which they were asked for, each in a thread that answers nobody.
 *   AS2 Who waits for a call isn't left alone: until it is answered the process goes on.
 */
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { startLoadingThread } from '../linux/index.ts'
import {
  NOTIFY_INVAL_ENTRY,
  NOTIFY_INVAL_INODE,
  NotifyInvalEntryOut,
  NotifyInvalInodeOut,
  OutHeader,
} from './wire.ts'

export type AsideCall =
  | {
      readonly what: 'unmount'
      readonly target: string
      readonly how: 'when nobody uses it' | 'detach'
    }
  | { readonly what: 'notify'; readonly fd: number; readonly message: Uint8Array }
  /** Writes a file of /sys. */
  | { readonly what: 'set'; readonly path: string; readonly value: string }

export type AsideAsked = { readonly id: number; readonly call: AsideCall } | 'end'

export interface AsideResult {
  readonly id: number
  readonly result: number
}

export class Aside {
  private readonly worker: Worker
  private readonly waiting = new Map<number, (result: number) => void>()
  private next = 1
  private isEnding = false

  constructor() {
    this.worker = startLoadingThread('aside-thread', import.meta.url, undefined)
    this.worker.on('message', ({ id, result }: AsideResult) => {
      this.waiting.get(id)!(result)
      this.waiting.delete(id)
      if (this.waiting.size === 0 && !this.isEnding) this.worker.unref()
    })
    this.worker.unref()
  }

  /** Settles with 0, or -errno. */
  call(call: AsideCall): Promise<number> {
    const id = this.next++
    return new Promise(resolve => {
      this.waiting.set(id, resolve)
      this.worker.ref()
      this.worker.postMessage({ id, call } satisfies AsideAsked)
    })
  }

  /** Settles when all calls have been made, and the thread is gone. */
  async end(): Promise<void> {
    this.isEnding = true
    this.worker.ref()
    this.worker.postMessage('end' satisfies AsideAsked)
    await once(this.worker, 'exit')
  }
}

/** What the kernel has of a file's bytes, and its attributes, is no longer so. */
export function invalidateInode(ino: number, off: number, len: number): Uint8Array {
  const message = new Uint8Array(OutHeader.size + NotifyInvalInodeOut.size)
  const view = new DataView(message.buffer)
  OutHeader.write(view, 0, { len: message.length, error: NOTIFY_INVAL_INODE, unique: 0 })
  NotifyInvalInodeOut.write(view, OutHeader.size, { ino, off, len })
  return message
}

/** What the kernel knows of a name, or that there is none, is no longer so. */
export function invalidateEntry(parent: number, name: Uint8Array): Uint8Array {
  const message = new Uint8Array(OutHeader.size + NotifyInvalEntryOut.size + name.length + 1)
  const view = new DataView(message.buffer)
  OutHeader.write(view, 0, { len: message.length, error: NOTIFY_INVAL_ENTRY, unique: 0 })
  NotifyInvalEntryOut.write(view, OutHeader.size, { parent, namelen: name.length, flags: 0 })
  message.set(name, OutHeader.size + NotifyInvalEntryOut.size)
  return message
}
