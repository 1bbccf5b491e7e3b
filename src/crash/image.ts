/**
 * What a crash leaves: the blocks of a device and the records of a store, told apart by checksums of their content. Plain
 * data that never changes, so images share what they have in common.
 */
import type { Bytes } from '../base/index.ts'
import { MIX53 } from '../volume/index.ts'

export class Block {
  readonly bytes: Uint8Array
  readonly sum: number

  /** With these very bytes, which nobody changes from now on. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.sum = MIX53.of(bytes)
  }
}

export class Records {
  readonly entries: readonly (readonly [string, Uint8Array])[]
  readonly sum: number

  constructor(entries: Records['entries']) {
    this.entries = entries
    const numbers = new Float64Array(entries.length * 2)
    entries.forEach(([key, value], at) => {
      numbers[at * 2] = keySum(key)
      numbers[at * 2 + 1] = valueSum(value)
    })
    this.sum = sumOf(numbers)
  }
}

export interface Image {
  readonly blocks: readonly Block[]
  readonly records: Records
}

const TEXT = new TextEncoder()
/** Of the keys of records and other names, and of the values of records: there are few, and values never change. */
const KEY_SUMS = new Map<string, number>()
const VALUE_SUMS = new WeakMap<Uint8Array, number>()

/** A block of these bytes, which are the caller's: they are copied. */
export function blockOf(bytes: Uint8Array): Block {
  return new Block(new Uint8Array(bytes))
}

/** The bytes of `newer` in [from, to), and those of `older` elsewhere: what is left of a write that was cut short. */
export function tornBlock(older: Block, newer: Block, from: Bytes, to: Bytes): Block {
  const bytes = older.bytes.slice()
  bytes.set(newer.bytes.subarray(from, to), from)
  return new Block(bytes)
}

/** Whether this is part of an image, and so never changes. */
export function isOfImage(object: object): boolean {
  return (
    object instanceof Block ||
    object instanceof Records ||
    (object instanceof Uint8Array && VALUE_SUMS.has(object))
  )
}

/** Tells images, and what may be found in them, from all others: a checksum over 53-bit checksums. */
export function keyOf({ blocks, records }: Image, allowed: number): number {
  const numbers = new Float64Array(blocks.length + 2)
  numbers[0] = records.sum
  numbers[1] = allowed
  for (let block = 0; block < blocks.length; block++) numbers[block + 2] = blocks[block]!.sum
  return sumOf(numbers)
}

export function textSum(text: string): number {
  return MIX53.of(TEXT.encode(text))
}

export function keySum(key: string): number {
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

export function sumOf({ buffer }: Float64Array): number {
  return MIX53.of(new Uint8Array(buffer))
}
