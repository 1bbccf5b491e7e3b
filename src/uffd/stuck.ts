/**
 * Threads that touched a page which can't be had: it could not be read, it lies past the end of the file, the mapping
 * does not allow it or is gone. The touch can't return, for there are no bytes that it could return.
 *
 *     inside a call of the host (fs.writeSync of the array)    the call fails with EFAULT, which Node throws
 *     a worker, with onError 'terminate-worker'                it is stopped for good, where it is, and its owner is told
 *     anything else                                            one sentence, and the process ends
 *
 * A call of the host fails by taking the page's permissions away until the thread has come back from it.
 *
 * Invariants
 *   SK1 No thread goes on with bytes that aren't the file's.
 */
import fs from 'node:fs'
import type { Bytes } from '../base/index.ts'
import { type Linux, PROT_NONE, PROT_READ, PROT_WRITE, type Userfaultfd } from '../linux/index.ts'
import type { FaultlineError } from '../map/index.ts'
import type { Placed } from './areas.ts'
import type { OnError } from './wire.ts'

interface Barred {
  readonly thread: number
  readonly address: number
  /** What /proc said of the thread's call: it has come back when this changes. */
  readonly call: string
}

export class Stuck {
  /** Threads that are stopped for good. */
  stopped = 0
  private readonly linux: Linux
  private readonly uffd: Userfaultfd
  private readonly pageSize: Bytes
  private readonly onError: OnError
  private readonly tell: (threadId: number, error: FaultlineError) => void
  private readonly barred = new Set<Barred>()

  constructor(
    linux: Linux,
    uffd: Userfaultfd,
    pageSize: Bytes,
    onError: OnError,
    tell: (threadId: number, error: FaultlineError) => void,
  ) {
    this.linux = linux
    this.uffd = uffd
    this.pageSize = pageSize
    this.onError = onError
    this.tell = tell
  }

  /** Whether calls are failing now: `sweep` is to be called soon. */
  get waiting(): boolean {
    return this.barred.size > 0
  }

  refuse(thread: number, { area, control }: Placed, page: number, error: FaultlineError): void {
    const address = area.address + page * this.pageSize
    const call = callOf(thread)
    if (call !== undefined) {
      this.linux.mprotect(address, this.pageSize, PROT_NONE)
      this.barred.add({ thread, address, call })
      this.uffd.wake(address, this.pageSize)
      return
    }
    const threadId = control.threadIdOf(thread)
    if (this.onError === 'terminate-worker' && threadId !== undefined) {
      this.stopped++
      this.tell(threadId, error)
      return
    }
    abortProcess(this.linux, `${error.message}. A thread touched it and can't go on without it`)
  }

  /** Gives pages their permissions back, whose threads have come back from their calls. */
  sweep(): void {
    for (const each of this.barred) {
      if (callOf(each.thread) === each.call) continue
      this.barred.delete(each)
      const others = [...this.barred].some(other => other.address === each.address)
      if (!others) this.linux.mprotect(each.address, this.pageSize, PROT_READ | PROT_WRITE)
    }
  }
}

/** One sentence on stderr, and the end of the process with SIGABRT. */
export function abortProcess(linux: Linux, sentence: string): void {
  fs.writeSync(2, `faultline: ${sentence}; the process ends.\n`)
  linux.abort()
}

/** The call of the host that a waiting thread is in, with its arguments; undefined: it is in none. */
function callOf(thread: number): string | undefined {
  try {
    const text = fs.readFileSync(`/proc/self/task/${thread}/syscall`, 'latin1')
    return /^\d/.test(text) ? text : undefined
  } catch {
    return undefined
  }
}
