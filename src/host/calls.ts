/**
 * The calls of the host that files are read and written by. Node's own go to libuv's threads; the hardware MMU brings
 * others, because those threads may themselves be waiting for a page.
 */
import fs from 'node:fs'
import type { Bytes } from '../base/index.ts'

type Failure = NodeJS.ErrnoException | null

export interface HostCalls {
  /** Fills the buffers as far as the file goes, and says how many bytes there were. */
  read(
    fd: number,
    buffers: readonly Uint8Array[],
    position: Bytes,
    ended: (failure: Failure, got: Bytes) => void,
  ): void
  /** The same where the descriptor goes past the host's cache (O_DIRECT): whoever waits for such a read waits for the device. */
  readDirect: HostCalls['read']
  /** Takes some of the buffers' bytes, from the first on, and says how many. */
  write(
    fd: number,
    buffers: readonly Uint8Array[],
    position: Bytes,
    ended: (failure: Failure, taken: Bytes) => void,
  ): void
  flush(fd: number, ended: (failure: Failure) => void): void
  resize(fd: number, length: Bytes, ended: (failure: Failure) => void): void
}

const read: HostCalls['read'] = (fd, buffers, position, ended) => {
  const [only] = buffers
  if (buffers.length === 1) fs.read(fd, only!, 0, only!.length, position, ended)
  else fs.readv(fd, buffers, position, ended)
}

export const NODE_CALLS: HostCalls = {
  read,
  readDirect: read,
  write(fd, buffers, position, ended) {
    fs.writev(fd, buffers, position, ended)
  },
  flush(fd, ended) {
    fs.fsync(fd, ended)
  },
  resize(fd, length, ended) {
    fs.ftruncate(fd, length, ended)
  },
}
