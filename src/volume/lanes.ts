/**
 * The lanes of `mix53` for several blocks at a time, in WebAssembly's vectors: a step of a lane waits for the one before, and the
 * steps of other blocks fill that time. The blocks are copied into its memory first, which costs less than it saves
 * (docs/decisions/0402).
 *
 *     for each 16 bytes of a block, all blocks in turn:     lanes = rotate(lanes + words * P2, 13) * P1
 *
 * The module is put together here, since there is no other program to make it.
 */
import type { Bytes } from '../base/index.ts'

/** The part of WebAssembly that this file needs: Node's types leave it to the DOM's. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: { readonly mix: Mix } }
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer }
}

/** Mixes WIDTH blocks of so many bytes that lie in a row from 0 on, and puts their lanes there in their place. */
type Mix = (blockSize: Bytes) => void

/** Blocks at a time: with twice as many there are too few registers. */
export const WIDTH = 8
const WASM_PAGE: Bytes = 65_536
/** WebAssembly's words, as far as they are used; those of vectors come behind VECTOR. */
const LOOP = 0x03
const END = 0x0b
const BRANCH_IF = 0x0d
const GET = 0x20
const SET = 0x21
const TEE = 0x22
const CONST = 0x41
const LESS = 0x49
const ADD = 0x6a
const MUL = 0x6c
const VECTOR = 0xfd
const V_LOAD = 0
const V_STORE = 11
const V_CONST = 12
const V_OR = 0x50
const V_SHL = 0xab
const V_SHR = 0xad
const V_ADD = 0xae
const V_MUL = 0xb5
/** Its types. */
const I32 = 0x7f
const V128 = 0x7b
const NOTHING = 0x40
const FUNCTION = 0x60
/** Locals of `mix` before the lanes. */
const LOCALS = 5

export class Lanes {
  /** WIDTH blocks. */
  readonly blocks: Uint8Array
  /** Four lanes of each of them, after `mix`. */
  readonly lanes: Uint32Array
  private readonly blockSize: Bytes
  private readonly run: Mix

  /** Throws where there is no WebAssembly, or none with vectors. */
  constructor(blockSize: Bytes, seeds: readonly number[], p1: number, p2: number) {
    const memory = new WebAssembly.Memory({ initial: Math.ceil((WIDTH * blockSize) / WASM_PAGE) })
    const module = new WebAssembly.Module(assembled(seeds, p1, p2))
    this.run = new WebAssembly.Instance(module, { '': { '': memory } }).exports.mix
    this.blocks = new Uint8Array(memory.buffer, 0, WIDTH * blockSize)
    this.lanes = new Uint32Array(memory.buffer, 0, 4 * WIDTH)
    this.blockSize = blockSize
  }

  mix(): void {
    this.run(this.blockSize)
  }
}

function assembled(seeds: readonly number[], p1: number, p2: number): Uint8Array {
  const body = [
    ...list([
      [1, I32],
      [3 + WIDTH, V128],
    ]),
    ...mixing(seeds, p1, p2),
  ]
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [[FUNCTION, ...list([[I32]]), ...list([])]]),
    ...section(2, [[0, 0, 2, 0, 1]]),
    ...section(3, [[0]]),
    ...section(7, [[3, ...new TextEncoder().encode('mix'), 0, 0]]),
    ...section(10, [[...number(body.length), ...body]]),
  ])
}

/** Locals: the size of a block, where in each block it is, two factors, a sum, and the lanes of each block. */
function mixing(seeds: readonly number[], p1: number, p2: number): number[] {
  const [SIZE, AT, BY_P1, BY_P2, SUM, FIRST] = [0, 1, 2, 3, 4, LOCALS]
  const blocks = Array.from({ length: WIDTH }, (_, block) => block)
  const vector = (words: readonly number[]) => [
    ...v(V_CONST),
    ...new Uint8Array(Uint32Array.from(words).buffer),
  ]
  const step = (block: number) => [
    ...[GET, AT, GET, SIZE, CONST, block, MUL, ADD, ...v(V_LOAD), 4, 0, GET, BY_P2, ...v(V_MUL)],
    ...[GET, FIRST + block, ...v(V_ADD), TEE, SUM],
    ...[CONST, 13, ...v(V_SHL), GET, SUM, CONST, 19, ...v(V_SHR), ...v(V_OR)],
    ...[GET, BY_P1, ...v(V_MUL), SET, FIRST + block],
  ]
  return [
    ...[...vector([p1, p1, p1, p1]), SET, BY_P1, ...vector([p2, p2, p2, p2]), SET, BY_P2],
    ...blocks.flatMap(block => [...vector(seeds), SET, FIRST + block]),
    ...[LOOP, NOTHING, ...blocks.flatMap(step)],
    ...[GET, AT, CONST, 16, ADD, TEE, AT, GET, SIZE, LESS, BRANCH_IF, 0, END],
    ...blocks.flatMap(block => [CONST, 0, GET, FIRST + block, ...v(V_STORE), 4, ...number(16 * block)]),
    END,
  ]
}

function v(word: number): number[] {
  return [VECTOR, ...number(word)]
}

function section(id: number, entries: readonly (readonly number[])[]): number[] {
  const bytes = list(entries)
  return [id, ...number(bytes.length), ...bytes]
}

function list(entries: readonly (readonly number[])[]): number[] {
  return [...number(entries.length), ...entries.flat()]
}

/** LEB128. */
function number(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...number(value >>> 7)]
}
