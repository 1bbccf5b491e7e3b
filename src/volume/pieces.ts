/** Pieces of requests: bytes that lie in several buffers, taken by position. */
import type { Bytes } from '../base/index.ts'

/** Bytes [start, end) of `buffers`, as parts of them; fewer, if there aren't as many. */
export function slice(buffers: readonly Uint8Array[], start: Bytes, end: Bytes): Uint8Array[] {
  const parts: Uint8Array[] = []
  let at = 0
  for (const buffer of buffers) {
    const from = Math.max(0, start - at)
    const to = Math.min(buffer.length, end - at)
    if (to > from) parts.push(from === 0 && to === buffer.length ? buffer : buffer.subarray(from, to))
    at += buffer.length
    if (at >= end) break
  }
  return parts
}

/** The same, as one run of bytes of their own if they aren't one already; padded with zeros to the end. */
export function joined(buffers: readonly Uint8Array[], start: Bytes, end: Bytes): Uint8Array {
  const parts = slice(buffers, start, end)
  const [only] = parts
  if (parts.length === 1 && only!.length === end - start) return only!
  const whole = new Uint8Array(end - start)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The same bytes block by block, each as `joined` has it. */
export function* blocksIn(buffers: readonly Uint8Array[], blockSize: Bytes): Generator<Uint8Array> {
  let at = 0
  let inside = 0
  while (at < buffers.length) {
    const buffer = buffers[at]!
    const left = buffer.length - inside
    if (left >= blockSize) {
      yield left === blockSize && inside === 0 ? buffer : buffer.subarray(inside, inside + blockSize)
      inside += blockSize
    } else if (left > 0) {
      const block = new Uint8Array(blockSize)
      for (let done = 0; done < blockSize && at < buffers.length; ) {
        const part = buffers[at]!.subarray(inside, inside + blockSize - done)
        block.set(part, done)
        done += part.length
        inside += part.length
        if (inside < buffers[at]!.length) continue
        at++
        inside = 0
      }
      yield block
      continue
    }
    if (inside < buffer.length) continue
    at++
    inside = 0
  }
}

export function zero(buffers: readonly Uint8Array[]): void {
  for (const buffer of buffers) buffer.fill(0)
}
