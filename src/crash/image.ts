/**
 * What a crash leaves: the blocks of a device and the records of a store, told apart by checksums of their content. Plain
 * data that never changes, so images share what they have in common.
 */
import type { Bytes } from '../base/index.ts'
import { MIX53 } from '../volume/index.ts'

export interface Block {
  readonly bytes: Uint8Array
  readonly sum: number
}

export interface Records {
  readonly entries: readonly (readonly [string, Uint8Array])[]
  readonly sum: number
}

export interface Image {
  readonly blocks: readonly Block[]
  readonly records: Records
}

/** A block of these bytes, which are the caller's: they are copied. */
export function blockOf(bytes: Uint8Array): Block {
  return { bytes: new Uint8Array(bytes), sum: MIX53.of(bytes) }
}

/** The bytes of `newer` in [from, to), and those of `older` elsewhere: what is left of a write that was cut short. */
export function tornBlock(older: Block, newer: Block, from: Bytes, to: Bytes): Block {
  const bytes = older.bytes.slice()
  bytes.set(newer.bytes.subarray(from, to), from)
  return { bytes, sum: MIX53.of(bytes) }
}

export function recordsOf(entries: readonly (readonly [string, Uint8Array])[]): Records {
  return { entries, sum: sumOf(entries.flatMap(([key, value]) => [textSum(key), MIX53.of(value)])) }
}

/** Tells images, and what may be found in them, from all others: a checksum over 53-bit checksums. */
export function keyOf({ blocks, records }: Image, allowed: number): number {
  return sumOf([records.sum, allowed, ...blocks.map(({ sum }) => sum)])
}

export function textSum(text: string): number {
  return MIX53.of(new TextEncoder().encode(text))
}

function sumOf(numbers: readonly number[]): number {
  return MIX53.of(new Uint8Array(Float64Array.from(numbers).buffer))
}
