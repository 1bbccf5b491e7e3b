/**
 * Cursors over the bytes of a container, in memory or in a file, in either order of bytes; and the lists of event formats that
 * trace.dat and perf.data hold alike.
 *
 * Invariants
 *   BY1 What ends too soon is told in a sentence, with the byte that was needed.
 */
import { fstatSync, readSync } from 'node:fs'
import { TraceError } from './record.ts'

export type ByteOrder = 'little' | 'big'

/** How the machine that recorded wrote its numbers. */
export interface Words {
  readonly order: ByteOrder
  /** Of a long and a pointer: 4 or 8. */
  readonly longBytes: number
}

export const LITTLE_64: Words = { order: 'little', longBytes: 8 }

export function ftraceFormats(bytes: Bytes): string[] {
  return Array.from({ length: bytes.u32() }, () => bytes.string(bytes.u64()))
}

export function systemFormats(bytes: Bytes): string[] {
  return Array.from({ length: bytes.u32() }, () => {
    bytes.text()
    return ftraceFormats(bytes)
  }).flat()
}

/** A cursor over bytes that says in a sentence when they end too soon. */
export class Bytes {
  at = 0
  /** Numbers are told from this end. */
  order: ByteOrder = 'little'
  readonly path: string
  private readonly bytes: Buffer

  constructor(bytes: Buffer, path: string) {
    this.bytes = bytes
    this.path = path
  }

  slice(length: number): Buffer {
    if (this.at + length > this.bytes.length) throw truncated(this.path, this.at + length)
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  skip(length: number): void {
    this.at += length
  }

  text(): string {
    let text = ''
    for (let byte = this.u8(); byte !== 0; byte = this.u8()) text += String.fromCharCode(byte)
    return text
  }

  string(length: number): string {
    return this.slice(length).toString('latin1')
  }

  u8(): number {
    return this.slice(1)[0]!
  }

  u16(): number {
    const bytes = this.slice(2)
    return this.order === 'little' ? bytes.readUInt16LE() : bytes.readUInt16BE()
  }

  u32(): number {
    const bytes = this.slice(4)
    return this.order === 'little' ? bytes.readUInt32LE() : bytes.readUInt32BE()
  }

  u64(): number {
    const bytes = this.slice(8)
    return Number(this.order === 'little' ? bytes.readBigUInt64LE() : bytes.readBigUInt64BE())
  }
}

/** The same over a file, which is never in memory whole. */
export class FileBytes extends Bytes {
  readonly size: number
  private readonly file: number

  constructor(file: number, path: string) {
    super(Buffer.alloc(0), path)
    this.file = file
    this.size = fstatSync(file).size
  }

  override slice(length: number): Buffer {
    if (this.at + length > this.size) throw truncated(this.path, this.at + length)
    const bytes = Buffer.allocUnsafe(length)
    if (readSync(this.file, bytes, 0, length, this.at) < length) throw truncated(this.path, this.at + length)
    this.at += length
    return bytes
  }
}

const truncated = (path: string, needed: number): TraceError =>
  new TraceError(
    `${path} ends too soon: byte ${needed} is needed; expected a whole file, record or copy it anew`,
  )

export function bytesOf(
  bytes: Buffer,
  { path, order }: { readonly path: string; readonly order: ByteOrder },
): Bytes {
  const cursor = new Bytes(bytes, path)
  cursor.order = order
  return cursor
}
