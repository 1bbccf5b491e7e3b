/**
 * Chance that can be run again: the same seed gives the same numbers on every engine.
 *
 * sfc32 by Chris Doty-Humphrey (PractRand), seeded by SplitMix-like stirring of one 32-bit number; all arithmetic is
 * 32-bit, so no engine rounds differently.
 */
export class Prng {
  private a: number
  private b: number
  private c: number
  private counter = 1

  constructor(seed: number) {
    this.a = seed | 0
    this.b = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b)
    this.c = Math.imul(seed ^ 0xc2b2ae35, 0x27d4eb2f)
    for (let round = 0; round < 12; round++) this.u32()
  }

  /** Uniform in [0, 2^32). */
  u32(): number {
    const sum = (this.a + this.b + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum
    this.c |= 0
    return sum >>> 0
  }

  /** Uniform in [0, 1), 32 bits of it. */
  fraction(): number {
    return this.u32() / 0x1_0000_0000
  }

  /** Uniform integer in [0, below). `below` is at least 1 and below 2^53. */
  below(below: number): number {
    if (below <= 0x1_0000_0000) return Math.floor(this.fraction() * below)
    return Math.floor(((this.u32() >>> 5) * 0x4000000 + (this.u32() >>> 6)) * 2 ** -53 * below)
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }
}
