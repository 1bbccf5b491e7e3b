/** So many random operations in a directory of their own: up to the first answer that isn't the model's. */
import fs from 'node:fs'
import { Exercising, type Tool } from './exercising.ts'

export interface Exercised {
  readonly done: number
  readonly seconds: number
  readonly differs: string | undefined
}

const COMPARE_EVERY = 500

/** Plays so many operations in a directory of their own below `directory`, and removes it. */
export function exercise(
  directory: string,
  {
    seed,
    count,
    tool,
  }: { readonly seed: number; readonly count: number; readonly tool?: (base: string) => Tool },
): Exercised {
  const base = fs.mkdtempSync(`${directory}/exercise-`)
  const began = performance.now()
  const exercising = new Exercising(base, seed, tool?.(base))
  let done = 0
  let differing: string | undefined
  while (done < count && differing === undefined) {
    done++
    differing = exercising.step() ?? (done % COMPARE_EVERY === 0 ? exercising.compare() : undefined)
    if (done % 10_000 === 0 && process.stderr.isTTY)
      process.stderr.write(`\r\x1b[K${done} of ${count} operations`)
  }
  differing ??= exercising.compare()
  const seconds = (performance.now() - began) / 1000
  exercising.end()
  fs.rmSync(base, { recursive: true, force: true })
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  return { done, seconds, differs: differing }
}
