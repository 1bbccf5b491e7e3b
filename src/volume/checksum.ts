/**
 * Checksums of blocks and records: which function is a matter of the volume, and its header names it. The one here needs
 * nothing; a door may bring a faster one (docs/decisions/0402).
 *
 * `mix53` is built like xxHash: four lanes take a word each in turn, and are stirred into two words at the end, of which
 * 53 bits are kept, so that a checksum is an ordinary number. Each step is a bijection of its lane, so a change of one
 * word always changes the lanes.
 *
 * Invariants
 *   CS1 A checksum is a whole number from 1 to 2^53 - 1: 0 means "none".
 *   CS2 A block has the same checksum by whichever way it was taken, alone or with others.
 */
import type { Bytes } from '../base/index.ts'
import { Lanes, WIDTH } from './lanes.ts'
import { blocksIn } from './pieces.ts'

export interface Checksum {
  readonly name: string
  of(bytes: Uint8Array): number
  /** Of each block in turn, where there is a faster way than to take them one by one. */
  ofBlocks?(buffers: readonly Uint8Array[], blockSize: Bytes): number[]
}

/** Of each block of the buffers in turn. They hold whole blocks. */
export function sumsOf(checksum: Checksum, buffers: readonly Uint8Array[], blockSize: Bytes): number[] {
  if (checksum.ofBlocks !== undefined) return checksum.ofBlocks(buffers, blockSize)
  return Array.from(blocksIn(buffers, blockSize), block => checksum.of(block))
}

const P1 = 0x9e3779b1
const P2 = 0x85ebca77
const P3 = 0xc2b2ae3d
const P4 = 0x27d4eb2f
const P5 = 0x165667b1

export const MIX53: Checksum = { name: 'mix53', of: mix53, ofBlocks: mix53OfBlocks }

/** From so many blocks on it is faster to take several at a time. */
const BLOCKS_MIN = WIDTH / 2
/** By size of block; undefined: there are none here. */
const lanesBySize = new Map<Bytes, Lanes | undefined>()

function mix53OfBlocks(buffers: readonly Uint8Array[], blockSize: Bytes): number[] {
  let length = 0
  for (const buffer of buffers) length += buffer.length
  const several = length < BLOCKS_MIN * blockSize ? undefined : lanesFor(blockSize)
  if (several === undefined) return Array.from(blocksIn(buffers, blockSize), mix53)
  const { blocks, lanes } = several
  const sums: number[] = []
  let filled = 0
  const mixFilled = () => {
    several.mix()
    for (let at = 0; at < (4 * filled) / blockSize; at += 4)
      sums.push(stirred(lanes[at]!, lanes[at + 1]!, lanes[at + 2]!, lanes[at + 3]!, blockSize))
    filled = 0
  }
  for (const buffer of buffers)
    for (let from = 0; from < buffer.length; ) {
      const part = buffer.subarray(from, from + blocks.length - filled)
      blocks.set(part, filled)
      from += part.length
      filled += part.length
      if (filled === blocks.length) mixFilled()
    }
  mixFilled()
  return sums
}

function lanesFor(blockSize: Bytes): Lanes | undefined {
  if (!lanesBySize.has(blockSize)) lanesBySize.set(blockSize, lanesOf(blockSize))
  return lanesBySize.get(blockSize)
}

function lanesOf(blockSize: Bytes): Lanes | undefined {
  try {
    return new Lanes(blockSize, [P1, P2, P3, P4], P1, P2)
  } catch {
    return undefined
  }
}

function mix53(bytes: Uint8Array): number {
  const whole = bytes.length & ~15
  let a = P1
  let b = P2
  let c = P3
  let d = P4
  // hot: 1.3 ns a word where the bytes are aligned, four times that where they aren't
  if (bytes.byteOffset % 4 === 0) {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, whole >>> 2)
    for (let at = 0; at < words.length; at += 4) {
      a = round(a, words[at]!)
      b = round(b, words[at + 1]!)
      c = round(c, words[at + 2]!)
      d = round(d, words[at + 3]!)
    }
  } else {
    const view = new DataView(bytes.buffer, bytes.byteOffset, whole)
    for (let at = 0; at < whole; at += 16) {
      a = round(a, view.getUint32(at, true))
      b = round(b, view.getUint32(at + 4, true))
      c = round(c, view.getUint32(at + 8, true))
      d = round(d, view.getUint32(at + 12, true))
    }
  }
  for (let at = whole; at < bytes.length; at++) a = round(a, bytes[at]! + 1)
  return stirred(a, b, c, d, bytes.length)
}

function stirred(a: number, b: number, c: number, d: number, length: Bytes): number {
  const low = finish((rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18) + length) | 0)
  const high = finish(round(round(round(round(P5, d), b), a), c))
  return (high & 0x1fffff) * 0x1_0000_0000 + low || 1
}

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, P2)) | 0, 13), P1)
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by))
}

function finish(word: number): number {
  word = Math.imul(word ^ (word >>> 15), P2)
  word = Math.imul(word ^ (word >>> 13), P3)
  return (word ^ (word >>> 16)) >>> 0
}
