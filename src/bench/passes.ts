/** One pass over an array, however it is mapped: the work that both sides of a scan do. */
import type { Bytes } from '../base/index.ts'

const CACHE_LINE: Bytes = 64

/** Loads a byte of each cache line. */
export function loadLines(bytes: Uint8Array): number {
  let total = 0
  for (let at = 0; at < bytes.length; at += CACHE_LINE) total = (total + bytes[at]!) | 0
  return total
}

/** Stores a byte to each page. */
export function storePages(bytes: Uint8Array, pageSize: Bytes, value: number): void {
  for (let at = 0; at < bytes.length; at += pageSize) bytes[at] = value
}
