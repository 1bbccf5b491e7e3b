/**
 * The contract of a thing with bytes on it: a host file, a piece of memory, a block device.
 *
 * A device starts a request and later says that it ended; it never calls back from inside `start`. It does no queueing
 * policy of its own: the I/O scheduler decides what is started when. Devices that share a `disk` share its queue.
 *
 * Invariants
 *   D1  Each started request ends exactly once, with 0 or an errno, and only after `start` has returned.
 *   D2  A read past the end of the device ends well, with zeros for what isn't there.
 *   D3  A write ends well only when all of its bytes are taken. What was written before a flush survives a crash once
 *       the flush has ended well.
 */
import type { Bytes, Errno } from '../base/index.ts'

export type Operation =
  | 'read'
  | 'write'
  | 'flush' // make all writes that have ended durable
  | 'resize' // the device is `length` bytes long from now on
  | 'zero' // [position, position + length) reads as zeros from now on; frees the space where it can

export interface Request {
  readonly operation: Operation
  readonly position: Bytes
  readonly length: Bytes
  /** For read and write: memory in order of position, `length` bytes together. */
  readonly buffers: readonly Uint8Array[]
}

/** What a device spends on requests beyond moving their bytes, each by its name: requests to a server, retries. */
export type Spent = Readonly<Record<string, number>>

export interface Device {
  readonly name: string
  /** The queue it shares with other devices of the same disk, in the kernel's form "major:minor". */
  readonly disk: string
  /** So many bytes are read as soon as one of them: of a device that is far away. Left out: a byte is sooner there. */
  readonly readUnit?: Bytes
  /** So many bytes of a range on their way keep it busy, and more only stand before what others want. Left out: it takes all. */
  readonly inFlightBytes?: Bytes
  /** A device that was read-only may become writable; never the other way round. */
  readonly readOnly: boolean
  /** Where ends are reported: to the I/O scheduler that starts requests, which sets it before its first. */
  onEnd: (request: Request, error: Errno) => void
  /** Where the cost of a request is told, before it ends; only of devices that cost more than time. Set as `onEnd` is. */
  onSpent?: (request: Request, spent: Spent) => void
  start(request: Request): void
}
