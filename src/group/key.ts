/**
 * A key of a group: what can be read from it and, unless it is a counter, set.
 *
 * Setting is in two steps, so that nothing is half done: `prepare` checks the whole value and changes nothing, what it
 * returns changes and can't fail.
 */
import type { GroupId } from '../base/index.ts'
import { didYouMean, SettingError, shown } from './setting-error.ts'

export type Change = (group: GroupId) => void

export interface Key {
  /** In the form of the kernel's file of that name: lines that end with a newline. */
  read(group: GroupId): string
  readonly prepare?: (value: unknown) => Change
}

export type Keys = Readonly<Record<string, Key>>

/**
 * Fields of a value that is given as an object, or as the kernel's words: "8:0 rbps=4194304 wiops=max". The word
 * without `=` is the disk.
 */
export function fieldsOf(
  what: string,
  value: unknown,
  known: readonly string[],
): ReadonlyMap<string, unknown> {
  const fields = typeof value === 'string' ? fieldsOfWords(what, value) : fieldsOfObject(value)
  if (fields === undefined || fields.size === 0)
    throw new SettingError(
      'EINVAL',
      `${what}: expected an object with ${known.join(', ')}, or words like '${known.at(-1)}=…', got ${shown(value)}`,
    )
  for (const name of fields.keys())
    if (!known.includes(name))
      throw new SettingError(
        'EINVAL',
        `${what}: ${shown(name)} isn't one of ${known.join(', ')}${didYouMean(name, known)}`,
      )
  return fields
}

function fieldsOfObject(value: unknown): Map<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return new Map(Object.entries(value).filter(([, given]) => given !== undefined))
}

function fieldsOfWords(what: string, value: string): Map<string, unknown> {
  const fields = new Map<string, unknown>()
  for (const word of value.trim().split(/\s+/)) {
    const at = word.indexOf('=')
    const name = at === -1 ? 'disk' : word.slice(0, at)
    if (fields.has(name))
      throw new SettingError('EINVAL', `${what}: ${name} is given twice in ${shown(value)}`)
    fields.set(name, at === -1 ? word : word.slice(at + 1))
  }
  return fields
}
