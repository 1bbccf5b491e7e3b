/**
 * The crew: threads of our own that make the calls of the host which may take long. libuv's threads would not do: a
 * program may have all of them waiting for pages (an asynchronous write of a mapped array, say), and the pager must be
 * able to read those pages.
 *
 * Invariants
 *   CR1 A call ends once, in a turn of the pager, never inside the call that began it.
 *   CR2 Memory that a call reads or fills is kept until it has ended.
 */
import { getSystemErrorName } from 'node:util'
import { assert, type Bytes } from '../base/index.ts'
import type { HostCalls } from '../host/index.ts'
import type { Linux } from '../linux/index.ts'
import { type CallKind, ENDED_CALL, FLUSH, Mailbox, READ, RESIZE, VECTORS_MAX, WRITE } from './mailbox.ts'

type Ended = (failure: NodeJS.ErrnoException | null, count: number) => void

interface Call {
  readonly kind: CallKind
  readonly fd: number
  readonly position: number
  readonly buffers: readonly Uint8Array[]
  readonly ended: Ended
}

export class Crew implements HostCalls {
  private readonly linux: Linux
  private readonly mailboxes: readonly Mailbox[]
  /** Runs before a call begins: what it reads must be whole. */
  private readonly prepare: () => void
  private readonly running: (Call | undefined)[] = []
  private readonly queue: Call[] = []

  constructor(linux: Linux, mailboxes: readonly SharedArrayBuffer[], prepare: () => void) {
    this.linux = linux
    this.mailboxes = mailboxes.map(buffer => new Mailbox(buffer))
    this.prepare = prepare
  }

  read(fd: number, buffers: readonly Uint8Array[], position: Bytes, ended: Ended): void {
    this.begin({ kind: READ, fd, position, buffers, ended })
  }

  write(fd: number, buffers: readonly Uint8Array[], position: Bytes, ended: Ended): void {
    this.begin({ kind: WRITE, fd, position, buffers, ended })
  }

  flush(fd: number, ended: Ended): void {
    this.begin({ kind: FLUSH, fd, position: 0, buffers: [], ended })
  }

  resize(fd: number, length: Bytes, ended: Ended): void {
    this.begin({ kind: RESIZE, fd, position: length, buffers: [], ended })
  }

  /** Ends the calls whose threads have made them. */
  collect(): void {
    for (const [at, mailbox] of this.mailboxes.entries()) {
      if (mailbox.state !== ENDED_CALL) continue
      const { ended } = this.running[at]!
      this.running[at] = undefined
      const result = mailbox.take()
      const next = this.queue.shift()
      if (next !== undefined) this.give(at, next)
      if (result < 0) ended(failure(result), 0)
      else ended(null, result)
    }
  }

  stop(): void {
    for (const mailbox of this.mailboxes) mailbox.stop()
  }

  private begin(call: Call): void {
    assert(call.buffers.length <= VECTORS_MAX, `a call has at most ${VECTORS_MAX} pieces`)
    const free = this.mailboxes.findIndex((_, at) => this.running[at] === undefined)
    if (free === -1) this.queue.push(call)
    else this.give(free, call)
  }

  private give(at: number, call: Call): void {
    this.prepare()
    this.running[at] = call
    const vectors = call.buffers.map(buffer => [this.linux.ffi.addressOf(buffer), buffer.byteLength] as const)
    this.mailboxes[at]!.ask(call.kind, call.fd, call.position, vectors)
  }
}

function failure(result: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(result)
  return Object.assign(new Error(`the host failed with ${code}`), { errno: result, code })
}
