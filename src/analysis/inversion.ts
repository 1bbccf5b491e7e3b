/** An inversion as it is told: who waited for which lock, and the chain of those in the way. */
import type { Cause, Link } from './link.ts'

export interface Inversion {
  readonly waiter: {
    readonly comm: string
    readonly tid: number
    readonly mm: string
    readonly group: string | null
  }
  /** Where it is known from: its events, or a state of one moment, whose times are at least what is told. */
  readonly from: 'events' | 'state'
  readonly startSec: number
  /** Null while the wait is open. */
  readonly endSec: number | null
  readonly waitMs: number
  readonly chain: readonly Link[]
  readonly cause: Cause
}
