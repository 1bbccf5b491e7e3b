/**
 * What a workload is: who does what on which machine. Plain data and one function that sets the stage.
 *
 * A role is what a report adds up: `monitor`, `app`, `mapper` and `batch` are the columns that the demo has too; other
 * roles have latencies of their own.
 */

import type { Bytes, GroupId, Ns } from '../base/index.ts'
import type { KernelTrait } from './kernel-traits.ts'
import type { LoopPlan } from './loop.ts'
import type { Stage } from './stage.ts'
import type { TouchPlan } from './touch.ts'

export interface Workload {
  readonly name: string
  /** What it is about, in a sentence; what it was taken from. */
  readonly about: string
  readonly seconds: number
  readonly memory: Bytes
  /** How much one bio carries at most, as the filesystem that is modelled makes them. */
  readonly bioBytesMax: Bytes
  /** What is left out of what the kernels do beside the locks of the fault path; undefined: nothing. */
  readonly without?: readonly KernelTrait[]
  readonly cast: (stage: Stage) => Cast
}

/** Everybody who acts, and whose written bytes and pressure are those of the batch. */
export interface Cast {
  readonly batch: GroupId
  readonly actors: readonly Actor[]
}

export type Actor = {
  /** "reader 17": the role is the name without its number. */
  readonly name: string
  readonly group: GroupId
} & (
  | { readonly does: 'loop'; readonly plan: LoopPlan }
  | { readonly does: 'touch'; readonly plan: TouchPlan }
)

export function roleOf(name: string): string {
  return name.replace(/ \d+$/, '')
}

export const KIB: Bytes = 1024
export const MIB: Bytes = 1024 * KIB
export const GIB: Bytes = 1024 * MIB

/** A loop from its beginning, without a first pause of its own. */
export function every(pause: Ns, calls: LoopPlan['calls']): LoopPlan {
  return { first: pause, pause, calls }
}
