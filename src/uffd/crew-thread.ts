/** A thread of the crew: makes the calls of its mailbox, one after the other, and wakes the pager. Then it is another's. */
import { parentPort } from 'node:worker_threads'
import type { Bytes } from '../base/index.ts'
import { type Address, Linux } from '../linux/index.ts'
import { Bounce } from './bounce.ts'
import { FLUSH, type HostCall, Mailbox, READ, RESIZE, WRITE } from './mailbox.ts'
import { hasLoaded } from './threads.ts'

export interface CrewData {
  readonly mailbox: SharedArrayBuffer
  /** Wakes the pager. */
  readonly eventfd: number
  /** The userfaultfd, through which pages are made. */
  readonly userfaultfd: number
  /** Memory for bytes on their way. */
  readonly bounce: { readonly address: Address; readonly length: Bytes }
}

const linux = new Linux()
hasLoaded()

parentPort!.on(
  'message',
  ({ mailbox: buffer, eventfd, userfaultfd, bounce: { address, length } }: CrewData) => {
    const mailbox = new Mailbox(buffer)
    const bounce = new Bounce(linux, userfaultfd, address, length)
    for (let call = mailbox.next(); call !== undefined; call = mailbox.next()) {
      mailbox.end(perform(call, bounce))
      linux.notify(eventfd)
    }
    parentPort!.postMessage('ended')
  },
)

function perform({ kind, fd, position, range, vectors }: HostCall, bounce: Bounce): number {
  switch (kind) {
    case READ:
      return range === undefined ? linux.preadv(fd, vectors, position) : bounce.fill(range, fd, position)
    case WRITE:
      return range === undefined ? linux.pwritev(fd, vectors, position) : bounce.drain(range, fd, position)
    case FLUSH:
      return linux.fsync(fd)
    case RESIZE:
      return linux.tryFtruncate(fd, position)
  }
}
