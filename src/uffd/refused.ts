/**
 * What becomes of a call that Linux refuses to the hardware MMU: an error of ours where somebody asked for something that
 * can be had or not, and the end of the process where the hardware can't be made to follow the page table.
 */

import { messageOf } from '../base/index.ts'
import { FaultlineError } from '../calls/index.ts'
import { type Linux, LinuxError } from '../linux/index.ts'
import { abortProcess } from './poison.ts'

/** So often is asked again: what the host lacks for a moment it has the next. */
const TRIES = 5

const WORDS: Readonly<Record<string, string>> = {
  EMFILE:
    'this process has as many files open as it may, and a hardware machine needs one more for each; close some, or raise its limit',
  ENFILE: 'the host has as many files open as it may; close some',
  ENOMEM:
    'the host has no memory or no address range left for it; map less, unmap something, or raise vm.max_map_count',
  EPERM: 'the host does not allow it to this process',
}

/** An error of ours, if Linux or JavaScript had no room; else what it was. */
export function refused(error: unknown, operation: string, where: string): unknown {
  const code = error instanceof LinuxError ? error.code : error instanceof RangeError ? 'ENOMEM' : undefined
  if (code === undefined) return error
  const words = WORDS[code] ?? messageOf(error)
  return new FaultlineError(code, operation, `${operation} of ${where} failed with ${code}: ${words}`, error)
}

/** Does what must not fail: nothing above could go on if the hardware let through what the page table forbids. */
export function firmly(linux: Linux, act: () => void): void {
  for (let tries = 1; ; tries++)
    try {
      act()
      return
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      if (tries < TRIES) continue
      abortProcess(linux, `the hardware MMU can't go on: ${error.message}`)
    }
}
