/** An open volume, and what it lies on until it is closed. */
import type { Bytes } from '../base/index.ts'
import type { Volume as Core } from '../volume/index.ts'
import type { VolumeCalls } from './volume-calls.ts'

/** 'repair': nobody else may have it, it is only read, and of its metadata as much as there is. */
export type Purpose = 'r' | 'r+' | 'repair'

/** What a volume lies on. */
export interface Ground {
  /** What is wrong with the tree that leads to the metadata, a sentence each. */
  flaws(): readonly string[]
  /** Writes down what was found damaged, where that can be. */
  noteDamage(sentences: readonly string[]): void
  /** Why it failed last, where it knows more than an errno says. */
  trouble(): string | undefined
  /** The process ends, and no event loop turns any more: commits are made at once from here on, or never. */
  leave(): void
  /** Lets the volume hold more. */
  grow(calls: VolumeCalls, size: Bytes): Promise<void>
  /** Lets it hold less. */
  shrink(calls: VolumeCalls, size: Bytes): Promise<void>
  /** How it is let go of: each step is taken, whatever becomes of the one before. */
  readonly endings: readonly (() => void | Promise<void>)[]
}

export interface OpenVolume {
  readonly core: Core
  readonly path: string
  readonly purpose: Purpose
  /** How many of the sentences about damage are on the disk. */
  readonly noted: number
  readonly ground: Ground
}
