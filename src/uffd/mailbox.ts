/**
 * A mailbox: one call of the host for one thread of the crew, in shared memory.
 *
 *     IDLE --pager--> ASKED --thread--> ENDED --pager--> IDLE            STOP: the thread is to end
 *
 *     Int32    turn, operation, descriptor, vectors, result
 *     Float64  at byte 32: position or length
 *     Uint64   from byte 64: address and length of each piece of memory
 */
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
const POSITION_BYTE = 32
const VECTORS_BYTE = 64

export class Mailbox {
  static readonly bytes = VECTORS_BYTE + VECTORS_MAX * 16
  private readonly words: Int32Array
  private readonly position: Float64Array
  private readonly vectors: BigUint64Array

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer, 0, 5)
    this.position = new Float64Array(buffer, POSITION_BYTE, 1)
    this.vectors = new BigUint64Array(buffer, VECTORS_BYTE)
  }

  get state(): number {
    return Atomics.load(this.words, TURN)
  }

  ask(kind: CallKind, fd: number, position: number, vectors: readonly (readonly [number, number])[]): void {
    this.words[KIND] = kind
    this.words[FD] = fd
    this.words[VECTORS] = vectors.length
    this.position[0] = position
    vectors.forEach(([address, length], at) => {
      this.vectors[2 * at] = BigInt(address)
      this.vectors[2 * at + 1] = BigInt(length)
    })
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
  next(): { kind: CallKind; fd: number; position: number; vectors: BigUint64Array } | undefined {
    for (;;) {
      const turn = this.state
      if (turn === STOP) return undefined
      if (turn === ASKED) break
      Atomics.wait(this.words, TURN, turn)
    }
    return {
      kind: this.words[KIND] as CallKind,
      fd: this.words[FD]!,
      position: this.position[0]!,
      // A foreign function takes no shared memory.
      vectors: this.vectors.slice(0, 2 * this.words[VECTORS]!),
    }
  }

  end(result: number): void {
    this.words[RESULT] = result
    // If it was told to stop meanwhile, that stands.
    Atomics.compareExchange(this.words, TURN, ASKED, ENDED_CALL)
  }

  private turn(to: number): void {
    Atomics.store(this.words, TURN, to)
    Atomics.notify(this.words, TURN)
  }
}
