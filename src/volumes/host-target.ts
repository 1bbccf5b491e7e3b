/**
 * A file of the host that parts are written to, beside its place first: it appears there when it is whole and durable, and
 * whatever ends the copy before, a power cut too, leaves what was there. What a copy that was killed has left beside it, the next
 * one to that place removes: a copy on its way is locked.
 *
 * Only a regular file is ever replaced, and only if that is asked for. A symbolic link stays, and the file that it leads to is
 * replaced; a device, a FIFO or a socket isn't a place for a file.
 */

import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Existing } from '../api/index.ts'
import { type Bytes, codeOf, solidParts } from '../base/index.ts'
import { FaultlineError, invalid } from '../calls/index.ts'
import { shown } from '../group/index.ts'
import { nameBeside, renameToNew, stemBeside, syncDirectory } from '../host/index.ts'
import { FileLock, holdsVolume, Taken } from '../store/index.ts'
import { NewFile } from './new-file.ts'

/** Where a file is to lie, and the mode of the one that is replaced. */
interface Place {
  readonly path: string
  readonly replaced: fs.Stats | undefined
}

/** How copies on their way are called: 12 digits that nobody else has. */
const ENDING = /^\.[0-9a-f]{12}\.part$/

function endingOf(digits: string): string {
  return `.${digits}.part`
}

/** Returns how many bytes it has. Each part is good until the next but one is asked for. */
export async function writeWhole(
  target: unknown,
  existing: Existing,
  parts: AsyncIterable<Uint8Array>,
  holes: 'kept' | 'filled',
): Promise<Bytes> {
  const name = pathOf(target)
  return told(name, async () => {
    const { path, replaced } = placeOf(name, existing)
    await clear(path)
    const { beside, file, lock } = await begun(path, (replaced?.mode ?? 0o666) & 0o7777)
    const written = await NewFile.over(file, beside)
    try {
      let length = 0
      for await (const part of parts) {
        const solid = holes === 'kept' ? solidParts(part) : [{ start: 0, end: part.length }]
        const at = length
        await written.write(
          [...solid].map(({ start, end }) => ({ bytes: part.subarray(start, end), position: at + start })),
        )
        length += part.length
      }
      await written.ended()
      if (holes === 'kept') await file.truncate(length)
      if (replaced !== undefined) await file.chmod(replaced.mode & 0o7777)
      await file.sync()
      await file.close()
      if (replaced === undefined) renameToNew(beside, path)
      else fs.renameSync(beside, path)
      syncDirectory(dirname(path))
      return length
    } catch (error) {
      await written.ended().catch(() => {})
      await file.close().catch(() => {})
      try {
        fs.rmSync(beside, { force: true })
      } catch {
        // What failed first is told.
      }
      throw error
    } finally {
      lock.release()
    }
  })
}

/** A copy on its way, locked by who makes it. */
interface Begun {
  readonly beside: string
  readonly file: FileHandle
  readonly lock: FileLock
}

async function begun(path: string, mode: number): Promise<Begun> {
  for (;;) {
    const beside = nameBeside(path, endingOf(randomBytes(6).toString('hex')))
    const file = await open(beside, 'wx', mode)
    try {
      return { beside, file, lock: await FileLock.take(beside, 'exclusive') }
    } catch (error) {
      await file.close()
      // Somebody who clears up has found it before it was locked.
      if (error instanceof Taken || codeOf(error) === 'ENOENT') continue
      fs.rmSync(beside, { force: true })
      throw error
    }
  }
}

/** Removes what copies to this place have left that were killed: the kernel has ended their locks. */
async function clear(path: string): Promise<void> {
  const directory = dirname(path)
  const stem = stemBeside(path, endingOf('0'.repeat(12)))
  const names = await readdir(directory).catch((): string[] => [])
  for (const name of names) {
    if (!name.startsWith(stem) || !ENDING.test(name.slice(stem.length))) continue
    const left = join(directory, name)
    try {
      const lock = await FileLock.take(left, 'exclusive')
      if (lock.kept === 'by the kernel') fs.rmSync(left)
      lock.release()
    } catch {
      // It is on its way, has arrived, or isn't ours to remove.
    }
  }
}

function pathOf(target: unknown): string {
  if (target instanceof URL && target.protocol === 'file:') return fileURLToPath(target)
  if (typeof target === 'string' && target !== '' && !target.includes('\0')) return target
  throw invalid('getFile', `getFile: expected the path of a file, or its file: URL, got ${shown(target)}`)
}

function placeOf(target: string, existing: Existing): Place {
  const stat = fs.statSync(target, { throwIfNoEntry: false })
  if (stat === undefined) {
    if (fs.lstatSync(target, { throwIfNoEntry: false }) === undefined)
      return { path: target, replaced: undefined }
    throw refused('ENOENT', target, 'it is a symbolic link to nothing; make what it leads to, or remove it')
  }
  if (stat.isDirectory())
    throw refused('EISDIR', target, 'it is a directory; expected the path that the file is to have')
  if (!stat.isFile())
    throw refused('EINVAL', target, `it is ${kindOf(stat)}, and only a regular file can be replaced`)
  if (existing === 'stays') throw refused('EEXIST', target, 'there is such a file already, and it stays')
  if (holdsVolume(target)) throw refused('EBUSY', target, 'it holds the data of a volume, and stays')
  return { path: fs.realpathSync(target), replaced: stat }
}

function kindOf(stat: fs.Stats): string {
  if (stat.isFIFO()) return 'a FIFO'
  if (stat.isSocket()) return 'a socket'
  return stat.isBlockDevice() ? 'a block device' : 'a character device'
}

const HOST_WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such directory',
  ENOTDIR: 'a part of the path is not a directory',
  ENAMETOOLONG: 'a name in the path is longer than its filesystem takes',
  EACCES: 'this process may not write there',
  EROFS: 'its filesystem is read-only',
  ENOSPC: 'its filesystem is full, and nothing is left of it: free some space there',
  EDQUOT: 'the quota there is used up, and nothing is left of it',
  EFBIG: 'it would be longer than its filesystem, or the limit of this process, allows',
  EEXIST: 'something has come to have that name meanwhile, and stays',
}

/** What the host says of the target. */
async function told<T>(target: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof Error) || error instanceof FaultlineError) throw error
    const code = codeOf(error)
    if (code === undefined) throw error
    throw refused(code, target, HOST_WORDS[code] ?? error.message, error)
  }
}

function refused(code: string, target: string, words: string, cause?: unknown): FaultlineError {
  return new FaultlineError(code, 'getFile', `getFile to ${target} failed with ${code}: ${words}`, cause)
}
