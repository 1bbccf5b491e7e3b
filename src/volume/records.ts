/**
 * The records of a volume, as keys and bytes. docs/volume-format.md draws them field by field; this file is the one place
 * that knows them, but for the inode's (inode.ts).
 *
 *     h                      header: what the volume is; written once
 *     s                      state: the next inode, free and deferred blocks, the generation
 *     i<ino>                 inode
 *     d<ino>/<name>          entry of a directory
 *     o<ino>                 an inode that no name leads to and somebody has open
 *     y<ino>/<piece>         where a symbolic link leads     \ values of any length,
 *     a<ino>/<name>/<piece>  extended attribute              / in pieces (long-values.ts)
 *     e<ino><last index>     extent of a file                \
 *     f<last block>          free blocks                      | runs (runs.ts)
 *     r<last block>          blocks that two or more share    |
 *     l<last block>          blocks pending free                  |
 *     p<last block>          blocks unshared lately            /
 *     c<chunk>               checksums of CHUNK_BLOCKS blocks
 *
 * Numbers in keys are HEX_DIGITS lower-case hex digits, so that keys are ordered as numbers are. Numbers in values are
 * little-endian.
 */
import type { Bytes } from '../base/index.ts'
import { Damage } from './failure.ts'
import { decodeNumbers, encodeNumbers, putU64, u64, viewOf } from './fields.ts'
import { type Kind, kindNumber, kindOf } from './inode.ts'
import { spelt, unspelt } from './spelling.ts'

/** What is written; a volume of an older format is read, and upgraded (upgrading.ts). */
export const FORMAT = 2
export const MAGIC = 'faultvol'
export { decodeNumbers, encodeNumbers, isZero, putU64, u64, viewOf } from './fields.ts'

/** Blocks that one record of checksums is about. */
export const CHUNK_BLOCKS = 64
export const ROOT_INO = 1
export const NAME_BYTES_MAX = 255
/** More blocks, pages or inodes than this have no key. */
export const NUMBERS_MAX = 2 ** 41

const HEX_DIGITS = 10
/** Numbers of half as many digits. */
const HALF = 16 ** (HEX_DIGITS / 2)
const LAST_DIGIT = 'f'.charCodeAt(0)

/** Format 1 had no generation. */
const STATE_BYTES_1: Bytes = 24

export const HEADER_KEY = 'h'
export const STATE_KEY = 's'

/** hot: in two halves, since a number above 2^31 is spelt ten times as slowly. */
export function hex(number: number): string {
  if (number >= NUMBERS_MAX) return number.toString(16)
  const high = Math.floor(number / HALF)
  return (high === 0 ? '00000' : high < HALF ? half(high) : long(high)) + half(number % HALF)
}

/** The first digit goes on behind f, so that pages of files of almost 2^53 bytes have keys. */
function long(high: number): string {
  const rest = HALF / 16
  return Math.floor(high / rest).toString(32) + (rest + (high % rest)).toString(16).slice(1)
}

function numberOf(digits: string): number {
  if (digits.charCodeAt(0) <= LAST_DIGIT) return Number.parseInt(digits, 16)
  return Number.parseInt(digits[0]!, 32) * 16 ** (HEX_DIGITS - 1) + Number.parseInt(digits.slice(1), 16)
}

function half(number: number): string {
  return (HALF + number).toString(16).slice(1)
}

/** The number at the end of a key. */
export function numberIn(key: string): number {
  return numberOf(key.slice(-HEX_DIGITS))
}

/** The inode that the key of an extent, or of an entry of a directory, begins with. */
export function inoIn(key: string): number {
  return numberOf(key.slice(1, 1 + HEX_DIGITS))
}

export interface Header {
  /** 1 or FORMAT. */
  readonly format: number
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
  /** Blocks pending free that the next commit gives back. */
  readonly deferred: number
  /** Of the inodes that are made. */
  readonly generation: number
}

/** What an entry of a directory leads to. */
export interface Link {
  /** The number of its inode. */
  readonly ino: number
  /** What it is. */
  readonly kind: Kind
}

export function inodeKey(ino: number): string {
  return `i${hex(ino)}`
}

export function orphanKey(ino: number): string {
  return `o${hex(ino)}`
}

export function targetPrefix(ino: number): string {
  return `y${hex(ino)}`
}

export function linkKey(directory: number, name: string): string {
  return `d${hex(directory)}/${spelt(name)}`
}

/** The keys of a directory's entries: [start, end). */
export function linkKeys(directory: number): { readonly start: string; readonly end: string } {
  return { start: `d${hex(directory)}/`, end: `d${hex(directory)}0` }
}

export function nameIn(key: string): string {
  return unspelt(key.slice(key.indexOf('/') + 1))
}

export function attributePrefix(ino: number, name: string): string {
  return `a${hex(ino)}/${spelt(name)}`
}

/** The keys of an inode's extended attributes: [start, end). */
export function attributeKeys(ino: number): { readonly start: string; readonly end: string } {
  return { start: `a${hex(ino)}/`, end: `a${hex(ino)}0` }
}

export function chunkKey(chunk: number): string {
  return `c${hex(chunk)}`
}

export function encodeHeader({ format, blockSize, blocks, id, checksum }: Header): Uint8Array {
  const bytes = new Uint8Array(48)
  const view = viewOf(bytes)
  putText(bytes, 0, MAGIC, 8)
  view.setUint32(8, format, true)
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
  const format = view.getUint32(8, true)
  if (format < 1 || format > FORMAT)
    throw new Damage(`the volume has format ${format}; this program reads formats 1 to ${FORMAT}`)
  const header = {
    format,
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

export function encodeState({ nextIno, free, deferred, generation }: State): Uint8Array {
  return encodeNumbers(nextIno, free, deferred, generation)
}

export function decodeState(bytes: Uint8Array | undefined): State {
  const isFirst = bytes?.length === STATE_BYTES_1
  const [nextIno, free, deferred, generation = 0] = decodeNumbers(bytes, isFirst ? 3 : 4, 'the state')
  return { nextIno: nextIno!, free: free!, deferred: deferred!, generation }
}

export function encodeLink({ ino, kind }: Link): Uint8Array {
  return encodeNumbers(ino, kindNumber(kind))
}

export function decodeLink(bytes: Uint8Array, key: string): Link {
  const [ino, kind] = decodeNumbers(bytes, 2, `the entry ${key}`)
  return { ino: ino!, kind: kindOf(kind!, `the entry ${key}`) }
}

function putText(bytes: Uint8Array, at: number, text: string, length: number): void {
  for (let i = 0; i < Math.min(text.length, length); i++) bytes[at + i] = text.charCodeAt(i)
}

function textIn(bytes: Uint8Array, at: number, length: number): string {
  let text = ''
  for (let i = 0; i < length && bytes[at + i] !== 0; i++) text += String.fromCharCode(bytes[at + i]!)
  return text
}
