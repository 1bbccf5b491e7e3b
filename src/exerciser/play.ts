/**
 * Whole runs: drawing one until something is wrong, playing one again, and making a failing one small.
 *
 * A run is made smaller by delta debugging: pieces of it are left out, first large ones, then small, first rounds, then
 * operations of rounds, for as long as what is left still fails.
 */
import { Prng } from '../base/index.ts'
import type { Backend } from './backend.ts'
import { type Counts, Exerciser, type Inspect, memoryBackend } from './exerciser.ts'
import { independent } from './footprint.ts'
import { Generator } from './generator.ts'
import { countOf, type Plan, type Round, type Run } from './operations.ts'

/** A round of no operation: everything is checked. That moves pages too, so a failure may need it to come again. */
const CHECK: Round = []

export interface Options {
  readonly make: (plan: Plan, content: Uint8Array) => Backend
  readonly inspect: Inspect
  /** Everything is checked each time this many operations have been played. */
  readonly checkEvery: number
  /** The engine is recounted at every so manieth check. */
  readonly lookEvery: number
  /** Called now and then with the operations played so far. */
  readonly progress: (operations: number) => void
}

export const OPTIONS: Options = {
  make: memoryBackend,
  inspect: () => undefined,
  checkEvery: 400,
  lookEvery: 10,
  progress: () => {},
}

export interface Failure {
  readonly run: Run
  readonly message: string
}

export interface Result {
  readonly counts: Counts
  readonly failure: Failure | undefined
}

/** Draws and plays rounds until `operations` have been played or one fails. */
export async function exercise(
  plan: Plan,
  operations: number,
  options: Partial<Options> = {},
): Promise<Result> {
  const { make, inspect, checkEvery, lookEvery, progress } = { ...OPTIONS, ...options }
  const exerciser = new Exerciser(plan, make, inspect)
  const generator = new Generator(plan, new Prng(plan.seed ^ 0x5bd1e995))
  const rounds: Round[] = []
  let checked = 0
  let checks = 0
  try {
    while (exerciser.counts.operations < operations) {
      const round = generator.round(exerciser.model)
      rounds.push(round)
      await exerciser.play(round)
      const played = exerciser.counts.operations
      if (played - checked < checkEvery) continue
      checked = played
      rounds.push(CHECK)
      await exerciser.check()
      if (++checks % lookEvery === 0) exerciser.look()
      progress(played)
    }
    await exerciser.end()
    return { counts: exerciser.counts, failure: undefined }
  } catch (error) {
    return { counts: exerciser.counts, failure: { run: { plan, rounds }, message: messageOf(error) } }
  } finally {
    await exerciser.close()
  }
}

/** Plays a run, checks everything at its end, and says what was wrong. */
export async function replay(run: Run, options: Partial<Options> = {}): Promise<string | undefined> {
  const { make, inspect } = { ...OPTIONS, ...options }
  const exerciser = new Exerciser(run.plan, make, inspect)
  try {
    for (const round of run.rounds)
      if (round.length === 0) await exerciser.check()
      else await exerciser.play(independent(exerciser.model, round))
    await exerciser.check()
    exerciser.look()
    await exerciser.end()
    return undefined
  } catch (error) {
    return messageOf(error)
  } finally {
    await exerciser.close()
  }
}

/** The smallest run that can be had of a failing one by leaving operations out. */
export async function shrink(failure: Failure, options: Partial<Options> = {}): Promise<Failure> {
  let smallest = failure
  const fails = async (rounds: readonly Round[]): Promise<boolean> => {
    const run = { plan: failure.run.plan, rounds }
    const message = await replay(run, options)
    if (message !== undefined) smallest = { run, message }
    return message !== undefined
  }
  if (!(await fails(failure.run.rounds))) return failure
  for (let before = Infinity; countOf(smallest.run.rounds) < before; ) {
    before = countOf(smallest.run.rounds)
    await leaveOut(smallest.run.rounds, fails)
    for (let place = 0; place < smallest.run.rounds.length; place++) {
      const at = place
      const rounds = () => smallest.run.rounds
      if (rounds()[at]!.length > 1) await leaveOut(rounds()[at]!, round => fails(rounds().with(at, round)))
    }
  }
  return smallest
}

/** Leaves pieces of `list` out while `fails` of the rest: halves first, single ones last. */
async function leaveOut<T>(
  list: readonly T[],
  fails: (rest: readonly T[]) => Promise<boolean>,
): Promise<void> {
  let left = list
  for (let piece = Math.ceil(left.length / 2); piece >= 1; piece = piece === 1 ? 0 : Math.ceil(piece / 2))
    for (let end = left.length; end > 0; end -= piece) {
      const rest = left.toSpliced(Math.max(0, end - piece), Math.min(piece, end))
      if (await fails(rest)) left = rest
    }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
