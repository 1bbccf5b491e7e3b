/**
 * POSIX access control lists, as Linux keeps them in extended attributes (include/uapi/linux/posix_acl_xattr.h).
 *
 *     | version u32 = 2 | tag u16 | rights u16 | id u32 | tag …      in order of tags; ids count for the tags USER and GROUP
 *
 *     tag      USER_OBJ   USER   GROUP_OBJ   GROUP   MASK   OTHER
 *     mode     owner      -      group, if there is no mask, else the mask      others
 */
import { errno } from '../base/index.ts'
import { Failure } from './failure.ts'
import { viewOf } from './fields.ts'

const VERSION = 2
const HEADER_BYTES = 4
const ENTRY_BYTES = 8
const USER_OBJ = 1
const USER = 2
const GROUP_OBJ = 4
const GROUP = 8
const MASK = 16
const OTHER = 32
const TAGS = [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER]
const RIGHTS_MAX = 7

interface Entry {
  readonly tag: number
  readonly rights: number
}

/** What a list says. EINVAL is told of what is none. */
export class Acl {
  private readonly entries: readonly Entry[]

  constructor(entries: readonly Entry[]) {
    this.entries = entries
  }

  /** The 9 bits of a mode that say the same, as far as a mode can. */
  get mode(): number {
    const group = this.rights(MASK) ?? this.rights(GROUP_OBJ)!
    return (this.rights(USER_OBJ)! << 6) | (group << 3) | this.rights(OTHER)!
  }

  /** A mode says it all. */
  get isMode(): boolean {
    return this.entries.every(({ tag }) => tag === USER_OBJ || tag === GROUP_OBJ || tag === OTHER)
  }

  /** What is left of a mode that somebody asked for, below a directory that has this as its default. */
  limit(mode: number): number {
    return (mode & ~0o777) | (mode & this.mode)
  }

  private rights(tag: number): number | undefined {
    return this.entries.find(entry => entry.tag === tag)?.rights
  }
}

export function aclOf(bytes: Uint8Array): Acl {
  const view = viewOf(bytes)
  const count = (bytes.length - HEADER_BYTES) / ENTRY_BYTES
  if (!Number.isInteger(count) || count < 0 || view.getUint32(0, true) !== VERSION)
    throw new Failure(errno.EINVAL)
  const entries: Entry[] = []
  for (let at = HEADER_BYTES; at < bytes.length; at += ENTRY_BYTES)
    entries.push({ tag: view.getUint16(at, true), rights: view.getUint16(at + 2, true) })
  const named = entries.some(({ tag }) => tag === USER || tag === GROUP)
  const has = (tag: number) => entries.filter(entry => entry.tag === tag).length
  const isList =
    entries.every(({ tag, rights }) => TAGS.includes(tag) && rights <= RIGHTS_MAX) &&
    entries.every(({ tag }, at) => at === 0 || tag >= entries[at - 1]!.tag) &&
    has(USER_OBJ) === 1 &&
    has(GROUP_OBJ) === 1 &&
    has(OTHER) === 1 &&
    (named ? has(MASK) === 1 : has(MASK) <= 1)
  if (!isList) throw new Failure(errno.EINVAL)
  return new Acl(entries)
}

/** The list, saying of owner, group and others what the mode says. */
export function withMode(bytes: Uint8Array, mode: number): Uint8Array {
  const changed = bytes.slice()
  const view = viewOf(changed)
  const tags = Array.from({ length: (bytes.length - HEADER_BYTES) / ENTRY_BYTES }, (_, at) =>
    view.getUint16(HEADER_BYTES + at * ENTRY_BYTES, true),
  )
  const group = tags.includes(MASK) ? MASK : GROUP_OBJ
  for (const [at, tag] of tags.entries()) {
    const shift = tag === USER_OBJ ? 6 : tag === group ? 3 : tag === OTHER ? 0 : undefined
    if (shift === undefined) continue
    view.setUint16(HEADER_BYTES + at * ENTRY_BYTES + 2, (mode >>> shift) & RIGHTS_MAX, true)
  }
  return changed
}
