/**
 * How the bytes of a name are spelt. On the volume a name is bytes, whatever they are but '/' and 0. In the program it is text: UTF-8
 * is what it says, and a byte that isn't UTF-8 is the lone surrogate U+DC00 + byte (Python's "surrogateescape", PEP 383), so that no
 * two names are one text and every name can be listed, opened and removed. In a key a name is ASCII, as encodeURIComponent has it.
 *
 *     bytes  66 6f e9      text  "fo\udce9"      key  fo%E9
 */
import { errno } from '../base/index.ts'
import { Damage, Failure } from './failure.ts'

/** Bytes that aren't UTF-8; with `u` a surrogate of a pair is none. */
const ESCAPED = /([\uDC80-\uDCFF])/u
const ESCAPES = 0xdc00

/** Text in ASCII. Fails with EINVAL if it has half of a surrogate pair that stands for no byte. */
export function spelt(text: string): string {
  if (text.isWellFormed()) return encodeURIComponent(text)
  const parts = text.split(ESCAPED)
  if (parts.some((part, at) => at % 2 === 0 && !part.isWellFormed())) throw new Failure(errno.EINVAL)
  return parts
    .map((part, at) => (at % 2 === 0 ? encodeURIComponent(part) : percent(part.charCodeAt(0) - ESCAPES)))
    .join('')
}

/** The text that is spelt so. Throws Damage if nothing is. */
export function unspelt(ascii: string): string {
  try {
    return decodeURIComponent(ascii)
  } catch {
    return textOf(bytesIn(ascii))
  }
}

/** How many bytes something is that is spelt so. */
export function bytesSpelt(ascii: string): number {
  return ascii.includes('%') ? ascii.replace(/%[0-9A-F]{2}/g, '.').length : ascii.length
}

/** The bytes of a name or a target, as other programs have them. Fails with EINVAL as `spelt` does. */
export function bytesOf(text: string): Uint8Array {
  return bytesIn(spelt(text))
}

/** The text that names the bytes. */
export function textOf(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at]!
    const length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    const part = byte < 0x80 ? String.fromCharCode(byte) : unicode(bytes.subarray(at, at + length))
    text += part ?? String.fromCharCode(ESCAPES + byte)
    at += part === undefined ? 1 : length
  }
  return text
}

/** The one character that the bytes are, if they are one. */
function unicode(bytes: Uint8Array): string | undefined {
  try {
    return decodeURIComponent(Array.from(bytes, percent).join(''))
  } catch {
    return undefined
  }
}

function bytesIn(ascii: string): Uint8Array {
  const bytes = new Uint8Array(bytesSpelt(ascii))
  for (let at = 0, from = 0; at < bytes.length; at++) {
    const isEscaped = ascii[from] === '%'
    const byte = isEscaped ? Number.parseInt(ascii.slice(from + 1, from + 3), 16) : ascii.charCodeAt(from)
    if (Number.isNaN(byte)) throw new Damage(`the name ${ascii} can't be read`)
    bytes[at] = byte
    from += isEscaped ? 3 : 1
  }
  return bytes
}

function percent(byte: number): string {
  return `%${(0x100 + byte).toString(16).slice(1).toUpperCase()}`
}
