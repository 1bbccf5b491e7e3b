/** What was thrown, asked: anything can be, and an error of the host's has a code. */
import { errnoName } from './errno.ts'

/** 'ENOENT', 'ERR_MODULE_NOT_FOUND'; undefined: it has none. */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined
  const { code } = thrown
  if (typeof code !== 'string') return undefined
  // libuv has no name for some numbers, that of EDQUOT among them.
  const number = numberOf(thrown)
  return number !== undefined && code === `Unknown system error ${number}` ? errnoName(-number) : code
}

/** The host's number of it, which is below 0. */
export function numberOf(thrown: unknown): number | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('errno' in thrown)) return undefined
  return typeof thrown.errno === 'number' ? thrown.errno : undefined
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
