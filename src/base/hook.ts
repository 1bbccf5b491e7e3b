/**
 * Hooks: how news goes up. A room calls its hook; whoever puts the machine together hangs on it, once, who hears.
 *
 * Invariants
 *   HK1 A hook is hung once. A second hearer would make the first one deaf without a word.
 */
import { broken } from './assert.ts'

/** Hangs `hook` on the read-only field `name` of its owner, for good. */
export function hang<Owner extends object, Name extends keyof Owner & string>(
  owner: Owner,
  name: Name,
  hook: Owner[Name],
): void {
  if (Object.getOwnPropertyDescriptor(owner, name)?.writable === false)
    broken(`HK1: ${name} of ${owner.constructor.name} is hung once`)
  Object.defineProperty(owner, name, { value: hook, writable: false, configurable: true, enumerable: true })
}
