/**
 * Who uses a mapping's array: threads that attached to it, in shared memory that travels with the handle.
 *
 *     [0] MAPPED, or UNMAPPED: everybody is to let go, and is woken to do so
 *     [1 + 2i] a thread as the kernel numbers it, 0: free     [2 + 2i] the same thread as Node numbers it
 *     behind them the address and the length of the mapping, in doubles
 *
 * Invariants
 *   CO1 A thread stands in a place from before it makes its array until after it has detached it, or until it has ended.
 */
import { existsSync } from 'node:fs'
import type { Bytes } from '../base/index.ts'
import type { Address } from '../linux/index.ts'

const STATE = 0
const MAPPED = 0
const UNMAPPED = 1
/** So many threads may attach to one mapping at once. */
export const THREADS_MAX = 255

const WORDS = 1 + 2 * THREADS_MAX
/** In bytes: where the doubles begin. */
const WHERE = 8 * Math.ceil(WORDS / 2)
const BYTES = WHERE + 2 * 8

export class Control {
  readonly buffer: SharedArrayBuffer
  private readonly words: Int32Array

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer
    this.words = new Int32Array(buffer, 0, WORDS)
  }

  /** For a new mapping. */
  static of(address: Address, length: Bytes): Control {
    const buffer = new SharedArrayBuffer(BYTES)
    new Float64Array(buffer, WHERE).set([address, length])
    return new Control(buffer)
  }

  /** Whether a buffer is the one of the mapping that lies, or lay, there. */
  static isOf(buffer: unknown, address: unknown, length: unknown): buffer is SharedArrayBuffer {
    if (!(buffer instanceof SharedArrayBuffer) || buffer.byteLength !== BYTES) return false
    const [from, bytes] = new Float64Array(buffer, WHERE)
    return from === address && bytes === length
  }

  get mapped(): boolean {
    return Atomics.load(this.words, STATE) === MAPPED
  }

  /** Everybody is to let go. */
  unmap(): void {
    Atomics.store(this.words, STATE, UNMAPPED)
    Atomics.notify(this.words, STATE)
  }

  /** Resolves when everybody is to let go. */
  async unmapping(): Promise<void> {
    const waiting = Atomics.waitAsync(this.words, STATE, MAPPED)
    if (waiting.async) await waiting.value
  }

  /** Takes a place for a thread. Returns it, or -1 if none is free. */
  enter(thread: number, threadId: number): number {
    for (let at = 1; at < this.words.length; at += 2) {
      const taken = Atomics.load(this.words, at)
      if (taken !== 0 && isAlive(taken)) continue
      if (Atomics.compareExchange(this.words, at, taken, thread) !== taken) continue
      Atomics.store(this.words, at + 1, threadId)
      return at
    }
    return -1
  }

  leave(place: number): void {
    Atomics.store(this.words, place, 0)
  }

  /** The array is somewhere that nobody knows of: as long as the process lives it may be touched. */
  keep(): void {
    this.enter(process.pid, 0)
  }

  /** Takes a thread's place away: it touches nothing any more, without having left. */
  expel(thread: number): void {
    for (let at = 1; at < this.words.length; at += 2)
      if (Atomics.load(this.words, at) === thread) this.leave(at)
  }

  /** Node's number of a thread that is attached. */
  threadIdOf(thread: number): number | undefined {
    for (let at = 1; at < this.words.length; at += 2)
      if (Atomics.load(this.words, at) === thread) return Atomics.load(this.words, at + 1)
    return undefined
  }

  /** Whether a thread is attached that has not ended. */
  inUse(): boolean {
    for (let at = 1; at < this.words.length; at += 2) {
      const thread = Atomics.load(this.words, at)
      if (thread !== 0 && isAlive(thread)) return true
    }
    return false
  }
}

/** Whether a thread of this process has not ended. */
export function isAlive(thread: number): boolean {
  return existsSync(`/proc/self/task/${thread}`)
}
