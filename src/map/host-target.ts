/**
 * A file of the host that parts are written to, beside its place first: it appears there when it is whole and durable, and
 * whatever ends the copy before, a power cut too, leaves what was there.
 */
import fs from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Bytes } from '../base/index.ts'
import { fromHost } from './error.ts'

/** Writes of this much are quickest by far: of larger ones Linux 6.18 makes folios that it has to look for. */
const WRITE_BYTES: Bytes = 2 ** 20

/** The device is kept busy meanwhile: a sync goes on beside the copy for each so many bytes. */
const SYNC_BYTES: Bytes = 64 * 2 ** 20

/** Returns how many bytes it has. Each part is good until the next is asked for. */
export async function writeWhole(target: string, parts: AsyncIterable<Uint8Array>): Promise<Bytes> {
  const beside = `${target}.${process.pid}.part`
  const failed = (error: unknown) => {
    throw fromHost(error, 'getFile', target)
  }
  const file = await open(beside, 'wx').catch(failed)
  let syncing = Promise.resolve()
  try {
    let length = 0
    for await (const part of parts) {
      const writes: Promise<void>[] = []
      for (let at = 0; at < part.length; at += WRITE_BYTES)
        writes.push(writeAll(file, part.subarray(at, at + WRITE_BYTES), length + at))
      await Promise.all(writes)
      const crossed = Math.floor(length / SYNC_BYTES) !== Math.floor((length + part.length) / SYNC_BYTES)
      length += part.length
      if (!crossed) continue
      await syncing
      syncing = file.datasync()
      syncing.catch(() => {})
    }
    await syncing
    await file.sync()
    await file.close()
    fs.renameSync(beside, target)
    return length
  } catch (error) {
    // It waits for what is on its way.
    await file.close().catch(() => {})
    try {
      fs.rmSync(beside, { force: true })
    } catch {
      // What failed first is told.
    }
    return failed(error)
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: Bytes): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}
