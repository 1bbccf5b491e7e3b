/** The checks at the doors: each option is looked at once, and what is wrong with it is said in one sentence. */
import type { Bytes } from '../base/index.ts'
import { didYouMean, parseBytes, SettingError, shown } from '../group/index.ts'
import { FaultlineError } from './error.ts'

/** Throws for a key that isn't known, and names the nearest one that is. */
export function checkKeys(given: object, known: readonly string[], operation: string): void {
  for (const key of Object.keys(given))
    if (!known.includes(key))
      throw invalid(operation, `${operation} has no option ${shown(key)}${didYouMean(key, known)}`)
}

export function choice<T extends string>(
  value: unknown,
  known: readonly T[],
  what: string,
  operation: string,
): T {
  const found = known.find(each => each === value)
  if (found === undefined)
    throw invalid(operation, `${what}: expected one of ${known.join(', ')}; got ${shown(value)}`)
  return found
}

export function bytes(value: unknown, what: string, operation: string): Bytes {
  try {
    return parseBytes(value, what)
  } catch (error) {
    if (error instanceof SettingError) throw invalid(operation, error.message)
    throw error
  }
}

export function invalid(operation: string, message: string): FaultlineError {
  return new FaultlineError('EINVAL', operation, message)
}
