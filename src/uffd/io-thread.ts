/** A thread that makes calls of the host: those of its slot, one after the other, and wakes the pager. Then it is another's. */
import { parentPort } from 'node:worker_threads'
import type { Bytes } from '../base/index.ts'
import { type Address, hasLoaded, Linux, Userfaultfd } from '../linux/index.ts'
import { Bounce } from './bounce.ts'
import { CallSlot, FLUSH, type HostCall, READ, RESIZE, WRITE } from './call-slot.ts'

export interface IoThreadData {
  readonly slot: SharedArrayBuffer
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
  ({ slot: buffer, eventfd, userfaultfd, bounce: { address, length } }: IoThreadData) => {
    const slot = new CallSlot(buffer)
    const bounce = new Bounce(linux, Userfaultfd.of(linux, userfaultfd), address, length)
    for (let call = slot.next(); call !== undefined; call = slot.next()) {
      slot.end(perform(call, bounce))
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
