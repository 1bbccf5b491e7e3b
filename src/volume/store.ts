/**
 * What a volume's metadata lies in: an ordered key-value store. The one in memory is for the lab; others live behind the
 * doors. It may be this machine's alone, as LMDB is, or lie across a network, with one writer and any number of readers.
 *
 * Keys are printable ASCII and are ordered as such; values are bytes. Reads see one commit, `at`; what isn't here of it is
 * Absent, with a ticket. A commit takes time, and so is a ticket. The right to commit is a lease; a reader's is on its `at`.
 *
 *     commit:    sent -> its answer -> the ticket completes
 *                   \--> no answer -> its outcome is asked for, and the ticket stays open until that is known
 *
 * Invariants
 *   ST1 A commit is applied as a whole or not at all, a crash included; one that has ended well is durable.
 *   ST2 Reads see a commit from the moment its ticket completes at the latest, and never a part of one.
 *   ST3 One commit is on its way at a time: the volume sees to it.
 *   ST4 What isn't sound isn't handed out: `get` and `range` throw Unreadable, with the keys that it is about.
 *   ST5 A commit whose outcome is unknown is neither told to have failed nor tried again.
 *   ST6 What isn't here is said to be, never to be gone: `get` and `range` throw Absent. What its ticket brought stays
 *       here as long as `at` does, so an edit that begins again gets further each time.
 *   ST7 `at` moves by a commit of one's own, or in `advance`, and never back. `onCommit` hears of each commit in order,
 *       without a gap, or of a reset.
 *   ST8 A writer whose lease is lost gets ESTALE from `commit`, never success; a reader whose lease is lost gets it from reads.
 *   ST9 Nobody reads a commit before `horizon`, now or later.
 */
import type { Ticket } from '../sched/index.ts'

export interface Entry {
  readonly key: string
  readonly value: Uint8Array
}

export interface Change {
  readonly key: string
  /** null: the key goes. */
  readonly value: Uint8Array | null
}

/** A commit, as reads come to see it. */
export type News =
  | { readonly kind: 'commit'; readonly at: number; readonly keys: readonly string[] }
  /** Too much was missed: any key may have changed. */
  | { readonly kind: 'reset'; readonly at: number }

export interface Lease {
  /** Each writer has a higher one than the writer before. */
  readonly epoch: number
  /** Somebody else has it, or it has run out. */
  readonly lost: boolean
}

/** What a commit stands on: it is refused with ESTALE if the lease is another, or others have committed since. */
export interface Basis {
  readonly epoch: number
  readonly after: number
}

export interface Store {
  readonly name: string
  readonly readOnly: boolean
  /** The number of the commit that reads see, from 0. */
  readonly at: number
  /** Up to `at`: what was freed by this commit, or before, is in nobody's sight any more. */
  readonly horizon: number
  readonly lease: Lease
  /** A hook. */
  readonly onCommit: (news: News) => void
  /** Throws Absent, Unreadable. */
  get(key: string): Uint8Array | undefined
  /** Entries with start <= key < end, in order. The store doesn't change while they are walked. Throws Absent, Unreadable. */
  range(start: string, end: string): Iterable<Entry>
  /** hot: the first of them, where the store has a shorter way to it. */
  first?(start: string, end: string): Entry | undefined
  /** Reads see the newest commit that is known from here on. Between attempts, and while nothing stands on what was read. */
  advance(): void
  /** Applies the changes, atomically and durably. The ticket's errno says how it went. */
  commit(changes: readonly Change[], basis: Basis): Ticket
}

/** Of a store that this machine has to itself: a lock sees to that. */
export const SOLE: Lease = { epoch: 0, lost: false }
