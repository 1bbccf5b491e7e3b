/**
 * Extended attributes. The kernel asks who may for trusted and security; for ACLs (system.posix_acl_*) the answer is a clear
 * no, EOPNOTSUPP: the kernel would have to enforce them, and isn't asked to.
 */
import { errno } from '../base/index.ts'
import { type Answered, answer, type Operations, type Request, room, wire } from '../fuse/index.ts'
import { bytesOf, textOf } from '../volume/index.ts'
import type { Parts } from './parts.ts'

const { Opcode } = wire

const XATTR_CREATE = 1
const XATTR_REPLACE = 2
const NAMESPACES = ['user.', 'trusted.', 'security.']
const ERANGE = 34

export function xattrOperations({ core, now }: Parts): Operations {
  const { attributes } = core.inodes

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
    if (!isKept(name)) return errno.ENOTSUP
    const { value, errno: failed } = attributes.getxattr(request.nodeid, name)
    return value === undefined ? failed : told(value, size)
  }

  function set(request: Request): Answered {
    const { size, flags } = request.take(wire.SetxattrIn)
    const name = textOf(request.name())
    if (!isKept(name)) return errno.ENOTSUP
    const value = request.data(size).slice()
    const how = flags === XATTR_CREATE ? 'create' : flags === XATTR_REPLACE ? 'replace' : 'set'
    return attributes.setxattr(request.nodeid, name, value, how, now()).errno
  }

  function list(request: Request): Answered {
    const { size } = request.take(wire.GetxattrIn)
    const { value, errno: failed } = attributes.listxattr(request.nodeid)
    if (value === undefined) return failed
    const names = value.map(name => Buffer.concat([bytesOf(name), Uint8Array.of(0)]))
    return told(Buffer.concat(names), size)
  }

  function remove(request: Request): Answered {
    const name = textOf(request.name())
    return isKept(name) ? attributes.removexattr(request.nodeid, name, now()).errno : errno.ENOTSUP
  }

  return {
    [Opcode.GETXATTR]: get,
    [Opcode.SETXATTR]: set,
    [Opcode.LISTXATTR]: list,
    [Opcode.REMOVEXATTR]: remove,
  }
}

function isKept(name: string): boolean {
  return NAMESPACES.some(namespace => name.startsWith(namespace))
}
