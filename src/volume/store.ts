/**
 * What a volume's metadata lies in: an ordered key-value store. The one in memory is for the lab; others live behind the
 * doors, and one across a network would be asked nothing more.
 *
 * Keys are printable ASCII and are ordered as such; values are bytes. Reads answer at once: they see what was committed.
 * A commit takes time, and so is a ticket.
 *
 * Invariants
 *   ST1 A commit is applied as a whole or not at all, a crash included; one that has ended well is durable.
 *   ST2 Reads see a commit from the moment its ticket completes at the latest, and never a part of one.
 *   ST4 What isn't sound isn't handed out: `get` and `range` throw Unreadable, with the keys that it is about.
 *   ST3 One commit is on its way at a time: the volume sees to it.
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

export interface Store {
  readonly name: string
  readonly readOnly: boolean
  get(key: string): Uint8Array | undefined
  /** Entries with start <= key < end, in order. The store doesn't change while they are walked. */
  range(start: string, end: string): Iterable<Entry>
  /** Applies the changes, atomically and durably. The ticket's errno says how it went. */
  commit(changes: readonly Change[]): Ticket
}
