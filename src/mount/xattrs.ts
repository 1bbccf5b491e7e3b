/**
 * Extended attributes, ACLs among them: the volume keeps those in step with the modes and hands default ones on; the kernel
 * asks them for whether a caller may.
 */
import { errno } from '../base/index.ts'
import { type Answered, answer, type Operations, type Request, room, wire } from '../fuse/index.ts'
import { bytesOf, textOf } from '../volume/index.ts'
import type { Parts } from './parts.ts'

const { Opcode } = wire

const XATTR_CREATE = 1
const XATTR_REPLACE = 2
const S_ISGID = 0o2000
const ERANGE = 34

export function xattrOperations({ core, now }: Parts): Operations {
  const { inodes } = core

  /** The value, or how long it is if the caller has only asked for that. */
  function told(value: Uint8Array, size: number): Answered {
    if (size === 0) return answer(wire.GetxattrOut, { size: value.length })
    if (value.length > size) return ERANGE
    const payload = room(value.length)
    payload.set(value)
    return payload
  }

  function get(request: Request): Answered {
    const { size } = request.take(wire.GetxattrIn)
    const name = textOf(request.name())
    const { value, errno: failed } = inodes.getxattr(request.nodeid, name)
    return value === undefined ? failed : told(value, size)
  }

  function set(request: Request): Answered {
    const { size, flags, setxattr_flags } = request.take(wire.SetxattrIn)
    const name = textOf(request.name())
    const value = request.data(size).slice()
    const how = flags === XATTR_CREATE ? 'create' : flags === XATTR_REPLACE ? 'replace' : 'set'
    const failed = inodes.setxattr(request.nodeid, name, value, how, now()).errno
    if (failed === errno.OK && (setxattr_flags & wire.SETXATTR_ACL_KILL_SGID) !== 0)
      dropSetGid(request.nodeid)
    return failed
  }

  /** An access list was set by somebody who isn't in the file's group. */
  function dropSetGid(ino: number): void {
    const mode = inodes.getattr(ino).value?.mode ?? 0
    if ((mode & S_ISGID) !== 0) inodes.setattr(ino, { mode: mode & ~S_ISGID }, now())
  }

  function list(request: Request): Answered {
    const { size } = request.take(wire.GetxattrIn)
    const { value, errno: failed } = inodes.listxattr(request.nodeid)
    if (value === undefined) return failed
    // What only the privileged may read the kernel leaves us to name to nobody else.
    const seen = request.uid === 0 ? value : value.filter(name => !name.startsWith('trusted.'))
    const names = seen.map(name => Buffer.concat([bytesOf(name), Uint8Array.of(0)]))
    return told(Buffer.concat(names), size)
  }

  function remove(request: Request): Answered {
    const name = textOf(request.name())
    return inodes.removexattr(request.nodeid, name, now()).errno
  }

  return {
    [Opcode.GETXATTR]: get,
    [Opcode.SETXATTR]: set,
    [Opcode.LISTXATTR]: list,
    [Opcode.REMOVEXATTR]: remove,
  }
}
