/**
 * What is written to a file of the host that nobody reads yet, as fast as its device takes it.
 *
 *     long, aligned   past the host's cache (O_DIRECT), of two parts at once: the device has the next before it ends the one at hand
 *     the rest        through the cache, one after the other, and a sync goes on beside for each so many bytes
 *
 * Where the host can't go past its cache, or refuses to, all of it goes through.
 *
 * Invariants
 *   NF1 No bytes that were handed over are on their way any more once `ended` has settled, however it did.
 *   NF2 When a write settles all that was handed over before is written, if it has nothing to write, too.
 */
import fs from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { type Bytes, codeOf } from '../base/index.ts'
import { ALIGNMENT } from '../host/index.ts'

/** Shorter ones are done sooner by a copy into the cache. */
const DIRECT_MIN: Bytes = 2 ** 20
/** Writes of this much are quickest by far: of larger ones Linux 6.18 makes folios that it has to look for. */
const CACHED_MAX: Bytes = 2 ** 20
/** The device is kept busy meanwhile: a sync goes on beside the copy for each so many bytes of the cache. */
const SYNC_BYTES: Bytes = 64 * 2 ** 20

/** Bytes, and where in the file they are to lie. */
export interface Piece {
  readonly bytes: Uint8Array
  readonly position: Bytes
}

export class NewFile {
  private readonly file: FileHandle
  private direct: FileHandle | undefined
  /** What was handed over last, and before. */
  private writing: Promise<void> = Promise.resolve()
  private before: Promise<void> = Promise.resolve()
  private syncing: Promise<void> = Promise.resolve()
  /** Bytes in the host's cache that no sync has been begun for. */
  private unsynced: Bytes = 0

  private constructor(file: FileHandle, direct: FileHandle | undefined) {
    this.file = file
    this.direct = direct
  }

  /** `file` is open at `path`, and stays its opener's. */
  static async over(file: FileHandle, path: string): Promise<NewFile> {
    const { O_DIRECT, O_WRONLY } = fs.constants
    const direct =
      O_DIRECT === undefined ? undefined : await open(path, O_WRONLY | O_DIRECT).catch(() => undefined)
    return new NewFile(file, direct)
  }

  /**
   * Takes the pieces of one part of the file; a part that holds nothing has none. Settles when all that was handed over before
   * is written: these bytes stay as they are until the next call has settled.
   */
  async write(pieces: readonly Piece[]): Promise<void> {
    this.before = this.writing
    this.writing = this.put(pieces, this.before)
    this.writing.catch(() => {})
    await this.before
  }

  /** Settles when nothing is on its way any more; throws what failed. */
  async ended(): Promise<void> {
    const ends = await Promise.allSettled([this.before, this.writing, this.syncing])
    await this.direct?.close()
    this.direct = undefined
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  private async put(pieces: readonly Piece[], before: Promise<void>): Promise<void> {
    for (const { bytes, position } of pieces) {
      const done = await this.putDirect(bytes, position)
      // The kernel lets one into a file at a time, and those who wait for it with a copy to make spin.
      await before
      for (let at = done; at < bytes.length; at += CACHED_MAX) {
        const part = bytes.subarray(at, at + CACHED_MAX)
        await writeAll(this.file, part, position + at)
        this.unsynced += part.length
      }
    }
    await before
    if (this.unsynced < SYNC_BYTES) return
    this.unsynced = 0
    await this.syncing
    this.syncing = this.file.datasync()
    this.syncing.catch(() => {})
  }

  /** How many of the bytes could be written past the cache, and are. */
  private async putDirect(bytes: Uint8Array, position: Bytes): Promise<Bytes> {
    const { direct } = this
    const isAligned = position % ALIGNMENT === 0 && bytes.byteOffset % ALIGNMENT === 0
    if (direct === undefined || !isAligned || bytes.length < DIRECT_MIN) return 0
    const whole = bytes.length - (bytes.length % ALIGNMENT)
    try {
      await writeAll(direct, bytes.subarray(0, whole), position)
      return whole
    } catch (error) {
      // The host took O_DIRECT at open and refuses it now: memory or file aren't aligned as it wants.
      if (codeOf(error) !== 'EINVAL') throw error
      this.direct = undefined
      await direct.close()
      return 0
    }
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: Bytes): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    if (bytesWritten === 0) throw Object.assign(new Error('the host writes nothing'), { code: 'EIO' })
    done += bytesWritten
  }
}
