/** The checks at the doors: each option is looked at once, and what is wrong with it is said in one sentence. */
import type { Bytes, Vpn } from '../base/index.ts'
import { didYouMean, parseBytes, SettingError, shown } from '../group/index.ts'
import { VPN_END } from '../mmu/index.ts'
import { FaultlineError } from './error.ts'

/** Throws unless it is an object of known keys; names the nearest one. A signal is checked too. */
export function checkKeys(given: object, known: readonly string[], operation: string): void {
  checkObject(given, operation)
  for (const key of Object.keys(given))
    if (!known.includes(key))
      throw invalid(operation, `${operation} has no option ${shown(key)}${suggestion(key, known)}`)
  for (const [key, value] of Object.entries(given))
    if (value === null)
      throw invalid(operation, `${key}: expected a value, got null; leave it out for what holds without it`)
  const { signal } = given as { signal?: unknown }
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw invalid(operation, `signal: expected an AbortSignal, got ${shown(signal)}`)
}

export function checkObject(given: unknown, operation: string): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalid(operation, `${operation}: expected an object of options, got ${shown(given)}`)
}

export function choice<T extends string>(
  value: unknown,
  known: readonly T[],
  what: string,
  operation: string,
): T {
  const found = known.find(each => each === value)
  if (found !== undefined) return found
  const near = typeof value === 'string' ? didYouMean(value, known) : ''
  throw invalid(operation, `${what}: expected one of ${known.join(', ')}; got ${shown(value)}${near}`)
}

export function bytes(value: unknown, what: string, operation: string): Bytes {
  try {
    return parseBytes(value, what)
  } catch (error) {
    if (error instanceof SettingError) throw invalid(operation, error.message)
    throw error
  }
}

export function flag(value: unknown, what: string, operation: string): boolean {
  if (value !== undefined && typeof value !== 'boolean')
    throw invalid(operation, `${what}: expected true or false, got ${shown(value)}`)
  return value ?? false
}

/** A place or a length in bytes, from 0, in whole pages. */
export function pageAligned(value: unknown, what: string, pageSize: Bytes, operation: string): Bytes {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value % pageSize !== 0)
    throw invalid(
      operation,
      `${what}: expected a multiple of the page size ${pageSize}, from 0; got ${shown(value)}`,
    )
  return value
}

/** The page that a place to map at names; undefined: none was named. */
export function addressPage(
  fixed: unknown,
  pages: number,
  pageSize: Bytes,
  operation: string,
): Vpn | undefined {
  if (fixed === undefined) return undefined
  const page = pageAligned(fixed, 'fixed', pageSize, operation) / pageSize
  if (page + pages > VPN_END)
    throw invalid(
      operation,
      `fixed: ${pages} pages from address ${fixed} don't fit; a space ends at ${VPN_END * pageSize}`,
    )
  return page
}

export function checkBytes(operation: string, bytes: unknown): void {
  if (!(bytes instanceof Uint8Array))
    throw invalid(operation, `${operation}: expected a Uint8Array or Buffer, got ${shown(bytes)}`)
  if (bytes.buffer instanceof ArrayBuffer && bytes.buffer.detached)
    throw invalid(operation, `${operation}: the memory of the array was moved away; expected one that has it`)
}

/** Throws if an array has lost some of its `length` bytes since the call began. */
export function checkKept(operation: string, bytes: Uint8Array, length: Bytes): void {
  if (bytes.length < length)
    throw invalid(
      operation,
      `${operation}: the memory of the array was moved away or made shorter while the call was under way, and it isn't known how far it came; wait for the call first`,
    )
}

export function invalid(operation: string, message: string): FaultlineError {
  return new FaultlineError('EINVAL', operation, message)
}

/** The nearest known option, or all of them if there are few. */
function suggestion(key: string, known: readonly string[]): string {
  const near = didYouMean(key, known)
  return near === '' ? `; expected ${known.join(', ')}` : near
}
