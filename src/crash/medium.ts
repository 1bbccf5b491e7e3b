/**
 * What of a device's blocks is durable, and what a crash may leave beside it.
 *
 *     written(block)  ->  pending versions of the block, oldest first
 *     mark()          ->  the versions that a flush which begins now will cover
 *     settle(mark)    ->  those are durable, and none before them
 *
 * A crash leaves of each block the durable version or any pending one, whatever it leaves of the others: so every order in
 * which a device may write is one of these combinations. And it may leave a pending version torn: one half of it over what was
 * there before.
 *
 *     pending blocks            combinations
 *     up to COMBINED_MAX        all
 *     more                      none; all; the first n for each n; each alone; all but each; SAMPLES by chance
 *     torn                      each block in each half, the others all there or none
 *
 * Invariants
 *   ME1 An image has every version that a flush which has ended covers, or a newer one of its block, whole.
 *   ME2 No image is made twice of one choice; the first has nothing pending, the second everything.
 */
import type { Prng } from '../base/index.ts'
import { type Block, blockOf, tornBlock } from './image.ts'

const COMBINED_MAX = 4
const SAMPLES = 8

/** For each pending block the version that is durable once the flush has ended. */
export type Mark = ReadonlyMap<number, Block>

export class Medium {
  private readonly durable: Block[]
  /** In order of the blocks' first pending write. */
  private readonly pending = new Map<number, Block[]>()

  constructor(blocks: readonly Block[]) {
    this.durable = [...blocks]
  }

  /** The newest version of a block. */
  latest(block: number): Block {
    return this.pending.get(block)?.at(-1) ?? this.durable[block]!
  }

  written(block: number, bytes: Uint8Array): Block {
    const version = blockOf(bytes)
    const versions = this.pending.get(block)
    if (versions === undefined) this.pending.set(block, [version])
    else versions.push(version)
    return version
  }

  /** Covers the pending versions of which `isOver` says that they have been written. */
  mark(isOver: (version: Block) => boolean): Mark {
    const mark = new Map<number, Block>()
    for (const [block, versions] of this.pending) {
      const last = versions.findLast(isOver)
      if (last !== undefined) mark.set(block, last)
    }
    return mark
  }

  settle(mark: Mark): void {
    for (const [block, version] of mark) {
      const versions = this.pending.get(block)
      const at = versions?.indexOf(version) ?? -1
      if (at === -1) continue
      this.durable[block] = version
      versions!.splice(0, at + 1)
      if (versions!.length === 0) this.pending.delete(block)
    }
  }

  /** What a crash at this moment may leave, each choice once. */
  *images(prng: Prng): Generator<readonly Block[]> {
    const blocks = [...this.pending.keys()]
    yield this.durable.slice()
    if (blocks.length === 0) return
    yield this.newest(blocks)
    yield* blocks.length <= COMBINED_MAX ? this.combinations(blocks) : this.some(blocks, prng)
    yield* this.torn(blocks)
  }

  /** The durable blocks, with the newest versions of these. */
  private newest(blocks: readonly number[]): Block[] {
    const image = this.durable.slice()
    for (const block of blocks) image[block] = this.latest(block)
    return image
  }

  /** Every choice of versions but the first two of `images`. */
  private *combinations(blocks: readonly number[]): Generator<readonly Block[]> {
    const choices = blocks.map(block => [this.durable[block]!, ...this.pending.get(block)!])
    const count = choices.reduce((product, { length }) => product * length, 1)
    for (let which = 1; which < count - 1; which++) {
      const image = this.durable.slice()
      let rest = which
      choices.forEach((versions, at) => {
        image[blocks[at]!] = versions[rest % versions.length]!
        rest = Math.floor(rest / versions.length)
      })
      yield image
    }
  }

  private *some(blocks: readonly number[], prng: Prng): Generator<readonly Block[]> {
    for (let count = 1; count < blocks.length; count++) yield this.newest(blocks.slice(0, count))
    for (const one of blocks.slice(1)) yield this.newest([one])
    for (const one of blocks.slice(0, -1)) yield this.newest(blocks.filter(block => block !== one))
    for (let sample = 0; sample < SAMPLES; sample++)
      yield this.newest(blocks.filter(() => prng.below(2) === 0))
  }

  private *torn(blocks: readonly number[]): Generator<readonly Block[]> {
    for (const torn of blocks) {
      const versions = this.pending.get(torn)!
      const older = versions.at(-2) ?? this.durable[torn]!
      const newer = versions.at(-1)!
      const { length } = newer.bytes
      const rest = blocks.filter(block => block !== torn)
      for (const [from, to] of [
        [0, length / 2],
        [length / 2, length],
      ] as const) {
        const half = tornBlock(older, newer, from, to)
        for (const others of rest.length === 0 ? [rest] : [[], rest]) {
          const image = this.newest(others)
          image[torn] = half
          yield image
        }
      }
    }
  }
}
