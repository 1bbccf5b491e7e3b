/**
 * The counterfactual: what each waiter of the worst moments would have waited under another lock discipline.
 *
 *     scene -> plan -> replay under the kernel's discipline   compared with what was observed: the error
 *                   -> replay under the other                 the answer
 *
 * The figure of the first replay says how far the second can be trusted.
 */

import { droppedItsLock, isInFault, placeOf } from '../analysis/index.ts'
import { DISCIPLINES, disciplineNamed } from '../mm/index.ts'
import { TraceError } from '../trace/index.ts'
import { type ObservedWait, type Plan, planOf, vmaLinks } from './plan.ts'
import { replay } from './replay.ts'
import type { Scene } from './scene.ts'

export interface WhatIfOptions {
  /** The discipline to try. */
  readonly discipline: string
  /** The one the kernel had; null: told from the trace. */
  readonly kernelDiscipline: string | null
  readonly thresholdMs: number
}

export interface WhatIfWait {
  readonly comm: string
  readonly tid: number
  readonly mm: string
  readonly lock: ObservedWait['lock']
  readonly startSec: number
  readonly observedMs: number
  /** Under the kernel's discipline. */
  readonly replayedMs: number
  /** Of replayedMs, against what was observed. */
  readonly errorPercent: number
  /** Under the other. */
  readonly whatIfMs: number
}

export interface WhatIf {
  readonly discipline: string
  readonly kernelDiscipline: string
  readonly kernelDisciplineFrom: string
  /** Waits at least as long as the threshold, observed or replayed; the longest first. */
  readonly waits: readonly WhatIfWait[]
  readonly worstErrorPercent: number
  /** Whether the replay under the kernel's own discipline came within TRUSTED_PERCENT of each wait. */
  readonly trustworthy: boolean
  readonly all: {
    readonly waits: number
    readonly observedMs: number
    readonly replayedMs: number
    readonly whatIfMs: number
  }
  readonly replayed: {
    readonly moments: number
    readonly tasks: number
    readonly sections: number
    readonly faults: number
    readonly leftOut: number
  }
  readonly assumed: readonly string[]
}

const ASSUMED = [
  'Tasks ask for locks, pages and I/O when they did in the trace, or later if what they did before takes longer.',
  'I/O takes as long as it took; a fault that slept for it in the trace sleeps as long in the replay.',
  'A hold lasts as long as it did, less what it waited inside for locks: running, scheduling and other sleeps are in it.',
  'An mm has one VMA for all faults that slept; a writer locks it if it was seen to wait for a VMA, and fork always does.',
  'Nothing is replayed but the moments around the worst inversions.',
]
const WAITS_MAX = 1000
/** A replay further off than this has not understood the trace. */
export const TRUSTED_PERCENT = 5

const disciplineOf = (name: string) => {
  const found = disciplineNamed(name)
  if (found !== undefined) return found
  throw new TraceError(
    `there is no discipline ${name}; expected one of ${DISCIPLINES.map(each => each.name).join(', ')}`,
    'EINVAL',
  )
}

export function whatIf(scenes: readonly Scene[], options: WhatIfOptions): WhatIf {
  const other = disciplineOf(options.discipline)
  const sign = VMA_LOCK_SIGNS.find(({ isIn }) => scenes.some(isIn))
  const kernel = disciplineOf(options.kernelDiscipline ?? (sign === undefined ? 'linux-5.1' : 'linux-6.4'))
  const plans = scenes.map(planOf)
  const waits = plans.flatMap(plan => {
    const replayed = replay(plan, kernel)
    const tried = replay(plan, other)
    return plan.observed.map((wait, at) => compared(wait, replayed[at]!, tried[at]!))
  })
  const told = waits
    .filter(wait => Math.max(wait.observedMs, wait.replayedMs, wait.whatIfMs) >= options.thresholdMs)
    .sort((a, b) => b.observedMs - a.observedMs)
    .slice(0, WAITS_MAX)
  const sum = (of: (wait: WhatIfWait) => number) => waits.reduce((total, wait) => total + of(wait), 0)
  const worstErrorPercent = told.reduce((worst, wait) => Math.max(worst, Math.abs(wait.errorPercent)), 0)
  return {
    discipline: other.name,
    kernelDiscipline: kernel.name,
    kernelDisciplineFrom:
      options.kernelDiscipline !== null ? 'as given' : (sign?.what ?? 'the trace shows no sign of VMA locks'),
    waits: told,
    worstErrorPercent,
    trustworthy: worstErrorPercent <= TRUSTED_PERCENT,
    all: {
      waits: waits.length,
      observedMs: sum(wait => wait.observedMs),
      replayedMs: sum(wait => wait.replayedMs),
      whatIfMs: sum(wait => wait.whatIfMs),
    },
    replayed: {
      moments: scenes.length,
      tasks: count(plans, plan => plan.tasks.length),
      sections: count(plans, plan => plan.sections),
      faults: count(plans, plan => plan.faults),
      leftOut: count(plans, plan => plan.leftOut) + scenes.reduce((all, scene) => all + scene.leftOut, 0),
    },
    assumed: ASSUMED,
  }
}

function compared(wait: ObservedWait, replayedNs: number, whatIfNs: number): WhatIfWait {
  const { comm, tid, mm, lock, startNs, ns, passedNs } = wait
  return {
    comm,
    tid,
    mm,
    lock,
    startSec: startNs / 1e9,
    observedMs: ns / 1e6,
    replayedMs: (replayedNs + passedNs) / 1e6,
    errorPercent: ns === 0 ? (replayedNs === 0 ? 0 : 100) : (100 * (replayedNs + passedNs - ns)) / ns,
    whatIfMs: whatIfNs / 1e6,
  }
}

/** What shows that a kernel has VMA locks (Linux 6.4), the plainest first. */
const VMA_LOCK_SIGNS: readonly { readonly what: string; readonly isIn: (scene: Scene) => boolean }[] = [
  {
    what: 'the trace shows waits for VMA locks',
    isIn: scene =>
      scene.inversions.some(inversion => vmaLinks(inversion).length > 0) ||
      scene.sleeps.some(sleep => placeOf(sleep.frames)?.kind === 'vma lock'),
  },
  {
    what: 'its events give cgroups by number, as kernels since 6.13 do',
    isIn: ({ actors }) => [...actors.values()].some(({ group }) => /^\d+$/.test(group)),
  },
  {
    what: 'faults sleep in it without mmap_lock',
    isIn: ({ sleeps, holds }) =>
      sleeps.some(
        ({ tid, frames, start, end, waitsFor }) =>
          waitsFor === '' &&
          isInFault(frames) &&
          !droppedItsLock(frames) &&
          !holds.some(hold => hold.tid === tid && hold.start <= end && hold.end >= start),
      ),
  },
]

const count = (plans: readonly Plan[], of: (plan: Plan) => number): number =>
  plans.reduce((total, plan) => total + of(plan), 0)
