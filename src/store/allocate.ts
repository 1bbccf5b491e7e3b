/**
 * A new file of the host that has all its space from the start, so that nobody who writes to it meets a full filesystem. It
 * gets its name when it has.
 *
 * Node has no fallocate; the program of that name has. Where that is missing, or the filesystem can't, zeros are written.
 */
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { type Bytes, codeOf } from '../base/index.ts'
import { closeDescriptor, renameToNew, syncDirectory } from '../host/index.ts'

const ZEROS = new Uint8Array(2 ** 20)

/** The filesystem has less than is asked for. */
export class NoRoom extends Error {
  readonly free: Bytes

  constructor(free: Bytes) {
    super('there is no room for it')
    this.free = free
  }
}

/**
 * `beside`: what it is called until it has its space, on the same filesystem. Throws NoRoom, the signal's reason, or what the host
 * says: EEXIST if there is such a file.
 */
export async function allocateFile(
  path: string,
  beside: string,
  size: Bytes,
  signal: AbortSignal | undefined,
): Promise<void> {
  const free = freeBytes(dirname(path))
  if (size > free) throw new NoRoom(free)
  let isMine = false
  try {
    const fd = fs.openSync(beside, 'wx')
    isMine = true
    closeDescriptor(fd)
    await fill(beside, size, signal)
    renameToNew(beside, path)
    syncDirectory(dirname(path))
  } catch (error) {
    const code = codeOf(error)
    throw code === 'ENOSPC' || code === 'EDQUOT' ? new NoRoom(freeBytes(dirname(path))) : error
  } finally {
    if (isMine) fs.rmSync(beside, { force: true })
  }
}

/** A file that is there already has so much space from now on. Throws NoRoom, or what the host says; what was in it stays. */
export async function extendFile(path: string, size: Bytes): Promise<void> {
  const more = size - fs.statSync(path).size
  const free = freeBytes(dirname(path))
  if (more > free) throw new NoRoom(free)
  try {
    if ((await byProgram(path, size, undefined)) === 'done') return
    await fill(path, size, undefined, size - more)
  } catch (error) {
    const code = codeOf(error)
    throw code === 'ENOSPC' || code === 'EDQUOT' ? new NoRoom(freeBytes(dirname(path))) : error
  }
}

async function fill(
  path: string,
  size: Bytes,
  signal: AbortSignal | undefined,
  from: Bytes = 0,
): Promise<void> {
  if (from === 0 && size > 0 && (await byProgram(path, size, signal)) === 'done') return
  const file = await open(path, 'r+')
  try {
    for (let at = from; at < size; ) {
      signal?.throwIfAborted()
      const { bytesWritten } = await file.write(ZEROS, 0, Math.min(ZEROS.length, size - at), at)
      at += bytesWritten
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

async function byProgram(
  path: string,
  size: Bytes,
  signal: AbortSignal | undefined,
): Promise<'done' | 'not here'> {
  try {
    const options = { env: { ...process.env, LC_ALL: 'C' }, ...(signal && { signal }) }
    await promisify(execFile)('fallocate', ['--length', String(size), path], options)
    return 'done'
  } catch (error) {
    signal?.throwIfAborted()
    const { stderr = '' } = error as { stderr?: string }
    if (stderr.includes('No space left')) throw Object.assign(new Error(stderr), { code: 'ENOSPC' })
    return 'not here'
  }
}

/** Infinity where the filesystem doesn't tell. */
function freeBytes(directory: string): Bytes {
  const { blocks, bavail, bsize } = fs.statfsSync(directory)
  return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize
}
