/**
 * A pipe in pieces, as they come. It is read in the event loop: a thread that opens a FIFO which nobody writes to, or reads one
 * whose writer is silent, can be ended by no signal that a program takes care of.
 */
import { constants, openSync } from 'node:fs'
import { Socket } from 'node:net'

/** Ends when its last writer has closed it. Throws the signal's reason, and what the host says. */
export async function* piecesOfPipe(path: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const socket = new Socket({ fd, readable: true, writable: false })
  const end = () => socket.destroy()
  signal?.addEventListener('abort', end, { once: true })
  try {
    signal?.throwIfAborted()
    yield* socket
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', end)
    socket.destroy()
  }
}
