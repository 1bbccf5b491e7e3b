/** A thread of the crew: makes the calls of its mailbox, one after the other, and wakes the pager. Then it is another's. */
import { parentPort } from 'node:worker_threads'
import type { Bytes } from '../base/index.ts'
import { type Address, Linux } from '../linux/index.ts'
import { Bounce } from './bounce.ts'
import { ADDRESSES, FLUSH, type HostCall, Mailbox, READ, RESIZE, WRITE } from './mailbox.ts'

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

function perform(call: HostCall, bounce: Bounce): number {
  const { kind, fd, position, vectors } = call
  switch (kind) {
    case READ:
      return call.memoryFile === ADDRESSES ? linux.preadv(fd, vectors, position) : transfer(call, bounce)
    case WRITE:
      return call.memoryFile === ADDRESSES ? linux.pwritev(fd, vectors, position) : transfer(call, bounce)
    case FLUSH:
      return linux.fsync(fd)
    case RESIZE:
      return linux.tryFtruncate(fd, position)
  }
}

/** Between a file and ranges of a memory file. Bytes moved, or -errno if that is none. */
function transfer({ kind, fd, position, memoryFile, stage, vectors }: HostCall, bounce: Bounce): number {
  let moved = 0
  for (let at = 0; at < vectors.length; at += 2) {
    const [offset, length] = [Number(vectors[at]), Number(vectors[at + 1])]
    const range = { fd: memoryFile, offset, length, address: stage && stage + offset }
    const result =
      kind === READ ? bounce.fill(range, fd, position + moved) : bounce.drain(range, fd, position + moved)
    if (result < 0) return moved === 0 ? result : moved
    moved += result
    if (result < length) break
  }
  return moved
}
