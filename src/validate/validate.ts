/** Each experiment on the kernel and in the model, side by side, and how far they are apart. */
import os from 'node:os'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Filesystem, NotHere } from '../differential/index.ts'
import { type Experiment, experimentsOf, timedOf, type Wanted } from './experiments.ts'
import { onKernel, type Seen } from './kernel.ts'
import { inModel } from './model.ts'

/** Stalls from here on are compared by their length, in milliseconds. */
const LONG = 100
/** From here on a stall must be in both or in neither. */
export const STALL = 10

export interface Validated {
  readonly experiment: string
  /** Who is timed: the fault, the call beside it, and the readers of /proc. */
  readonly readers: readonly string[]
  /** Empty: it can't be made on this kernel. */
  readonly kernelMs: readonly number[]
  /** Empty: the model has no answer. */
  readonly modelMs: readonly number[]
  /**
   * The largest of |kernel - model| / kernel, of stalls above 100 ms; 1 if a stall above 10 ms is in one of the two alone;
   * null if there is nothing to compare.
   */
  readonly error: number | null
  /** Why there is nothing to compare. */
  readonly says?: string
}

export interface ValidateOptions extends Wanted {
  readonly onStep: (name: string, at: number, of: number) => void
  readonly signal: AbortSignal
}

export async function validate({ onStep, signal, ...wanted }: ValidateOptions): Promise<Validated[]> {
  const experiments = experimentsOf(wanted)
  const found: Validated[] = []
  for (const name of new Set(experiments.map(({ filesystem }) => filesystem))) {
    const filesystem = Filesystem.make(name)
    try {
      for (const experiment of experiments.filter(each => each.filesystem === name)) {
        signal.throwIfAborted()
        onStep(experiment.name, found.length + 1, experiments.length)
        found.push(one(filesystem, experiment))
        // Whoever wants to stop it is heard between two.
        await nextTurn()
      }
    } finally {
      filesystem.remove()
    }
  }
  return found
}

function one(filesystem: Filesystem, experiment: Experiment): Validated {
  const said = { experiment: experiment.name, readers: timedOf(experiment) }
  let seen: Seen
  try {
    seen = onKernel(filesystem, experiment)
  } catch (error) {
    if (!(error instanceof NotHere)) throw error
    return { ...said, kernelMs: [], modelMs: [], error: null, says: error.message }
  }
  const kernelMs = seen.times.map(rounded)
  const modelMs = inModel(os.release(), experiment, seen).map(rounded)
  return { ...said, kernelMs, modelMs, error: errorOf(kernelMs, modelMs) }
}

export function errorOf(kernel: readonly number[], model: readonly number[]): number {
  let error = 0
  for (const [at, real] of kernel.entries()) {
    const modelled = model[at]!
    if (Math.max(real, modelled) > LONG || isStall(real) !== isStall(modelled))
      error = Math.max(error, differenceOf(real, modelled))
  }
  return Math.round(error * 10_000) / 10_000
}

/** Of one who waited: the part of the kernel's time that the model's is off; all of it, if it is a stall in one of them alone. */
export function differenceOf(kernel: number, model: number): number {
  return isStall(kernel) === isStall(model) ? Math.abs(kernel - model) / kernel : 1
}

export function isStall(ms: number): boolean {
  return ms > STALL
}

export function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
