/**
 * The inode: what a file, a directory or anything else that has a name is, but for what it holds. One record of INODE_BYTES holds
 * all of it, so that stat(2) is one look-up. docs/volume-format.md draws it.
 *
 * Format 1 had a kind, a count of names and a size; such records are read, with attributes that nobody set.
 */
import type { Bytes } from '../base/index.ts'
import { Damage, verify } from './failure.ts'
import { decodeNumbers, putU64, u64, viewOf } from './fields.ts'

const KINDS = [
  'file',
  'directory',
  'symlink',
  'fifo',
  'socket',
  'block device',
  'char device',
] as const satisfies readonly Kind[]

/** What an inode is. */
export type Kind = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'block device' | 'char device'

/** A moment, counted from 1970 in UTC as Linux does: seconds, below 0 before it, and nanoseconds after that second. */
export interface Time {
  /** Whole seconds. */
  readonly seconds: number
  /** From 0 to 999,999,999. */
  readonly nanoseconds: number
}

/** 1970 began. */
export const EPOCH: Time = { seconds: 0, nanoseconds: 0 }

/** What is written down of a file, a directory or anything else that has a name. */
export interface Inode {
  /** What it is. */
  readonly kind: Kind
  /** Nothing of it is changed: it is, or lies in, a snapshot that was made to be read. */
  readonly sealed: boolean
  /** Who may do what: the lower 12 bits of st_mode. */
  readonly mode: number
  /** Who owns it. */
  readonly uid: number
  /** Which group of users it belongs to. */
  readonly gid: number
  /** Names that lead to it; of a directory 2, and one more for each directory in it. 0: it has been removed, and somebody has it yet. */
  readonly links: number
  /** Bytes: of a file what can be read, of a symbolic link its target. */
  readonly size: Bytes
  /** Blocks of the volume that it lies in, its own or shared. */
  readonly blocks: number
  /** Of a device which one, as mknod(2) has it: minor & 0xff | major << 8 | (minor & ~0xff) << 12. */
  readonly rdev: number
  /** Of a directory the number of the one that it lies in; the root lies in itself. */
  readonly parent: number
  /** Tells it from others that had its number: a repair, which may give numbers anew, begins the next generation. */
  readonly generation: number
  /** When it was read, as far as anybody said so. */
  readonly atime: Time
  /** When what it holds was changed. */
  readonly mtime: Time
  /** When anything of it was changed. */
  readonly ctime: Time
  /** When it was made. */
  readonly btime: Time
}

/** What somebody who makes an inode decides about it. */
export interface InodePlan extends Pick<Inode, 'kind' | 'mode' | 'uid' | 'gid'> {
  /** Of a device. */
  readonly rdev?: number
  /** What of the mode its maker doesn't give away, unless the directory has a default list. */
  readonly umask?: number
  /** Of a symbolic link: where it leads, of 1 to TARGET_BYTES_MAX bytes. */
  readonly target?: string
}

export const INODE_BYTES: Bytes = 96
const INODE_BYTES_1: Bytes = 24
const BLOCKS_AT: Bytes = 24
const TIMES_AT: Bytes = 48
const NANOSECONDS_AT: Bytes = 80
const NANOSECONDS = 1e9

/** st_mode: who the program runs as, whoever runs it. */
export const SET_UID = 0o4000
export const SET_GID = 0o2000
const GROUP_EXECUTES = 0o010
export const MODE_MAX = 0o7777

const SEALED = 1
/** In format 1 a directory below which nothing is changed had a size. */
const SEALED_SIZE_1 = 1

/** As a program gets it that asks for nothing: anybody reads, root writes. */
export function planned(kind: Kind): InodePlan {
  return { kind, mode: kind === 'directory' ? 0o755 : kind === 'symlink' ? 0o777 : 0o644, uid: 0, gid: 0 }
}

export function newInode(
  plan: InodePlan,
  { generation, links, now }: { readonly generation: number; readonly links: number; readonly now: Time },
): Inode {
  const { kind, mode, uid, gid, rdev = 0 } = plan
  const times = { atime: now, mtime: now, ctime: now, btime: now }
  return {
    kind,
    sealed: false,
    mode,
    uid,
    gid,
    links,
    size: 0,
    blocks: 0,
    rdev,
    parent: 0,
    generation,
    ...times,
  }
}

/**
 * The mode after somebody without CAP_FSETID has written to the file, or its owner was changed: a program runs as nobody else
 * (file_remove_privs of Linux). A set-gid bit without the group's right to execute asks for mandatory locks, and stays.
 */
export function unprivileged({ kind, mode }: Pick<Inode, 'kind' | 'mode'>): number {
  if (kind === 'directory') return mode
  return mode & ~SET_UID & ~((mode & GROUP_EXECUTES) === 0 ? 0 : SET_GID)
}

export function encodeInode(inode: Inode): Uint8Array {
  const bytes = new Uint8Array(INODE_BYTES)
  const view = viewOf(bytes)
  bytes[0] = 1 + KINDS.indexOf(inode.kind)
  bytes[1] = inode.sealed ? SEALED : 0
  view.setUint16(2, inode.mode, true)
  view.setUint32(4, inode.uid, true)
  view.setUint32(8, inode.gid, true)
  view.setUint32(12, inode.links, true)
  putU64(view, 16, inode.size)
  putU64(view, BLOCKS_AT, inode.blocks)
  putU64(view, 32, inode.parent)
  view.setUint32(40, inode.rdev, true)
  view.setUint32(44, inode.generation, true)
  for (const [at, { seconds, nanoseconds }] of [
    inode.atime,
    inode.mtime,
    inode.ctime,
    inode.btime,
  ].entries()) {
    putU64(view, TIMES_AT + 8 * at, seconds)
    view.setUint32(NANOSECONDS_AT + 4 * at, nanoseconds, true)
  }
  return bytes
}

export function decodeInode(bytes: Uint8Array | undefined, ino: number): Inode {
  const what = `inode ${ino}`
  if (bytes?.length === INODE_BYTES_1) return decodeFirst(bytes, what)
  if (bytes === undefined) throw new Damage(`${what} is missing`)
  if (bytes.length !== INODE_BYTES)
    throw new Damage(`${what} has ${bytes.length} bytes, expected ${INODE_BYTES}`)
  const view = viewOf(bytes)
  const kind = kindOf(bytes[0]!, what)
  const inode: Inode = {
    kind,
    sealed: bytes[1] === SEALED,
    mode: view.getUint16(2, true),
    uid: view.getUint32(4, true),
    gid: view.getUint32(8, true),
    links: view.getUint32(12, true),
    size: u64(view, 16),
    blocks: u64(view, BLOCKS_AT),
    parent: u64(view, 32),
    rdev: view.getUint32(40, true),
    generation: view.getUint32(44, true),
    atime: timeAt(view, 0),
    mtime: timeAt(view, 1),
    ctime: timeAt(view, 2),
    btime: timeAt(view, 3),
  }
  const { size, blocks, parent } = inode
  verify(
    Number.isSafeInteger(size) && Number.isSafeInteger(blocks) && Number.isSafeInteger(parent),
    `${what} has a number above 2^53`,
  )
  verify(bytes[1]! <= SEALED, `${what} has the unknown flags ${bytes[1]}`)
  verify(inode.mode <= MODE_MAX, `${what} has the mode ${inode.mode.toString(8)}, which is none`)
  for (const { seconds, nanoseconds } of [inode.atime, inode.mtime, inode.ctime, inode.btime])
    verify(Number.isSafeInteger(seconds) && nanoseconds < NANOSECONDS, `${what} has a time that is none`)
  return inode
}

/** The format that a record of an inode is of. */
export function formatOfInode({ length }: Uint8Array): 1 | 2 {
  return length === INODE_BYTES_1 ? 1 : 2
}

/** The record, with so many blocks more. Of format 1 nothing may be changed. */
export function withBlocks(bytes: Uint8Array | undefined, ino: number, more: number): Uint8Array {
  const { blocks } = decodeInode(bytes, ino)
  verify(formatOfInode(bytes!) === 2, `inode ${ino} is of format 1, in a volume that isn't`)
  verify(blocks + more >= 0, `inode ${ino} has ${blocks} blocks written down, and gives up ${-more}`)
  const changed = bytes!.slice()
  putU64(viewOf(changed), BLOCKS_AT, blocks + more)
  return changed
}

export function kindOf(number: number, what: string): Kind {
  const kind = KINDS[number - 1]
  if (kind === undefined) throw new Damage(`${what} is of the unknown kind ${number}`)
  return kind
}

export function kindNumber(kind: Kind): number {
  return 1 + KINDS.indexOf(kind)
}

function decodeFirst(bytes: Uint8Array, what: string): Inode {
  const [number, links, size] = decodeNumbers(bytes, 3, what)
  const kind = kindOf(number!, what)
  verify(kind === 'file' || kind === 'directory', `${what} is a ${kind}, which format 1 doesn't have`)
  const inode = newInode(planned(kind), { generation: 0, links: links!, now: EPOCH })
  return kind === 'directory' ? { ...inode, sealed: size === SEALED_SIZE_1 } : { ...inode, size: size! }
}

function timeAt(view: DataView, at: number): Time {
  const low = view.getUint32(TIMES_AT + 8 * at, true)
  const seconds = view.getInt32(TIMES_AT + 8 * at + 4, true) * 2 ** 32 + low
  return { seconds, nanoseconds: view.getUint32(NANOSECONDS_AT + 4 * at, true) }
}
