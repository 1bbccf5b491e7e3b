/** Each experiment on the kernel and in the model, side by side, and how far they are apart. */
import os from 'node:os'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Filesystem } from '../differential/index.ts'
import { EXPERIMENTS, type Experiment, TIMED } from './experiments.ts'
import { onKernel } from './kernel.ts'
import { inModel } from './model.ts'

/** Stalls from here on are compared by their length, in milliseconds. */
const LONG = 100
/** From here on a stall must be in both or in neither. */
const STALL = 10

export interface Validated {
  readonly experiment: string
  /** Who is timed: the store, the call beside it, and the readers of /proc. */
  readonly readers: readonly string[]
  readonly kernelMs: readonly number[]
  readonly modelMs: readonly number[]
  /** The largest of |kernel - model| / kernel, of stalls above 100 ms; 1 if a stall above 10 ms is in one of the two alone. */
  readonly error: number
}

export async function validate(onStep: (name: string) => void, signal: AbortSignal): Promise<Validated[]> {
  takePrecedence()
  const found: Validated[] = []
  for (const name of new Set(EXPERIMENTS.map(({ filesystem }) => filesystem))) {
    const filesystem = Filesystem.make(name)
    try {
      for (const experiment of EXPERIMENTS.filter(each => each.filesystem === name)) {
        signal.throwIfAborted()
        onStep(experiment.name)
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

function one(filesystem: Filesystem, { name, call }: Experiment): Validated {
  const { times, thawedAt } = onKernel(filesystem, call)
  const kernelMs = times.map(rounded)
  const modelMs = inModel(os.release(), call, thawedAt).map(rounded)
  const error = Math.round(errorOf(kernelMs, modelMs) * 10_000) / 10_000
  return { experiment: name, readers: TIMED, kernelMs, modelMs, error }
}

function errorOf(kernel: readonly number[], model: readonly number[]): number {
  let error = 0
  for (const [at, real] of kernel.entries()) {
    const modelled = model[at]!
    if (real > STALL !== modelled > STALL) return 1
    if (Math.max(real, modelled) > LONG) error = Math.max(error, Math.abs(real - modelled) / real)
  }
  return error
}

/** What is timed is the kernel's locks, not whose turn it is on a busy computer. */
function takePrecedence(): void {
  os.setPriority(os.constants.priority.PRIORITY_HIGHEST)
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
