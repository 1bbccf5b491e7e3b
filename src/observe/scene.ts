/**
 * Scenes: everything that tasks did in the moments around the worst inversions, for those who draw or replay them.
 *
 * Which moments they are is known only at the end of the trace, so it is read again, with an analysis that keeps nothing but
 * the stretches that touch a moment.
 *
 *     account --momentsOf--> moments --readScenes: the files once more--> scenes
 *
 * Invariants
 *   SQ1  Moments are in order of time and don't overlap.
 *   SQ2  A scene keeps at most STRETCHES_MAX stretches. When there are more, the shortest go, and are counted.
 */
import { statSync } from 'node:fs'
import type { Hold, Runnable, Sleep, Task, Wait } from '../analysis/index.ts'
import { type Account, Analysis, type Inversion } from '../analysis/index.ts'
import type { ReadOptions } from '../trace/index.ts'
import { TraceError } from '../trace/index.ts'
import { readTrace } from '../unpack/index.ts'

/** Nanoseconds of the trace's clock. */
export interface Moment {
  readonly start: number
  readonly end: number
  /** The inversions in it, the longest first. */
  readonly inversions: readonly Inversion[]
}

export interface Actor {
  readonly tid: number
  readonly comm: string
  readonly group: string
  /** The lock it takes as its own memory's, '' if unknown. */
  readonly mm: string
}

export interface Scene extends Moment {
  readonly waits: readonly Wait[]
  readonly holds: readonly Hold[]
  readonly sleeps: readonly Sleep[]
  readonly runnables: readonly Runnable[]
  readonly actors: ReadonlyMap<number, Actor>
  /** Stretches left out because there were too many, all shorter than `shortestNs`. */
  readonly leftOut: number
  readonly shortestNs: number
}

const INVERSIONS_SHOWN = 50
const MOMENTS_MAX = 6
const STRETCHES_MAX = 40_000
/** So much of a wait is shown before and after it. */
const MARGIN = 0.05
const MARGIN_MIN_NS = 2e6

export function momentsOf({ inversions, openWaits, trace }: Account, thresholdMs: number): Moment[] {
  // A state of one moment has nothing to draw.
  const open = openWaits.filter(
    wait => wait.from === 'events' && wait.chain.length > 1 && wait.waitMs >= thresholdMs,
  )
  const worst = [...inversions, ...open].sort((a, b) => b.waitMs - a.waitMs).slice(0, INVERSIONS_SHOWN)
  const moments: { start: number; end: number; inversions: Inversion[] }[] = []
  for (const inversion of worst) {
    const margin = Math.max(MARGIN_MIN_NS, inversion.waitMs * 1e6 * MARGIN)
    const start = inversion.startSec * 1e9 - margin
    const end = (inversion.endSec ?? trace.endSec) * 1e9 + margin
    const near = moments.filter(each => each.start < end && start < each.end)
    if (near.length === 0 && moments.length >= MOMENTS_MAX) continue
    for (const each of near) moments.splice(moments.indexOf(each), 1)
    moments.push({
      start: Math.min(start, ...near.map(each => each.start)),
      end: Math.max(end, ...near.map(each => each.end)),
      inversions: [...near.flatMap(each => each.inversions), inversion],
    })
  }
  for (const each of moments) each.inversions.sort((a, b) => b.waitMs - a.waitMs)
  return moments.sort((a, b) => a.start - b.start)
}

export async function readScenes(
  paths: readonly string[],
  moments: readonly Moment[],
  reading: ReadOptions,
): Promise<Scene[]> {
  const scenes = moments.map(moment => new Recorder(moment))
  if (scenes.length === 0) return []
  const analysis = new Analysis({
    thresholdMs: Number.POSITIVE_INFINITY,
    stretches: {
      waited: (wait, task) => {
        for (const scene of scenes) scene.waited(wait, task)
      },
      held: (hold, task) => {
        for (const scene of scenes) scene.held(hold, task)
      },
      slept: (sleep, task) => {
        for (const scene of scenes) scene.slept(sleep, task)
      },
      waitedToRun: (runnable, task) => {
        for (const scene of scenes) scene.waitedToRun(runnable, task)
      },
    },
  })
  for (const path of paths) await readTrace(path, analysis.take, reading)
  analysis.finish()
  return scenes.map(scene => scene.finish())
}

/** Says before the first reading that there can't be a second. */
export function assertReadableTwice(paths: readonly string[]): void {
  for (const path of paths)
    if (statSync(path, { throwIfNoEntry: false })?.isFIFO())
      throw new TraceError(
        `${path} is a pipe, and --out, --perfetto and --what-if read a trace twice; expected a file`,
        'ESPIPE',
      )
}

interface Stretch {
  readonly tid: number
  readonly start: number
  readonly end: number
}

class Recorder {
  private readonly moment: Moment
  private waits: Wait[] = []
  private holds: Hold[] = []
  private sleeps: Sleep[] = []
  private runnables: Runnable[] = []
  private readonly actors = new Map<number, Actor>()
  private shortest = 0
  private leftOut = 0

  constructor(moment: Moment) {
    this.moment = moment
  }

  waited(wait: Wait, task: Task): void {
    if (this.wants(wait, task)) this.waits.push(wait)
  }

  held(hold: Hold, task: Task): void {
    if (this.wants(hold, task)) this.holds.push(hold)
  }

  slept(sleep: Sleep, task: Task): void {
    if (this.wants(sleep, task)) this.sleeps.push(sleep)
  }

  waitedToRun(runnable: Runnable, task: Task): void {
    if (this.wants(runnable, task)) this.runnables.push(runnable)
  }

  finish(): Scene {
    return {
      ...this.moment,
      waits: this.waits,
      holds: this.holds,
      sleeps: this.sleeps,
      runnables: this.runnables,
      actors: this.actors,
      leftOut: this.leftOut,
      shortestNs: this.shortest,
    }
  }

  private wants(stretch: Stretch, { tid, comm, group, mm }: Task): boolean {
    const { start, end } = this.moment
    if (stretch.end < start || stretch.start > end) return false
    if (stretch.end - stretch.start < this.shortest) {
      this.leftOut++
      return false
    }
    const kept = this.waits.length + this.holds.length + this.sleeps.length + this.runnables.length
    if (kept >= STRETCHES_MAX) this.thin()
    this.actors.set(tid, { tid, comm, group, mm })
    return true
  }

  private thin(): void {
    this.shortest = Math.max(1000, this.shortest * 2)
    this.waits = this.longEnough(this.waits)
    this.holds = this.longEnough(this.holds)
    this.sleeps = this.longEnough(this.sleeps)
    this.runnables = this.longEnough(this.runnables)
  }

  private longEnough<T extends Stretch>(all: readonly T[]): T[] {
    const kept = all.filter(each => each.end - each.start >= this.shortest)
    this.leftOut += all.length - kept.length
    return kept
  }
}
