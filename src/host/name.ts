/** Names of files that are made beside their place, and appear there when they are whole. */

import fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '../base/index.ts'
import type { HostCalls } from './calls.ts'
import { closeDescriptor } from './descriptor.ts'

/** What filesystems say that have no hard links. */
const NO_LINKS: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']

/** Bytes in a name: NAME_MAX of limits.h, and what other systems' filesystems take. */
const NAME_BYTES_MAX = 255

/** Where a file is that is on its way to a path: beside it, under its name and an ending. */
export function nameBeside(path: string, ending: string): string {
  return join(dirname(path), stemBeside(path, ending) + ending)
}

/** The path's own name, cut so that a name with the ending is no longer than names are. */
export function stemBeside(path: string, ending: string): string {
  const stem = [...basename(path)]
  while (Buffer.byteLength(stem.join('') + ending) > NAME_BYTES_MAX) stem.pop()
  return stem.join('')
}

/** Renames a file. Throws EEXIST if something is called so: it is never replaced. */
export function renameToNew(from: string, to: string): void {
  try {
    fs.linkSync(from, to)
  } catch (error) {
    if (!NO_LINKS.includes(codeOf(error) ?? '')) throw error
    if (fs.lstatSync(to, { throwIfNoEntry: false }) !== undefined)
      throw Object.assign(new Error(`${to} exists already`), { code: 'EEXIST' })
    fs.renameSync(from, to)
    return
  }
  fs.rmSync(from)
}

/**
 * Makes the name of a file durable that was made. Nothing is done in a directory that may not be read: there the host sees to
 * it when the file is synced.
 */
export async function syncName(path: string | Buffer, calls: Pick<HostCalls, 'flush'>): Promise<void> {
  // Bytes of names need not be UTF-8; what parts them is the same in latin1.
  const directory = dirname(fs.realpathSync.native(path, 'buffer').toString('latin1'))
  let fd: number
  try {
    fd = fs.openSync(Buffer.from(directory, 'latin1'), 'r')
  } catch (error) {
    if (codeOf(error) === 'EACCES') return
    throw error
  }
  try {
    await new Promise<void>((resolve, reject) =>
      calls.flush(fd, failure => (failure === null ? resolve() : reject(failure))),
    )
  } finally {
    closeDescriptor(fd)
  }
}

/** Makes the names in a directory durable. */
export function syncDirectory(path: string): void {
  const fd = fs.openSync(path, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    closeDescriptor(fd)
  }
}
