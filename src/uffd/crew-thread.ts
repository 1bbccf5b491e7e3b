/** A thread of the crew: makes the calls of its mailbox, one after the other, and wakes the pager. Then it is another's. */
import { parentPort } from 'node:worker_threads'
import { Linux } from '../linux/index.ts'
import { FLUSH, Mailbox, READ, RESIZE, WRITE } from './mailbox.ts'

export interface CrewData {
  readonly mailbox: SharedArrayBuffer
  /** Wakes the pager. */
  readonly eventfd: number
}

const linux = new Linux()

parentPort!.on('message', ({ mailbox: buffer, eventfd }: CrewData) => {
  const mailbox = new Mailbox(buffer)
  for (let call = mailbox.next(); call !== undefined; call = mailbox.next()) {
    mailbox.end(perform(call))
    linux.notify(eventfd)
  }
  parentPort!.postMessage('ended')
})

function perform({ kind, fd, position, vectors }: NonNullable<ReturnType<Mailbox['next']>>): number {
  switch (kind) {
    case READ:
      return linux.preadv(fd, vectors, position)
    case WRITE:
      return linux.pwritev(fd, vectors, position)
    case FLUSH:
      return linux.fsync(fd)
    case RESIZE:
      return linux.tryFtruncate(fd, position)
  }
}
