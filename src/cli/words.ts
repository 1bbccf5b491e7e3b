/**
 * The words of the command line, each read in one place: counts, sizes, times, and names out of a list. A wrong one is
 * told in a sentence, with the nearest that exists, and ends the program with status 2.
 */
import { availableParallelism } from 'node:os'
import { InvalidArgumentError, Option } from 'commander'
import { didYouMean, parseBytes, SettingError, shown } from '../group/index.ts'
import { DISCIPLINES, type Discipline } from '../mm/index.ts'

/** What was asked makes no sense, though each word by itself does. */
export class WrongWords extends Error {
  override readonly name = 'WrongWords'
}

/** A parser of one of `names`; `what` they are, in the plural. */
export function nameOf<T extends string>(names: readonly T[], what: string): (text: string) => T {
  return text => {
    const found = names.find(name => name === text)
    if (found !== undefined) return found
    const near = didYouMean(text, names)
    const list = near === '' || names.length < 10 ? `; ${what}: ${names.join(', ')}` : ''
    throw new InvalidArgumentError(`${shown(text)} is none of the ${what}${near}${list}.`)
  }
}

/** A parser for an option that takes several words; one that is said twice counts once. */
export function several<T>(
  parse: (text: string) => T,
): (text: string, before?: readonly T[]) => readonly T[] {
  return (text, before = []) => [...new Set([...before, parse(text)])]
}

export function disciplineNamed(text: string): Discipline {
  const name = nameOf(
    DISCIPLINES.map(each => each.name),
    'disciplines',
  )(text)
  return DISCIPLINES.find(each => each.name === name)!
}

export function disciplineName(text: string): string {
  return disciplineNamed(text).name
}

/** A whole number from `least` to `most`. */
export function count(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
  return text => {
    const number = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < least || number > most)
      throw new InvalidArgumentError(`expected a whole number ${range}.`)
    return number
  }
}

/** Bytes: '4 MiB', '64KiB', '65536'. */
export function size(least = 0): (text: string) => number {
  return text => {
    try {
      const bytes = parseBytes(/^\d+$/.test(text) ? Number(text) : text, 'size')
      if (bytes < least) throw new InvalidArgumentError(`expected at least ${shownBytes(least)}.`)
      return bytes
    } catch (error) {
      throw error instanceof SettingError ? new InvalidArgumentError(`${error.message}.`) : error
    }
  }
}

/** Of something in a volume; what is wrong with its names is said when it is looked for. */
export function volumePath(text: string): string {
  if (!text.startsWith('/')) throw new InvalidArgumentError('expected a path of the volume, from /.')
  return text
}

/** What a machine takes for its pages. */
export function blockSize(text: string): number {
  const bytes = size()(text)
  if (bytes < 2 ** 12 || bytes > 2 ** 24 || !Number.isInteger(Math.log2(bytes)))
    throw new InvalidArgumentError('expected a power of two from 4 KiB to 16 MiB.')
  return bytes
}

/** Seconds, perhaps with a part. */
export function seconds(least: number, most: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= least && value <= most))
      throw new InvalidArgumentError(`expected ${least} to ${most} seconds.`)
    return value
  }
}

/** A time in milliseconds: '50ms', '1s', '500us'. */
export function milliseconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s)?$/.exec(text)
  if (match === null) throw new InvalidArgumentError('expected a time such as 50ms, 1s or 500us.')
  const unit = match[2] ?? 'ms'
  return Number(match[1]) * (unit === 's' ? 1000 : unit === 'us' ? 0.001 : 1)
}

export function workers(): Option {
  return new Option('--workers <n>', 'threads to use')
    .default(availableParallelism(), 'one for each processor')
    .argParser(count(1, 256))
}

/** The seed of what is chosen by chance. */
export function seed(about: string): Option {
  return new Option('--seed <n>', about).default(1).argParser(count(0, 0xffff_ffff))
}

/** Of traces whose times are counts. */
export function clockHz(): Option {
  return new Option(
    '--clock-hz <n>',
    'the rate of the clock, for times without a point (x86-tsc, counter)',
  ).argParser(count(1))
}

const UNITS = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
] as const

/** Bytes, in the unit that a person reads. */
export function shownBytes(bytes: number): string {
  for (const [unit, of] of UNITS)
    if (bytes >= of) return `${(bytes / of).toFixed(bytes % of === 0 ? 0 : 1)} ${unit}`
  return `${bytes} bytes`
}
