/**
 * Extended attributes: values that programs and the kernel keep beside a file, by name. Each function is part of an edit, and fails
 * as its namesake of xattr(7) does.
 *
 *     user.*                              of files and directories
 *     trusted.*  security.*               of anything; who may see them the kernel decides
 *     system.posix_acl_access, _default   access control lists (acl.ts): the first goes with the mode, the second is handed on
 *
 * Invariants
 *   XT1 An inode's names of attributes fit the list that Linux can hand out.
 *   XT2 The mode of what has an access list says what the list says; a list that says no more than a mode isn't kept.
 */
import { type Bytes, errno } from '../base/index.ts'
import { aclOf, withMode } from './acl.ts'
import { Failure } from './failure.ts'
import type { Inode, InodePlan, Time } from './inode.ts'
import { deleteLong, getLong, hasLong, LONG_VALUE_BYTES_MAX, putLong } from './long-values.ts'
import type { Names } from './names.ts'
import type { Overlay } from './overlay.ts'
import { attributeKeys, attributePrefix, NAME_BYTES_MAX, nameIn } from './records.ts'
import { bytesSpelt, spelt } from './spelling.ts'

const ACL_ACCESS = 'system.posix_acl_access'
const ACL_DEFAULT = 'system.posix_acl_default'
/** What a program may run with though its file doesn't say so: gone when the file is written to. */
const CAPABILITIES = 'security.capability'
/** XATTR_LIST_MAX of Linux: names with a byte 0 behind each. */
const LIST_BYTES_MAX: Bytes = 64 * 2 ** 10

/** 'create': nothing has the name, else EEXIST. 'replace': something has, else ENODATA. */
export type SetHow = 'set' | 'create' | 'replace'

export class Attributes {
  private readonly overlay: Overlay
  private readonly names: Names

  constructor(overlay: Overlay, names: Names) {
    this.overlay = overlay
    this.names = names
  }

  list(ino: number): string[] {
    this.names.known(ino)
    const { start, end } = attributeKeys(ino)
    const found: string[] = []
    for (let from = start; ; ) {
      const next = this.overlay.first(from, end)
      if (next === undefined) return found
      const prefix = next.key.slice(0, next.key.lastIndexOf('/'))
      found.push(nameIn(prefix))
      from = `${prefix}0`
    }
  }

  get(ino: number, name: string): Uint8Array {
    checkName(name)
    this.names.known(ino)
    const value = getLong(this.overlay, attributePrefix(ino, name))
    if (value === undefined) throw new Failure(errno.ENODATA)
    return value
  }

  set(ino: number, name: string, value: Uint8Array, how: SetHow, now: Time): void {
    checkName(name)
    const inode = this.names.known(ino)
    checkKind(inode, name)
    if (value.length > LONG_VALUE_BYTES_MAX) throw new Failure(errno.E2BIG)
    const prefix = attributePrefix(ino, name)
    const isThere = hasLong(this.overlay, prefix)
    if (isThere && how === 'create') throw new Failure(errno.EEXIST)
    if (!isThere && how === 'replace') throw new Failure(errno.ENODATA)
    if (!isThere && listBytes([...this.list(ino), name]) > LIST_BYTES_MAX) throw new Failure(errno.ENOSPC)
    if (name === ACL_ACCESS) this.setAccess(ino, inode, value, now)
    else {
      if (name === ACL_DEFAULT) aclOf(value)
      putLong(this.overlay, prefix, value)
      this.names.change(ino, { ctime: now })
    }
  }

  remove(ino: number, name: string, now: Time): void {
    checkName(name)
    checkKind(this.names.known(ino), name)
    const prefix = attributePrefix(ino, name)
    if (!hasLong(this.overlay, prefix)) throw new Failure(errno.ENODATA)
    deleteLong(this.overlay, prefix)
    this.names.change(ino, { ctime: now })
  }

  /** A new mode: what an access list says goes with it. */
  modeChanged(ino: number, mode: number): void {
    const prefix = attributePrefix(ino, ACL_ACCESS)
    const list = getLong(this.overlay, prefix)
    if (list !== undefined) putLong(this.overlay, prefix, withMode(list, mode))
  }

  /** The file has been written to, by somebody who mayn't give programs rights. */
  dropCapabilities(ino: number): void {
    deleteLong(this.overlay, attributePrefix(ino, CAPABILITIES))
  }

  /** The mode of what is made in a directory: its default list counts in place of the umask (posix_acl_create of Linux). */
  planIn(directory: number, plan: InodePlan): InodePlan {
    const { umask = 0, kind, mode } = plan
    if (kind === 'symlink') return plan
    const list = getLong(this.overlay, attributePrefix(directory, ACL_DEFAULT))
    return list === undefined ? { ...plan, mode: mode & ~umask } : { ...plan, mode: aclOf(list).limit(mode) }
  }

  /** The lists of what was made in the directory. */
  inherit(directory: number, ino: number): void {
    const list = getLong(this.overlay, attributePrefix(directory, ACL_DEFAULT))
    const { kind, mode } = this.names.inode(ino)
    if (list === undefined || kind === 'symlink') return
    if (kind === 'directory') putLong(this.overlay, attributePrefix(ino, ACL_DEFAULT), list)
    if (!aclOf(list).isMode) putLong(this.overlay, attributePrefix(ino, ACL_ACCESS), withMode(list, mode))
  }

  private setAccess(ino: number, { mode }: Inode, value: Uint8Array, now: Time): void {
    const list = aclOf(value)
    this.names.change(ino, { mode: (mode & ~0o777) | list.mode, ctime: now })
    const prefix = attributePrefix(ino, ACL_ACCESS)
    if (!list.isMode) putLong(this.overlay, prefix, value)
    else deleteLong(this.overlay, prefix)
  }
}

function listBytes(names: readonly string[]): Bytes {
  return names.reduce((sum, name) => sum + bytesSpelt(spelt(name)) + 1, 0)
}

function checkName(name: string): void {
  if (bytesSpelt(spelt(name)) > NAME_BYTES_MAX) throw new Failure(errno.ERANGE)
  if (name === ACL_ACCESS || name === ACL_DEFAULT) return
  const space = ['user.', 'trusted.', 'security.'].find(prefix => name.startsWith(prefix))
  if (space === undefined) throw new Failure(errno.ENOTSUP)
  if (name === space || name.includes('\0')) throw new Failure(errno.EINVAL)
}

/** Who may write to a link or a device may write to it through its name only: attributes of users could be left there by anybody. */
function checkKind({ kind }: Inode, name: string): void {
  if (name.startsWith('user.') && kind !== 'file' && kind !== 'directory') throw new Failure(errno.EPERM)
  if (name === ACL_DEFAULT && kind !== 'directory') throw new Failure(errno.EACCES)
  if (name === ACL_ACCESS && kind === 'symlink') throw new Failure(errno.ENOTSUP)
}
