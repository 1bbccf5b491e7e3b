/**
 * What machines that share a volume ask the server of its metadata, and what it says. Each call is one transaction there; on
 * the way there and back everything can be late or lost.
 *
 * Invariants
 *   NW1 A client hears of each call once: its answer, or that there is none.
 */
import type { Errno } from '../base/index.ts'
import type { Basis, Change, Entry } from './store.ts'

export interface Commit {
  readonly epoch: number
  readonly changes: readonly Change[]
}

/** What clients ask. */
export type Call =
  | { readonly kind: 'enter'; readonly as: 'writer'; readonly over: number }
  | { readonly kind: 'enter'; readonly as: 'reader' }
  | { readonly kind: 'fetch'; readonly start: string; readonly at: number }
  | { readonly kind: 'commit'; readonly basis: Basis; readonly changes: readonly Change[] }
  | { readonly kind: 'outcome'; readonly basis: Basis }
  | { readonly kind: 'renew' }
  | { readonly kind: 'news'; readonly since: number }
  | { readonly kind: 'pin'; readonly at: number }

export type Reply =
  | { readonly kind: 'entered'; readonly epoch: number; readonly at: number; readonly horizon: number }
  /** Records from the start that was asked for, up to `end`. */
  | { readonly kind: 'records'; readonly entries: readonly Entry[]; readonly end: string }
  | { readonly kind: 'committed'; readonly horizon: number }
  /** Whether the commit was made; if the lease is still the asker's, its new epoch: under the old one it never will be. */
  | { readonly kind: 'outcome'; readonly made: boolean; readonly epoch: number | undefined }
  | { readonly kind: 'horizon'; readonly horizon: number }
  /** The commits after `since`. */
  | { readonly kind: 'commits'; readonly since: number; readonly commits: readonly Commit[] }
  /** The log begins later. */
  | { readonly kind: 'too old'; readonly at: number }
  | { readonly kind: 'pinned' }
  | { readonly kind: 'stale' }
  /** It was refused for another reason, and nothing was changed. */
  | { readonly kind: 'failed'; readonly errno: Errno }

export interface Client {
  readonly name: string
  hear(call: Call, reply: Reply | 'nothing'): void
}

/** How calls get to the server. */
export interface Way {
  send(client: Client, call: Call): void
}
