/** Bytes that are all zero: what a sparse file needn't hold. */
import type { Bytes } from './units.ts'

/** Smaller holes cost more in pieces than they save. */
const STEP_BYTES: Bytes = 64 * 2 ** 10

/** The parts of `bytes` that aren't holes, as ranges of it: whole steps of 64 KiB that have a byte other than 0. */
export function* solidParts(bytes: Uint8Array): Generator<{ readonly start: Bytes; readonly end: Bytes }> {
  let start = -1
  for (let at = 0; at < bytes.length; at += STEP_BYTES) {
    const isHole = isZero(bytes.subarray(at, at + STEP_BYTES))
    if (!isHole && start === -1) start = at
    if (!isHole || start === -1) continue
    yield { start, end: at }
    start = -1
  }
  if (start !== -1) yield { start, end: bytes.length }
}

function isZero(bytes: Uint8Array): boolean {
  const length = bytes.byteOffset % 4 === 0 ? Math.floor(bytes.length / 4) : 0
  const words = new Int32Array(bytes.buffer, length === 0 ? 0 : bytes.byteOffset, length)
  // hot: by number, since an iterator costs six times as much
  for (let at = 0; at < length; at++) if (words[at] !== 0) return false
  for (let at = 4 * length; at < bytes.length; at++) if (bytes[at] !== 0) return false
  return true
}
