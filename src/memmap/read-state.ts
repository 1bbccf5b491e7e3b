/** How an open file is read, and what the reader said of it. */
import type { PageIndex } from '../base/index.ts'

export type Advice = 'normal' | 'random' | 'sequential'

/** How one open file is read: the state of readahead (struct file_ra_state). Plain numbers, in pages. */
export interface ReadState {
  advice: Advice
  /** The window that was read last: [start, start + size). */
  start: PageIndex
  size: number
  /** Misses less hits, at most 1000: above 100 read-around is switched off. */
  mmapMiss: number
  /** The page after the last one that a read call read. */
  next: PageIndex
}

export function newReadState(advice: Advice): ReadState {
  return { advice, start: 0, size: 0, mmapMiss: 0, next: 0 }
}
