/**
 * Sizes, counts and `max` as people write them: 4194304, '4 MiB', '1.5G', 'max'.
 *
 * K, M, G and T alone are powers of 1024, as the kernel reads them (lib/cmdline.c memparse); kB, MB, GB and TB are
 * powers of 1000, as they are sold.
 */
import type { Bytes } from '../base/index.ts'
import { didYouMean, SettingError, shown } from './setting-error.ts'

/** Bytes: a whole number, or text like '4 MiB', '64K', '1.5 GB'. */
export type Size = number | string

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
}

const BY_LETTERS = new Map(Object.entries(UNITS).map(([unit, bytes]) => [unit.toLowerCase(), bytes]))

/** Bytes, a safe whole number from 0. `what` begins the sentence if it isn't: "memory.max". */
export function parseBytes(size: unknown, what = 'the size'): Bytes {
  const bytes = typeof size === 'string' ? bytesOf(size, what) : size
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0)
    throw new SettingError(
      'EINVAL',
      `${what}: expected whole bytes from 0, as a number or like '4 MiB', got ${shown(size)}`,
    )
  return bytes
}

/** As parseBytes; 'max' is Infinity. */
export function parseBytesOrMax(size: unknown, what: string): Bytes {
  return isMax(size) ? Infinity : parseBytes(size, what)
}

/** A whole number from 0, or Infinity for 'max'. */
export function parseCountOrMax(count: unknown, what: string): number {
  if (isMax(count)) return Infinity
  const parsed = typeof count === 'string' && /^\d+$/.test(count.trim()) ? Number(count) : count
  if (typeof parsed !== 'number' || !Number.isSafeInteger(parsed) || parsed < 0)
    throw new SettingError('EINVAL', `${what}: expected a whole number from 0, or 'max', got ${shown(count)}`)
  return parsed
}

/** How the kernel's files show it. */
export function showOrMax(value: number): string {
  return value === Infinity ? 'max' : `${value}`
}

function isMax(value: unknown): boolean {
  return value === Infinity || (typeof value === 'string' && value.trim() === 'max')
}

function bytesOf(size: string, what: string): number {
  const parts = /^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$/.exec(size)
  if (parts === null) return Number.NaN
  const [, number, unit] = parts
  if (unit === '') return Number(number)
  const factor = BY_LETTERS.get(unit!.toLowerCase())
  if (factor === undefined)
    throw new SettingError(
      'EINVAL',
      `${what}: ${shown(unit)} isn't a unit of bytes (B KiB MiB GiB TiB kB MB GB TB)${didYouMean(unit!, Object.keys(UNITS))}`,
    )
  return Number(number) * factor
}
