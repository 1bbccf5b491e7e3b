/** Names of files that are made beside their place, and appear there when they are whole. */
import fs from 'node:fs'
import { closeDescriptor } from './descriptor.ts'

/** What filesystems say that have no hard links. */
const NO_LINKS: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']

/** Renames a file. Throws EEXIST if something is called so: it is never replaced. */
export function renameToNew(from: string, to: string): void {
  try {
    fs.linkSync(from, to)
  } catch (error) {
    if (!NO_LINKS.includes((error as { code?: string }).code ?? '')) throw error
    if (fs.lstatSync(to, { throwIfNoEntry: false }) !== undefined)
      throw Object.assign(new Error(`${to} exists already`), { code: 'EEXIST' })
    fs.renameSync(from, to)
    return
  }
  fs.rmSync(from)
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
