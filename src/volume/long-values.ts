/**
 * Values of any length, in records of PIECE_BYTES at most: the target of a symbolic link, an extended attribute.
 *
 *     key     <prefix>/00                  <prefix>/01        …
 *     value   | length u64 | bytes … |     | bytes … |
 *
 * Invariants
 *   PV1 All pieces are there, and hold as many bytes as the first says; else reading the value ends in Damage.
 */
import type { Bytes } from '../base/index.ts'
import { verify } from './failure.ts'
import { encodeNumbers, u64, viewOf } from './fields.ts'
import type { Overlay } from './overlay.ts'

/** With the longest name and its fences it fits a page of records (store/record-page.ts). */
const PIECE_BYTES: Bytes = 1024
const LENGTH_BYTES: Bytes = 8
/** As many pieces as two hex digits count. */
export const LONG_VALUE_BYTES_MAX: Bytes = 64 * 2 ** 10
const HEX_DIGITS = 2

export function putLong(overlay: Overlay, prefix: string, bytes: Uint8Array): void {
  deleteLong(overlay, prefix)
  for (let piece = 0; piece < pieces(bytes.length); piece++) {
    const part = bytes.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES)
    const value = new Uint8Array((piece === 0 ? LENGTH_BYTES : 0) + part.length)
    if (piece === 0) value.set(encodeNumbers(bytes.length))
    value.set(part, value.length - part.length)
    overlay.put(pieceKey(prefix, piece), value)
  }
}

export function hasLong(overlay: Overlay, prefix: string): boolean {
  return overlay.get(pieceKey(prefix, 0)) !== undefined
}

export function getLong(overlay: Overlay, prefix: string): Uint8Array | undefined {
  const first = overlay.get(pieceKey(prefix, 0))
  if (first === undefined) return undefined
  const length = lengthIn(prefix, first)
  const bytes = new Uint8Array(length)
  for (let piece = 0; piece < pieces(length); piece++) {
    const value = piece === 0 ? first : overlay.get(pieceKey(prefix, piece))
    const part = value?.subarray(piece === 0 ? LENGTH_BYTES : 0)
    verify(
      part?.length === Math.min(PIECE_BYTES, length - piece * PIECE_BYTES),
      `piece ${piece} of ${prefix} isn't what its first one says`,
    )
    bytes.set(part, piece * PIECE_BYTES)
  }
  return bytes
}

export function deleteLong(overlay: Overlay, prefix: string): void {
  for (const { key } of overlay.range(`${prefix}/`, `${prefix}0`)) overlay.delete(key)
}

/** A record that holds a part of a value. */
export interface Piece {
  readonly prefix: string
  readonly number: number
  /** Bytes of the value in it. */
  readonly bytes: Bytes
  /** Of the whole value; said by the first piece only, else 0. */
  readonly total: Bytes
}

export function pieceOf(key: string, value: Uint8Array): Piece {
  const at = key.length - HEX_DIGITS
  const prefix = key.slice(0, at - 1)
  const number = Number.parseInt(key.slice(at), 16)
  verify(Number.isInteger(number) && key[at - 1] === '/', `the record ${key} is no piece of a value`)
  if (number > 0) return { prefix, number, bytes: value.length, total: 0 }
  return { prefix, number, bytes: value.length - LENGTH_BYTES, total: lengthIn(prefix, value) }
}

function pieces(length: Bytes): number {
  return Math.max(1, Math.ceil(length / PIECE_BYTES))
}

function lengthIn(prefix: string, first: Uint8Array): Bytes {
  verify(first.length >= LENGTH_BYTES, `${prefix} is too short for its length`)
  const length = u64(viewOf(first), 0)
  verify(length <= LONG_VALUE_BYTES_MAX, `${prefix} says that it has ${length} bytes`)
  return length
}

function pieceKey(prefix: string, piece: number): string {
  return `${prefix}/${(0x100 + piece).toString(16).slice(1)}`
}
