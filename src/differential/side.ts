/** What one side of the comparison does and shows; the kernel and we are each one. */
import type { Bytes } from '../base/index.ts'
import type { Operation } from './operations.ts'

/** What an operation came to, in words, and the bytes that it brought. */
export interface Outcome {
  /** "done", "ENOMEM at munmap", "12 bytes". */
  readonly said: string
  readonly bytes: Uint8Array | undefined
}

/** The counters of smaps that both sides have, in pages; in the order in which smaps has them. */
export const COUNTERS = [
  'Size',
  'Rss',
  'Pss',
  'Shared_Clean',
  'Shared_Dirty',
  'Private_Clean',
  'Private_Dirty',
  'Referenced',
  'Anonymous',
  'Swap',
  'Locked',
] as const

export type Counter = (typeof COUNTERS)[number]

export interface VmaView {
  readonly start: number
  readonly end: number
  /** "rw-p" */
  readonly rights: string
  readonly offset: number
  readonly name: string
  readonly counters: Readonly<Record<Counter, number>>
  /** Of VmFlags, those that both sides have. */
  readonly flags: string
}

/** What a process shows of the arena, without touching it. */
export interface View {
  readonly vmas: readonly VmaView[]
  /** A letter for each page of the arena: what its entry maps, a page of a file, a private or zero page, or - nothing. */
  readonly present: string
  /** As mincore says; a dot where nothing is mapped. */
  readonly resident: string
}

/** Pages [start, end). */
export type Run = readonly [number, number]

export interface Side {
  readonly processes: number
  perform(operation: Operation): Outcome
  view(process: number): View
  /** The bytes of runs of pages that a load finds mapped; it makes them young, and nothing else. Until the next call. */
  bytes(process: number, runs: readonly Run[]): readonly Uint8Array[]
  /** Loads a byte of each page, and so brings it. */
  touch(process: number, pages: readonly number[]): void
  /** Takes entries of files' pages and of the zero page away, and nothing else. */
  drop(process: number, pages: readonly number[]): void
  /** What the host's filesystem has of a file, after a sync. */
  content(file: number): { readonly size: Bytes; readonly bytes: Uint8Array }
  end(): void
}
