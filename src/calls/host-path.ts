/** What callers name files of the host by: text, a file: URL, or the bytes of a name that need not be UTF-8. */

import { fileURLToPath } from 'node:url'
import { messageOf } from '../base/index.ts'
import { shown } from '../group/index.ts'
import { invalid } from './options.ts'

/** As the host takes it. Throws EINVAL for what is no path. */
export function hostPath(given: unknown, operation: string): string | Buffer {
  const path = asGiven(given, operation)
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path
  if (Buffer.isBuffer(path) && path.length > 0 && !path.includes(0)) return path
  throw invalid(operation, `expected the path of a file, got ${shown(given)}`)
}

/** As text, for what has names of its own in it. What is no path is told by whoever looks for something there. */
export function textPath(given: unknown, operation: string): string {
  const path = asGiven(given, operation)
  if (!Buffer.isBuffer(path)) return path as string
  const text = path.toString()
  if (path.equals(Buffer.from(text))) return text
  throw invalid(
    operation,
    `${operation}: expected a path in UTF-8, got ${shown(text)}; only open takes others`,
  )
}

function asGiven(given: unknown, operation: string): unknown {
  if (given instanceof Uint8Array) return Buffer.from(given)
  if (!(given instanceof URL)) return given
  try {
    return fileURLToPath(given)
  } catch (error) {
    throw invalid(operation, `${operation} of ${shown(given.href)}: ${messageOf(error)}`)
  }
}
