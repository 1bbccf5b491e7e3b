/**
 * A directory and those above it, as mkdir -p. Node's own (`recursive`) tries for ever where the host says ENOENT of a directory
 * whose parent is there, as /proc and a directory that was just removed do.
 */
import fs from 'node:fs'
import { dirname, resolve } from 'node:path'

/** Returns the topmost directory that was made; undefined if all were there. Throws what the host says. */
export function makeDirectories(path: string): string | undefined {
  const wanted = resolve(path)
  const missing = [wanted]
  for (let above = dirname(wanted); isMissing(above) && above !== dirname(above); above = dirname(above))
    missing.push(above)
  return missing.reverse().filter(make)[0]
}

/** Whether it wasn't there; somebody else may make it meanwhile. */
function make(path: string): boolean {
  try {
    fs.mkdirSync(path)
    return true
  } catch (error) {
    if (isDirectory(path)) return false
    throw error
  }
}

function isMissing(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false }) === undefined
}

function isDirectory(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
