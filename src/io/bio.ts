/**
 * A bio: one piece of I/O on its way, from submission to its ticket.
 *
 *     throttled --io.max lets it--> queued --issue--> issued --device ends--> ended
 *               (Io.submit, Io.run)        (Io.dispatch)     (Io.ended)
 *
 * Plain data: frames are numbers, and `purpose` tells the room above what to do with the end.
 */
import type { Bytes, Errno, FileId, GroupId, Ns, PageIndex, Pfn } from '../base/index.ts'
import type { Device, Operation } from '../device/index.ts'
import type { Ticket } from '../sched/index.ts'

/** What a room above asks for. */
export interface BioPlan {
  readonly device: Device
  readonly operation: Operation
  readonly position: Bytes
  readonly length: Bytes
  /** In order of position; empty for flush, resize and zero. */
  readonly frames: readonly Pfn[]
  /** On whose account: its limits apply and its counters rise. */
  readonly group: GroupId
  /** Whose pages they are, for the end. */
  readonly purpose: 'fill' | 'writeback' | 'operation'
  readonly file: FileId
  readonly index: PageIndex
  /** What is said of it in reports: "read of data.bin page 7". */
  readonly what: string
}

export interface Bio extends BioPlan {
  readonly id: number
  readonly ticket: Ticket
  state: 'throttled' | 'queued' | 'issued' | 'ended'
  /** Groups that wait for it beside its own: it may go as soon as any of them might. */
  sponsors: readonly GroupId[]
  /** In whose turn it was issued: `group`'s, or a sponsor's. */
  issuer: GroupId
  submittedAt: Ns
  /** When io.max let it go. io.latency counts from here, as from the kernel's bio->bi_issue. */
  queuedAt: Ns
  issuedAt: Ns
  errno: Errno
}
