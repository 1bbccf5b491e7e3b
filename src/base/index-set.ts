/**
 * A set of whole numbers that can be walked in order from anywhere: which pages of a file are dirty.
 *
 *     chunks:  0 [ ..x.xx.. ]   7 [ x....... ]   8 [ .x...... ]      a bit for each of CHUNK numbers, where there are any
 *
 * A walk goes by `take`, some at a time, and knows its place by the number it has come to: so it can go on later, however
 * the set has changed meanwhile.
 *
 * Invariants
 *   IS1 A chunk has `size` bits set, and at least one; `size` of the set is the sum.
 */
import { OrderedList } from './ordered-list.ts'

const WORD = 32
const CHUNK = WORD * WORD

interface Chunk {
  readonly number: number
  readonly words: Uint32Array
  size: number
}

export class IndexSet {
  size = 0
  private readonly chunks = new OrderedList<Chunk>(
    chunk => chunk.number,
    chunk => chunk.number + 1,
  )
  // hot: neighbours are added one after the other
  private last: Chunk | undefined

  has(member: number): boolean {
    const chunk = this.find(Math.floor(member / CHUNK))
    return chunk !== undefined && (chunk.words[wordOf(member)]! & bitOf(member)) !== 0
  }

  add(member: number): void {
    const number = Math.floor(member / CHUNK)
    let chunk = this.find(number)
    if (chunk === undefined) {
      chunk = { number, words: new Uint32Array(WORD), size: 0 }
      this.chunks.insert(chunk)
      this.last = chunk
    }
    const word = wordOf(member)
    const bits = chunk.words[word]! | bitOf(member)
    if (chunk.words[word] === bits >>> 0) return
    chunk.words[word] = bits
    chunk.size++
    this.size++
  }

  delete(member: number): void {
    const chunk = this.find(Math.floor(member / CHUNK))
    const word = wordOf(member)
    if (chunk === undefined || (chunk.words[word]! & bitOf(member)) === 0) return
    chunk.words[word]! &= ~bitOf(member)
    chunk.size--
    this.size--
    if (chunk.size > 0) return
    this.chunks.remove(chunk)
    this.last = undefined
  }

  /** The members of [from, end) that come first, `most` of them at most, in order. */
  take(from: number, end: number, most: number): number[] {
    const found: number[] = []
    for (const { number, words } of this.chunks.from(Math.floor(from / CHUNK))) {
      const base = number * CHUNK
      if (base >= end || found.length === most) break
      for (let word = base < from ? wordOf(from) : 0; word < WORD && found.length < most; word++)
        for (let bits = words[word]!; bits !== 0 && found.length < most; bits &= bits - 1) {
          const member = base + word * WORD + 31 - Math.clz32(bits & -bits)
          if (member >= from && member < end) found.push(member)
        }
    }
    return found
  }

  private find(number: number): Chunk | undefined {
    if (this.last?.number === number) return this.last
    const chunk = this.chunks.floor(number)
    if (chunk?.number !== number) return undefined
    this.last = chunk
    return chunk
  }
}

function wordOf(member: number): number {
  return Math.floor(member / WORD) % WORD
}

function bitOf(member: number): number {
  return 1 << (member % WORD)
}
