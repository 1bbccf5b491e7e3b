/**
 * A policy of a disk: it may hold back who waits to be issued, and is told what becomes of each bio. A disk has a list of them, and
 * a bio goes when none refuses (disk.ts). What a policy doesn't look at it leaves out. struct rq_qos of Linux 6.12 block/blk-rq-qos.h.
 *
 *     queued -> [refusal, again and again] -> started -> ended          tick: time has come that the policy waits for
 */
import type { GroupId, Ns } from '../base/index.ts'
import type { Bio } from './bio.ts'
import type { TAKEN } from './fair-queue.ts'

/** What a policy may ask of its disk. */
export interface Queue {
  /** How many requests it takes at once. */
  readonly nrRequests: number
  readonly rotational: boolean
  /** How many requests it has now. */
  readonly issued: number
}

export interface Policy {
  /** When time lets something go that it holds back, or when `tick` is due; Infinity: never. */
  readonly next: Ns
  /** All who wait are about to be offered, one after the other. */
  beginRound?(): void
  /** Which group's limit holds the bio back when it goes in the turn of `group`; TAKEN: nobody's. */
  refusal(bio: Bio, group: GroupId, now: Ns): GroupId | typeof TAKEN
  queued?(bio: Bio): void
  started(bio: Bio, now: Ns): void
  ended(bio: Bio, now: Ns): void
  tick?(now: Ns): void
}
