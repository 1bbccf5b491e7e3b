/** What subscribers of the tracing channels of node:diagnostics_channel are told. */
import type { Bytes } from '../base/index.ts'

/** What a subscriber is told of a call. Node adds `error` if it failed, and `result`, which is the library's own. */
export interface CallEvent {
  /** The file: its path. */
  readonly name: string
  /** Which MMU the machine has. */
  readonly mmu: 'software' | 'hardware'
}

/** What a subscriber is told of a section that waits for a page. */
export interface FaultEvent extends CallEvent {
  /** The name of the space. */
  readonly space: string
  /** Bytes from the start of the mapping, of the page. */
  readonly offset: Bytes
  /** What the section did. */
  readonly access: 'load' | 'store'
}
