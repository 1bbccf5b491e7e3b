/** Stories one after the other on one filesystem, and the first difference made small. Between two it can be stopped. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Coverage } from './coverage.ts'
import type { Operation } from './operations.ts'
import { type Difference, play, STORY, type Stage, storyOf } from './story.ts'

/** Milliseconds that a difference is made smaller for. */
const SHRINK_MS = 60_000

/** Plays of a story in which the kernel lacked pages. */
const TIMES = 6

export interface Failure {
  readonly story: number
  /** Which operations of the story show it. */
  readonly kept: readonly number[]
  readonly operations: readonly Operation[]
  readonly message: string
}

export interface Result {
  readonly operations: number
  /** Stories in which the kernel had taken pages from memory by itself. */
  readonly taken: number
  readonly failure: Failure | undefined
}

export interface Campaign {
  readonly operations: number
  readonly seed: number
  /** The first story. */
  readonly from: number
  readonly onProgress: (operations: number) => void
  readonly signal: AbortSignal
}

export async function campaign(stage: Stage, plan: Campaign): Promise<Result> {
  const { operations, seed, from, onProgress, signal } = plan
  let played = 0
  let taken = 0
  for (let story = from; played < operations; story++) {
    await turn(signal)
    const all = storyOf(seed, story).slice(0, operations - played)
    const { found, taken: takenHere } = await playStory(stage, all, signal)
    taken += takenHere
    if (found !== undefined) {
      const failure = await shrink(stage, story, all, found, signal)
      return { operations: played + found.at, taken, failure }
    }
    played += all.length
    if (played % (20 * STORY) === 0) onProgress(played)
  }
  return { operations: played, taken, failure: undefined }
}

/** The operations of a story that are named, again. */
export function replay(
  stage: Stage,
  seed: number,
  story: number,
  kept: readonly number[],
): Difference | undefined {
  const all = storyOf(seed, story)
  return play(
    stage,
    kept.map(at => all[at]!),
  )
}

/**
 * A story once more, a few times, if it showed pages that only the kernel lacks: it may take those that nobody maps when it likes
 * (the row "taken"). The engine is the same each time, and what it does wrong comes again.
 */
async function playStory(stage: Stage, all: readonly Operation[], signal: AbortSignal): Promise<Played> {
  const found = play(stage, all)
  if (found === undefined || !found.hasLost) return { found, taken: 0 }
  const uncounted = { ...stage, coverage: new Coverage() }
  for (let times = 1; times < TIMES; times++) {
    await turn(signal)
    const again = play(uncounted, all)
    if (again !== undefined && (again.at === found.at || !again.hasLost)) return { found: again, taken: 0 }
    if (again === undefined) return { found: undefined, taken: 1 }
  }
  return { found, taken: 0 }
}

interface Played {
  readonly found: Difference | undefined
  /** How often the kernel had taken pages. */
  readonly taken: 0 | 1
}

/** Leaves out runs of operations, long ones first, as long as a difference is left. */
async function shrink(
  counted: Stage,
  story: number,
  all: readonly Operation[],
  first: Difference,
  signal: AbortSignal,
): Promise<Failure> {
  const until = performance.now() + SHRINK_MS
  const stage = { ...counted, coverage: new Coverage() }
  let kept = Array.from({ length: first.at + 1 }, (_, at) => at)
  let { message } = first
  for (let size = kept.length >> 1; size >= 1; ) {
    let smaller = false
    for (let at = 0; at < kept.length && performance.now() < until; ) {
      await turn(signal)
      const fewer = [...kept.slice(0, at), ...kept.slice(at + size)]
      const found = play(
        stage,
        fewer.map(each => all[each]!),
      )
      if (found === undefined) at += size
      else {
        kept = fewer.slice(0, found.at + 1)
        message = found.message
        smaller = true
      }
    }
    if (!smaller) size >>= 1
  }
  return { story, kept, operations: kept.map(at => all[at]!), message }
}

/** Lets the event loop see signals. */
async function turn(signal: AbortSignal): Promise<void> {
  await nextTurn()
  signal.throwIfAborted()
}
