/**
 * A slot: one call of the host, for one of the threads that make them, in shared memory.
 *
 *     IDLE --pager--> ASKED --thread--> ENDED --pager--> IDLE            STOP: the thread is to end
 *
 *     Int32    turn, operation, descriptor, vectors, result, memory file
 *     Float64  at byte 32: position or length; of the range of a memory file: offset, length, address
 *     Uint64   from byte 64: address and length of each piece of other memory
 */
import type { Range } from './bounce.ts'

export const IDLE = 0
export const ASKED = 1
export const ENDED_CALL = 2
export const STOP = 3

export const READ = 0
export const WRITE = 1
export const FLUSH = 2
export const RESIZE = 3
export type CallKind = typeof READ | typeof WRITE | typeof FLUSH | typeof RESIZE

/** IOV_MAX */
export const VECTORS_MAX = 1024

const TURN = 0
const KIND = 1
const FD = 2
const VECTORS = 3
const RESULT = 4
const MEMORY_FILE = 5
const WORDS = 6
/** In place of a memory file's descriptor. */
const NONE = -1
/** In place of an address. */
const NOWHERE = Number.NaN
const NUMBERS_BYTE = 32
const VECTORS_BYTE = 64

export interface HostCall {
  readonly kind: CallKind
  readonly fd: number
  readonly position: number
  /** What is filled or written, if it lies in a memory file; `vectors` is empty then. */
  readonly range: Range | undefined
  /** Address and length of each piece of memory. */
  readonly vectors: BigUint64Array
}

export class CallSlot {
  static readonly bytes = VECTORS_BYTE + VECTORS_MAX * 16
  private readonly words: Int32Array
  /** Position; offset, length and address of the range. */
  private readonly numbers: Float64Array
  private readonly vectors: BigUint64Array

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer, 0, WORDS)
    this.numbers = new Float64Array(buffer, NUMBERS_BYTE, 4)
    this.vectors = new BigUint64Array(buffer, VECTORS_BYTE)
  }

  get state(): number {
    return Atomics.load(this.words, TURN)
  }

  ask({ kind, fd, position, range, vectors }: HostCall): void {
    this.words[KIND] = kind
    this.words[FD] = fd
    this.words[MEMORY_FILE] = range?.fd ?? NONE
    this.words[VECTORS] = vectors.length / 2
    this.numbers[0] = position
    if (range !== undefined) this.numbers.set([range.offset, range.length, range.address ?? NOWHERE], 1)
    this.vectors.set(vectors)
    this.turn(ASKED)
  }

  /** What came of it: bytes, or -errno. */
  take(): number {
    const result = this.words[RESULT]!
    this.turn(IDLE)
    return result
  }

  stop(): void {
    this.turn(STOP)
  }

  /** The thread's side: waits for a call, or for the end (undefined). */
  next(): HostCall | undefined {
    for (;;) {
      const turn = this.state
      if (turn === STOP) return undefined
      if (turn === ASKED) break
      Atomics.wait(this.words, TURN, turn)
    }
    return {
      kind: this.words[KIND] as CallKind,
      fd: this.words[FD]!,
      position: this.numbers[0]!,
      range: this.range(),
      // A foreign function takes no shared memory.
      vectors: this.vectors.slice(0, 2 * this.words[VECTORS]!),
    }
  }

  end(result: number): void {
    this.words[RESULT] = result
    // If it was told to stop meanwhile, that stands.
    Atomics.compareExchange(this.words, TURN, ASKED, ENDED_CALL)
  }

  private range(): Range | undefined {
    const fd = this.words[MEMORY_FILE]!
    const [, offset, length, address] = this.numbers as unknown as [number, number, number, number]
    return fd === NONE
      ? undefined
      : { fd, offset, length, address: Number.isNaN(address) ? undefined : address }
  }

  private turn(to: number): void {
    Atomics.store(this.words, TURN, to)
    Atomics.notify(this.words, TURN)
  }
}
