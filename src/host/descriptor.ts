/** Descriptors that are given back. */
import fs from 'node:fs'

/**
 * close(2). The host has given the number back whatever it answers, so there is nothing to do about an error; what was to be
 * durable has been flushed before.
 */
export function closeDescriptor(fd: number): void {
  try {
    fs.closeSync(fd)
  } catch {
    // As above.
  }
}
