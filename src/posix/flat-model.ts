/**
 * What a tree of files is to hold, written to be obviously right: bytes in a buffer, names in a map, attributes in fields; and what
 * Linux says to who asks for what can't be, in the kernel's order (fs/namei.c). The caller is root, so nobody is refused by mode.
 */
import type { Said } from './calls.ts'

export type NodeKind = 'regular' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'char'

export interface Node {
  readonly kind: NodeKind
  /** The number that it was found to have; 0: it wasn't looked at yet. */
  ino: number
  mode: number
  uid: number
  gid: number
  rdev: number
  readonly xattrs: Map<string, string>
  /** Nanoseconds since 1970; undefined: since the last `utimens` it was changed by something. */
  mtime: bigint | undefined
  /** Stored to through a mapping, and not synced since: its time of writing may come at any moment. */
  stored: boolean
  /** Of a file. */
  bytes: Uint8Array
  /** Where a symbolic link leads. */
  readonly target: string
  /** Of a directory, by name. */
  readonly entries: Map<string, Node>
}

/** A name: the directory that it is in, and what has it, if something does. */
export interface Place {
  readonly directory: Node
  readonly name: string
  /** From the root: '/a/b'. */
  readonly path: string
  readonly node: Node | undefined
}

export type RenameHow = 'replace' | 'no-replace' | 'exchange'

const UMASK = 0o022
const SET_UID = 0o4000
const SET_GID = 0o2000
const GROUP_EXECUTES = 0o010
export const SIZE_MAX = 300_000

export class FlatModel {
  readonly root: Node = newNode('directory', 0o755, 0, 0)

  /** All directories with their paths; the root's is ''. */
  directories(): readonly (readonly [string, Node])[] {
    const found: (readonly [string, Node])[] = [['', this.root]]
    for (const [path, node] of found)
      for (const [name, each] of node.entries)
        if (each.kind === 'directory') found.push([`${path}/${name}`, each])
    return found
  }

  /** All names, a directory before what is in it. */
  places(): readonly Place[] {
    return this.directories().flatMap(([path, directory]) =>
      [...directory.entries].map(([name, node]) => ({ directory, name, path: `${path}/${name}`, node })),
    )
  }

  links(node: Node): number {
    if (node.kind === 'directory')
      return 2 + [...node.entries.values()].filter(each => each.kind === 'directory').length
    return this.places().filter(each => each.node === node).length
  }

  // ---- names: each does what it says, or changes nothing and says why

  make(place: Place, kind: NodeKind, mode: number, more: { target?: string; rdev?: number } = {}): Said {
    if (place.node !== undefined) return 'EEXIST'
    const { directory } = place
    const inherits = (directory.mode & SET_GID) !== 0
    const bits = kind === 'symlink' ? 0o777 : mode & ~UMASK
    const gid = inherits ? directory.gid : 0
    const node = newNode(kind, kind === 'directory' && inherits ? bits | SET_GID : bits, 0, gid, more)
    directory.entries.set(place.name, node)
    touched(directory)
    return 'OK'
  }

  unlink({ directory, name, node }: Place): Said {
    if (node === undefined) return 'ENOENT'
    if (node.kind === 'directory') return 'EISDIR'
    directory.entries.delete(name)
    touched(directory)
    return 'OK'
  }

  rmdir({ directory, name, node }: Place): Said {
    if (node === undefined) return 'ENOENT'
    if (node.kind !== 'directory') return 'ENOTDIR'
    if (node.entries.size > 0) return 'ENOTEMPTY'
    directory.entries.delete(name)
    touched(directory)
    return 'OK'
  }

  link(from: Place, to: Place): Said {
    if (from.node === undefined) return 'ENOENT'
    if (to.node !== undefined) return 'EEXIST'
    if (from.node.kind === 'directory') return 'EPERM'
    to.directory.entries.set(to.name, from.node)
    touched(to.directory)
    return 'OK'
  }

  rename(from: Place, to: Place, how: RenameHow): Said {
    if (from.node === undefined) return 'ENOENT'
    if (how === 'no-replace' && to.node !== undefined) return 'EEXIST'
    if (how === 'exchange' && to.node === undefined) return 'ENOENT'
    const source = from.node
    const target = to.node
    if (holds(source, to.directory)) return 'EINVAL'
    if (target !== undefined && holds(target, from.directory))
      return how === 'exchange' ? 'EINVAL' : 'ENOTEMPTY'
    if (source === target) return 'OK'
    if (how === 'exchange') {
      from.directory.entries.set(from.name, target!)
      to.directory.entries.set(to.name, source)
    } else {
      if (target !== undefined) {
        if (source.kind === 'directory' && target.kind !== 'directory') return 'ENOTDIR'
        if (source.kind !== 'directory' && target.kind === 'directory') return 'EISDIR'
        if (target.entries.size > 0) return 'ENOTEMPTY'
      }
      from.directory.entries.delete(from.name)
      to.directory.entries.set(to.name, source)
    }
    touched(from.directory)
    touched(to.directory)
    return 'OK'
  }

  /** Everything below a directory as it is now, under another name; names of one file are names of one copy. */
  snapshot(from: Place, to: Place): void {
    const copies = new Map<Node, Node>()
    const copy = (node: Node): Node => {
      let made = copies.get(node)
      if (made !== undefined) return made
      const entries = new Map([...node.entries].map(([name, each]) => [name, copy(each)]))
      made = { ...node, ino: 0, bytes: node.bytes.slice(), xattrs: new Map(node.xattrs), entries }
      copies.set(node, made)
      return made
    }
    to.directory.entries.set(to.name, copy(from.node!))
    touched(to.directory)
  }

  // ---- what a file is

  /** An owner that is given takes set-uid away, and set-gid of a program; a directory keeps both. */
  chown(node: Node, uid: number, gid: number): void {
    if (uid !== -1) node.uid = uid
    if (gid !== -1) node.gid = gid
    if (node.kind === 'directory') return
    node.mode &= ~SET_UID
    if ((node.mode & GROUP_EXECUTES) !== 0) node.mode &= ~SET_GID
  }

  setxattr(node: Node, name: string, value: string, how: 'set' | 'create' | 'replace'): Said {
    if (name.startsWith('user.') && node.kind !== 'regular' && node.kind !== 'directory') return 'EPERM'
    const is = node.xattrs.has(name)
    if (how === 'create' && is) return 'EEXIST'
    if (how === 'replace' && !is) return 'ENODATA'
    node.xattrs.set(name, value)
    return 'OK'
  }

  removexattr(node: Node, name: string): Said {
    if (name.startsWith('user.') && node.kind !== 'regular' && node.kind !== 'directory') return 'EPERM'
    return node.xattrs.delete(name) ? 'OK' : 'ENODATA'
  }

  // ---- what it holds

  write(node: Node, position: number, bytes: Uint8Array): void {
    this.grow(node, position + bytes.length)
    node.bytes.set(bytes, position)
    touched(node)
  }

  truncate(node: Node, size: number): void {
    if (size < node.bytes.length) node.bytes = node.bytes.slice(0, size)
    else this.grow(node, size)
    touched(node)
  }

  zero(node: Node, start: number, end: number): void {
    node.bytes.fill(0, start, end)
    touched(node)
  }

  grow(node: Node, size: number): void {
    if (size <= node.bytes.length) return
    const longer = new Uint8Array(size)
    longer.set(node.bytes)
    node.bytes = longer
  }

  collapse(node: Node, position: number, length: number): void {
    const { bytes } = node
    const shorter = new Uint8Array(bytes.length - length)
    shorter.set(bytes.subarray(0, position))
    shorter.set(bytes.subarray(position + length), position)
    node.bytes = shorter
    touched(node)
  }

  insert(node: Node, position: number, length: number): void {
    const { bytes } = node
    const longer = new Uint8Array(bytes.length + length)
    longer.set(bytes.subarray(0, position))
    longer.set(bytes.subarray(position), position + length)
    node.bytes = longer
    touched(node)
  }
}

export function touched(node: Node): void {
  node.mtime = undefined
}

function newNode(
  kind: NodeKind,
  mode: number,
  uid: number,
  gid: number,
  { target = '', rdev = 0 }: { readonly target?: string; readonly rdev?: number } = {},
): Node {
  const [bytes, xattrs, entries] = [new Uint8Array(0), new Map<string, string>(), new Map<string, Node>()]
  return {
    kind,
    ino: 0,
    mode,
    uid,
    gid,
    rdev,
    xattrs,
    mtime: undefined,
    stored: false,
    bytes,
    target,
    entries,
  }
}

/** Whether `node` is `other`, or `other` is somewhere below it. */
function holds(node: Node, other: Node): boolean {
  return (
    node === other || [...node.entries.values()].some(each => each.kind === 'directory' && holds(each, other))
  )
}
