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

const TEXT = new TextEncoder()
/** Of the keys and the values of records: there are few, and values never change. */
const KEY_SUMS = new Map<string, number>()
const VALUE_SUMS = new WeakMap<Uint8Array, number>()

/** A block of these bytes, which are the caller's: they are copied. */
export function blockOf(bytes: Uint8Array): Block {
  return blockWith(new Uint8Array(bytes))
}

/** A block with these very bytes, which nobody changes from now on. */
export function blockWith(bytes: Uint8Array): Block {
  return { bytes, sum: MIX53.of(bytes) }
}

/** The bytes of `newer` in [from, to), and those of `older` elsewhere: what is left of a write that was cut short. */
export function tornBlock(older: Block, newer: Block, from: Bytes, to: Bytes): Block {
  const bytes = older.bytes.slice()
  bytes.set(newer.bytes.subarray(from, to), from)
  return blockWith(bytes)
}

export function recordsOf(entries: readonly (readonly [string, Uint8Array])[]): Records {
  return { entries, sum: sumOf(entries.flatMap(([key, value]) => [keySum(key), valueSum(value)])) }
}

/** Tells images, and what may be found in them, from all others: a checksum over 53-bit checksums. */
export function keyOf({ blocks, records }: Image, allowed: number): number {
  return sumOf([records.sum, allowed, ...blocks.map(({ sum }) => sum)])
}

export function textSum(text: string): number {
  return MIX53.of(TEXT.encode(text))
}

function keySum(key: string): number {
  let sum = KEY_SUMS.get(key)
  if (sum === undefined) {
    sum = textSum(key)
    KEY_SUMS.set(key, sum)
  }
  return sum
}

function valueSum(value: Uint8Array): number {
  let sum = VALUE_SUMS.get(value)
  if (sum === undefined) {
    sum = MIX53.of(value)
    VALUE_SUMS.set(value, sum)
  }
  return sum
}

function sumOf(numbers: readonly number[]): number {
  return MIX53.of(new Uint8Array(new Float64Array(numbers).buffer))
}
