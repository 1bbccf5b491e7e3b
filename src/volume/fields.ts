/** Numbers in the values of records: whole, little-endian, below 2^53 in 8 bytes. */
import { Damage } from './failure.ts'

export function encodeNumbers(...numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 * numbers.length)
  for (let at = 0; at < numbers.length; at++) {
    putU32(bytes, 8 * at, numbers[at]! >>> 0)
    putU32(bytes, 8 * at + 4, Math.floor(numbers[at]! / 2 ** 32))
  }
  return bytes
}

export function decodeNumbers(bytes: Uint8Array | undefined, count: number, what: string): number[] {
  if (bytes === undefined) throw new Damage(`${what} is missing`)
  if (bytes.length !== 8 * count) throw new Damage(`${what} has ${bytes.length} bytes, expected ${8 * count}`)
  // hot: one that grows takes room for seventeen
  const numbers = new Array<number>(count)
  for (let at = 0; at < count; at++) {
    const number = numberAt(bytes, 8 * at)
    if (number === TOO_LARGE) throw new Damage(`${what} has a number above 2^53`)
    numbers[at] = number
  }
  return numbers
}

const TOO_LARGE = -1

/** hot: one of the numbers of a record, without a list of them; TOO_LARGE: it is above 2^53. */
function numberAt(bytes: Uint8Array, at: number): number {
  const high = u32(bytes, at + 4)
  if (high === 0) return u32(bytes, at)
  return high < 2 ** 21 ? u32(bytes, at) + high * 2 ** 32 : TOO_LARGE
}

/** Half-open: [start, end). */
export interface Run {
  readonly start: number
  readonly end: number
  readonly value: number
  readonly tag: number
}

const RUN_BYTES = 24

/** hot: each look at a run decodes one. `end`: what its key says. */
export function decodeRun(key: string, bytes: Uint8Array, end: number): Run {
  if (bytes.length !== RUN_BYTES)
    throw new Damage(`the run ${key} has ${bytes.length} bytes, expected ${RUN_BYTES}`)
  const start = numberAt(bytes, 0)
  const value = numberAt(bytes, 8)
  const tag = numberAt(bytes, 16)
  if (start === TOO_LARGE || value === TOO_LARGE || tag === TOO_LARGE)
    throw new Damage(`the run ${key} has a number above 2^53`)
  return { start, end, value, tag }
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

export function putU64(view: DataView, at: number, number: number): void {
  view.setUint32(at, number >>> 0, true)
  view.setUint32(at + 4, Math.floor(number / 2 ** 32), true)
}

export function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
}

/** hot: whether the number there is 0, without making it. */
export function isZero(view: DataView, at: number): boolean {
  return (view.getInt32(at, true) | view.getInt32(at + 4, true)) === 0
}

// hot: every look at a run decodes one; a DataView for each took a tenth of a copy-on-write.
export function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

export function putU32(bytes: Uint8Array, at: number, number: number): void {
  bytes[at] = number
  bytes[at + 1] = number >>> 8
  bytes[at + 2] = number >>> 16
  bytes[at + 3] = number >>> 24
}
