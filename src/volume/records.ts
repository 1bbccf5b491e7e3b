/**
 * The records of a volume, as keys and bytes. docs/volume-format.md draws them field by field; this file is the one place
 * that knows them.
 *
 *     h                      header: what the volume is; written once
 *     s                      state: the next inode, free and deferred blocks
 *     i<ino>                 inode
 *     d<ino>/<name>          entry of a directory
 *     o<ino>                 an inode that no name leads to and somebody has open
 *     e<ino><last index>     extent of a file                \
 *     f<last block>          free blocks                      | runs (runs.ts)
 *     r<last block>          blocks that two or more share    |
 *     l<last block>          blocks in limbo                  |
 *     p<last block>          blocks parted lately            /
 *     c<chunk>               checksums of CHUNK_BLOCKS blocks
 *
 * Numbers in keys are HEX_DIGITS lower-case hex digits, so that keys are ordered as numbers are. Numbers in values are
 * little-endian.
 */
import type { Bytes } from '../base/index.ts'
import { believe, Damage } from './failure.ts'

export const FORMAT_VERSION = 1
export const MAGIC = 'faultvol'
/** Blocks that one record of checksums is about. */
export const CHUNK_BLOCKS = 64
export const ROOT_INO = 1
export const NAME_BYTES_MAX = 255
/** More blocks or inodes than this have no key: 2^40. */
export const NUMBERS_MAX = 2 ** 40

const HEX_DIGITS = 10
/** Numbers of half as many digits. */
const HALF = 16 ** (HEX_DIGITS / 2)

export const HEADER_KEY = 'h'
export const STATE_KEY = 's'

/** hot: in two halves, since a number above 2^31 is spelt ten times as slowly. */
export function hex(number: number): string {
  if (number >= NUMBERS_MAX) return number.toString(16)
  const high = Math.floor(number / HALF)
  return (high === 0 ? '00000' : half(high)) + half(number % HALF)
}

function half(number: number): string {
  return (HALF + number).toString(16).slice(1)
}

/** The number at the end of a key. */
export function numberIn(key: string): number {
  return Number.parseInt(key.slice(-HEX_DIGITS), 16)
}

/** The inode that the key of an extent, or of an entry of a directory, begins with. */
export function inoIn(key: string): number {
  return Number.parseInt(key.slice(1, 1 + HEX_DIGITS), 16)
}

export interface Header {
  readonly blockSize: Bytes
  /** Blocks of the device, the first with them: it holds the header once more, and no data. */
  readonly blocks: number
  /** Tells this volume from every other: the same in the store and on the device. */
  readonly id: number
  /** The name of the checksum function. */
  readonly checksum: string
}

export interface State {
  readonly nextIno: number
  /** Blocks in the table of free runs. */
  readonly free: number
  /** Blocks in limbo that the next commit gives back. */
  readonly deferred: number
}

/** What a file or a directory is. */
export interface Inode {
  /** Which of the two. */
  readonly kind: 'file' | 'directory'
  /** Names that lead to it; a directory has one. */
  readonly links: number
  /** Bytes; of a directory 0, or SEALED. */
  readonly size: Bytes
}

/** The size of a directory below which nothing is changed: a snapshot that is to be read. */
export const SEALED = 1

/** What an entry of a directory leads to. */
export interface Link {
  /** The number of the file or directory in its volume. */
  readonly ino: number
  /** What it is. */
  readonly kind: Inode['kind']
}

const KINDS = ['', 'file', 'directory'] as const

export function inodeKey(ino: number): string {
  return `i${hex(ino)}`
}

export function orphanKey(ino: number): string {
  return `o${hex(ino)}`
}

/** Names are any Unicode without '/', kept in ASCII. */
export function linkKey(directory: number, name: string): string {
  return `d${hex(directory)}/${encodeURIComponent(name)}`
}

/** The keys of a directory's entries: [start, end). */
export function linkKeys(directory: number): { readonly start: string; readonly end: string } {
  return { start: `d${hex(directory)}/`, end: `d${hex(directory)}0` }
}

export function nameIn(key: string): string {
  try {
    return decodeURIComponent(key.slice(key.indexOf('/') + 1))
  } catch {
    throw new Damage(`the entry ${key} has a name that can't be read`)
  }
}

export function chunkKey(chunk: number): string {
  return `c${hex(chunk)}`
}

export function encodeHeader({ blockSize, blocks, id, checksum }: Header): Uint8Array {
  const bytes = new Uint8Array(48)
  const view = viewOf(bytes)
  putText(bytes, 0, MAGIC, 8)
  view.setUint32(8, FORMAT_VERSION, true)
  view.setUint32(12, blockSize, true)
  putU64(view, 16, blocks)
  putU64(view, 24, id)
  putText(bytes, 32, checksum, 16)
  return bytes
}

export function decodeHeader(bytes: Uint8Array): Header {
  if (bytes.length < 48 || textIn(bytes, 0, 8) !== MAGIC)
    throw new Damage('the header is not that of a volume')
  const view = viewOf(bytes)
  const version = view.getUint32(8, true)
  if (version !== FORMAT_VERSION)
    throw new Damage(`the volume has format ${version}; this program reads format ${FORMAT_VERSION}`)
  const header = {
    blockSize: view.getUint32(12, true),
    blocks: u64(view, 16),
    id: u64(view, 24),
    checksum: textIn(bytes, 32, 16),
  }
  const { blockSize, blocks } = header
  if (blockSize < 4096 || !Number.isInteger(Math.log2(blockSize)) || blocks < 2 || blocks > NUMBERS_MAX)
    throw new Damage(`the header tells of ${blocks} blocks of ${blockSize} bytes`)
  return header
}

export function encodeState({ nextIno, free, deferred }: State): Uint8Array {
  return encodeNumbers(nextIno, free, deferred)
}

export function decodeState(bytes: Uint8Array | undefined): State {
  const [nextIno, free, deferred] = decodeNumbers(bytes, 3, 'the state')
  return { nextIno: nextIno!, free: free!, deferred: deferred! }
}

export function encodeInode({ kind, links, size }: Inode): Uint8Array {
  return encodeNumbers(KINDS.indexOf(kind), links, size)
}

export function decodeInode(bytes: Uint8Array | undefined, ino: number): Inode {
  const [kind, links, size] = decodeNumbers(bytes, 3, `inode ${ino}`)
  return { kind: kindOf(kind!, `inode ${ino}`), links: links!, size: size! }
}

export function encodeLink({ ino, kind }: Link): Uint8Array {
  return encodeNumbers(ino, KINDS.indexOf(kind))
}

export function decodeLink(bytes: Uint8Array, key: string): Link {
  const [ino, kind] = decodeNumbers(bytes, 2, `the entry ${key}`)
  return { ino: ino!, kind: kindOf(kind!, `the entry ${key}`) }
}

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
  const numbers: number[] = []
  for (let at = 0; at < count; at++) {
    const number = u32(bytes, 8 * at) + u32(bytes, 8 * at + 4) * 2 ** 32
    believe(Number.isSafeInteger(number), `${what} has a number above 2^53`)
    numbers.push(number)
  }
  return numbers
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

// hot: every look at a run decodes one; a DataView for each took a tenth of a copy-on-write.
function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

function putU32(bytes: Uint8Array, at: number, number: number): void {
  bytes[at] = number
  bytes[at + 1] = number >>> 8
  bytes[at + 2] = number >>> 16
  bytes[at + 3] = number >>> 24
}

function kindOf(number: number, what: string): Inode['kind'] {
  const kind = KINDS[number]
  if (kind !== 'file' && kind !== 'directory') throw new Damage(`${what} is of the unknown kind ${number}`)
  return kind
}

function putText(bytes: Uint8Array, at: number, text: string, length: number): void {
  for (let i = 0; i < Math.min(text.length, length); i++) bytes[at + i] = text.charCodeAt(i)
}

function textIn(bytes: Uint8Array, at: number, length: number): string {
  let text = ''
  for (let i = 0; i < length && bytes[at + i] !== 0; i++) text += String.fromCharCode(bytes[at + i]!)
  return text
}
