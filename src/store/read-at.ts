/** Reads of a store's file. What the host refuses ends the edit that asked, as an errno. */
import fs from 'node:fs'
import { type Bytes, errno, messageOf, numberOf } from '../base/index.ts'
import { Failure } from '../volume/index.ts'

/** How many bytes there were. Throws Failure. */
export function readAt(fd: number, bytes: Uint8Array, position: Bytes): Bytes {
  try {
    return fs.readSync(fd, bytes, 0, bytes.length, position)
  } catch (error) {
    throw new Failure(-(numberOf(error) ?? -errno.EIO), `metadata, offset ${position}: ${messageOf(error)}`)
  }
}
