/** What a program may give `analyze`: each argument is looked at once, and what is wrong with it is said in one sentence. */

import type { AnalysisOptions } from '../analysis/index.ts'
import { didYouMean, shown } from '../group/index.ts'
import { type ReadOptions, TraceError } from '../trace/index.ts'

type Check = readonly [expected: string, isRight: (value: unknown) => boolean]

const FUNCTION: Check = ['a function', value => typeof value === 'function']

const OPTIONS: Readonly<Record<keyof AnalysisOptions, Check>> = {
  thresholdMs: [
    'milliseconds, a number from 0',
    value => typeof value === 'number' && value >= 0 && value < Infinity,
  ],
  concerns: FUNCTION,
  onInversion: FUNCTION,
  recorded: ['a Set of kinds of events', value => value instanceof Set],
  stretches: ['an object of functions', value => typeof value === 'object'],
  onRequest: FUNCTION,
  askDaemon: FUNCTION,
}

const READING: Readonly<Record<keyof ReadOptions, Check>> = {
  signal: ['an AbortSignal', value => value instanceof AbortSignal],
  onProgress: FUNCTION,
  onTask: FUNCTION,
  kallsyms: ['the text of /proc/kallsyms', value => typeof value === 'string'],
  clockHz: [
    'ticks a second, a number above 0',
    value => typeof value === 'number' && value > 0 && value < Infinity,
  ],
}

export function checkAnalysis(paths: unknown, options: unknown, reading: unknown): void {
  if (!Array.isArray(paths))
    throw wrong(`analyze: expected a list of the paths of trace files, got ${shown(paths)}`)
  if (paths.length === 0)
    throw wrong('analyze: expected the path of at least one trace file, got an empty list')
  const at = paths.findIndex(path => typeof path !== 'string' || path === '' || path.includes('\0'))
  if (at !== -1)
    throw wrong(`analyze: expected the path of a trace file as element ${at}, got ${shown(paths[at])}`)
  checkOptions(options, OPTIONS)
  checkOptions(reading, READING)
  if ((options as Partial<AnalysisOptions>).thresholdMs === undefined)
    throw wrong(`thresholdMs: expected ${OPTIONS.thresholdMs[0]}; it is the shortest wait to report`)
}

function checkOptions(given: unknown, known: Readonly<Record<string, Check>>): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw wrong(`analyze: expected an object of options, got ${shown(given)}`)
  for (const [key, value] of Object.entries(given)) {
    const check = Object.hasOwn(known, key) ? known[key] : undefined
    const names = Object.keys(known)
    if (check === undefined)
      throw wrong(
        `analyze has no option ${shown(key)}${didYouMean(key, names) || `; expected ${names.join(', ')}`}`,
      )
    const [expected, isRight] = check
    if (value !== undefined && (value === null || !isRight(value)))
      throw wrong(`${key}: expected ${expected}; got ${shown(value)}`)
  }
}

function wrong(message: string): TraceError {
  return new TraceError(message, 'EINVAL')
}
