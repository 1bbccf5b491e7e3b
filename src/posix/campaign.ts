/** So many random operations in a directory of their own: up to the first answer that isn't the model's. */
import fs from 'node:fs'
import { parseArgs } from 'node:util'
import { Exercising, type Tool } from './exercising.ts'

interface Exercised {
  readonly done: number
  readonly seconds: number
  readonly differs: string | undefined
}

const COMPARE_EVERY = 500

/** The command `node PROGRAM DIRECTORY [--seed N] [--count N]`: plays, says what came of it, and ends with 1 at a difference. */
export function playAndTell(program: string, toolFor?: (directory: string, base: string) => Tool): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seed: { type: 'string', default: '1' }, count: { type: 'string', default: '100000' } },
  })
  const directory = positionals[0]!
  const [seed, count] = [Number(values.seed), Number(values.count)]
  const { done, seconds, differs } = exercise(directory, {
    seed,
    count,
    ...(toolFor !== undefined && { tool: base => toolFor(directory, base) }),
  })
  if (differs === undefined) {
    const rate = Math.round(done / seconds)
    console.log(`${done} operations from seed ${seed}: as the model says; ${rate} a second`)
    return
  }
  console.log(`operation ${done}: ${differs}; node ${program} ${directory} --seed ${seed} --count ${done}`)
  process.exitCode = 1
}

/** Plays so many operations in a directory of their own below `directory`, and removes it. */
function exercise(
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
