/**
 * What `npm run bench -- --json` has printed: one file, or a directory with a file for each part of the benches, which may take
 * longer than one sitting.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** What bench/main.ts prints with --json. */
export interface Measured {
  readonly machine: readonly string[]
  readonly benches: readonly {
    readonly bench: string
    readonly name: string
    readonly what: string
    readonly ratio: number
    readonly low: number
    readonly high: number
    readonly rounds: number
    readonly ours: number
    readonly theirs: number
    readonly unit: string
    readonly target: 'none' | { readonly atMost: number } | { readonly atLeast: number }
    readonly meets: boolean | null
  }[]
  readonly skipped: readonly { readonly name: string; readonly why: string }[]
}

/** Throws an Error with a sentence if there is no such file, or it isn't of the bench. */
export function readMeasured(path: string): Measured {
  if (!statSync(path).isDirectory()) return readOne(path)
  const parts = readdirSync(path)
    .filter(name => name.endsWith('.json'))
    .sort()
    .map(name => readOne(join(path, name)))
  const [first] = parts
  if (first === undefined) throw new Error(`${path}: expected files that the bench has printed, got none`)
  return {
    machine: first.machine,
    benches: parts.flatMap(({ benches }) => benches),
    skipped: parts.flatMap(({ skipped }) => skipped),
  }
}

function readOne(path: string): Measured {
  const found: unknown = JSON.parse(readFileSync(path, 'utf8'))
  if (typeof found === 'object' && found !== null && 'benches' in found && 'machine' in found)
    return found as Measured
  throw new Error(`${path}: expected what \`npm run bench -- --json\` prints, with machine and benches`)
}
