/** The pages of a request, as the devices of the lab see them: each holds one word, its first byte. */
import type { Bytes } from '../base/index.ts'
import type { Request } from '../device/index.ts'

export function eachPage(
  { buffers }: Request,
  pageSize: Bytes,
  visit: (bytes: Uint8Array, at: number) => void,
): void {
  let page = 0
  for (const buffer of buffers)
    for (let at = 0; at < buffer.length; at += pageSize)
      visit(buffer.subarray(at, Math.min(buffer.length, at + pageSize)), page++)
}

export function wordsOf(request: Request, pageSize: Bytes): number[] {
  const words: number[] = []
  eachPage(request, pageSize, bytes => words.push(bytes[0]!))
  return words
}
