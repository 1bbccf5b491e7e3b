/** The records of a volume as programs made them that knew format 1: for campaigns, which upgrade it. */
import { MIX53 } from './checksum.ts'
import { encodeNumbers, putU64, viewOf } from './fields.ts'
import { decodeInode } from './inode.ts'
import { decodeHeader, decodeState, encodeHeader, numberIn } from './records.ts'

/** Of files and directories only. Sealed directories but the uppermost of each tree lose their seal, as it was then. */
export function inFormat1(records: readonly (readonly [string, Uint8Array])[]): [string, Uint8Array][] {
  const sealed = new Set<number>()
  for (const [key, value] of records)
    if (key.startsWith('i') && decodeInode(payload(value), numberIn(key)).sealed) sealed.add(numberIn(key))
  return records.map(([key, value]) => [key, closed(key, older(key, payload(value), sealed))])
}

function older(key: string, value: Uint8Array, sealed: ReadonlySet<number>): Uint8Array {
  switch (key[0]) {
    case 'h':
      return encodeHeader({ ...decodeHeader(value), format: 1 })
    case 's': {
      const { nextIno, free, deferred } = decodeState(value)
      return encodeNumbers(nextIno, free, deferred)
    }
    case 'i': {
      const { kind, links, size, parent } = decodeInode(value, numberIn(key))
      if (kind === 'file') return encodeNumbers(1, links, size)
      const isTop = sealed.has(numberIn(key)) && !sealed.has(parent)
      return encodeNumbers(2, 1, isTop ? 1 : 0)
    }
    default:
      return value
  }
}

function payload(value: Uint8Array): Uint8Array {
  return value.subarray(0, value.length - 8)
}

function closed(key: string, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(value.length + 8)
  bytes.set(value)
  const summed = new Uint8Array(value.length + key.length)
  summed.set(value)
  for (let at = 0; at < key.length; at++) summed[value.length + at] = key.charCodeAt(at)
  putU64(viewOf(bytes), value.length, MIX53.of(summed))
  return bytes
}
