/** What programs say of the attributes of a volume's files, checked: modes, owners, times, devices, extended attributes. */
import { shown } from '../group/index.ts'
import type { InodePlan, Kind, RenameHow, Time } from '../volume/index.ts'
import { checkKeys, choice, invalid } from './options.ts'

/** How a file or a directory is made. */
export interface MakeOptions {
  /** The lower 12 bits of st_mode; 0o644 of a file and 0o755 of a directory if left out. */
  readonly mode?: number
  /** Who owns it: this process's user if left out. */
  readonly uid?: number
  /** Which group it belongs to: this process's if left out. */
  readonly gid?: number
}

/** What mknod makes. */
export interface NodeOptions extends MakeOptions {
  /** What it is; an empty file if left out. */
  readonly kind?: Exclude<Kind, 'directory' | 'symlink'>
  /** Of a device which driver; 0 if left out. */
  readonly major?: number
  /** Of a device which of its driver's; 0 if left out. */
  readonly minor?: number
}

/** Whether a symbolic link at the end of the path stands for what it leads to, or for itself. */
export interface LinkOptions {
  /** 'followed' if left out. */
  readonly link?: 'followed' | 'itself'
}

/** Times of a file; those that are left out stay. */
export interface TimesOfFile {
  /** When it was read. */
  readonly atime?: Date | Time
  /** When what it holds was changed. */
  readonly mtime?: Date | Time
}

/** How a name is given. */
export interface RenameOptions {
  /** What becomes of what has the name already: 'is replaced' if left out; 'is exchanged' gives it the other name. */
  readonly existing?: 'is replaced' | 'stays' | 'is exchanged'
}

/** How an extended attribute is set. */
export interface SetAttributeOptions {
  /** 'create': EEXIST if there is one of the name; 'replace': ENODATA if there is none; 'set' if left out. */
  readonly how?: 'set' | 'create' | 'replace'
}

const MODE_MAX = 0o7777
const ID_MAX = 2 ** 32 - 2
const MAJOR_MAX = 2 ** 12 - 1
const MINOR_MAX = 2 ** 20 - 1
const RENAMES = { 'is replaced': 'replace', stays: 'noreplace', 'is exchanged': 'exchange' } as const
const MAKE_KEYS = ['mode', 'uid', 'gid'] as const

export function now(): Time {
  return timeOf(performance.timeOrigin + performance.now())
}

/** What this process makes. */
export function planOf(kind: Kind, options: MakeOptions, operation: string): InodePlan {
  checkKeys(options, MAKE_KEYS, operation)
  return planned(kind, options, operation)
}

/** What mknod is asked for. */
export function nodePlan(options: NodeOptions, operation: string): InodePlan {
  checkKeys(options, [...MAKE_KEYS, 'kind', 'major', 'minor'], operation)
  const { kind = 'file', major = 0, minor = 0 } = options
  const known = ['file', 'fifo', 'socket', 'block device', 'char device'] as const
  checkWithin(major, MAJOR_MAX, 'major', operation)
  checkWithin(minor, MINOR_MAX, 'minor', operation)
  // As the kernel packs it (new_encode_dev).
  const rdev = ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0
  return { ...planned(choice(kind, known, 'kind', operation), options, operation), rdev }
}

export function linkPlan(target: unknown, operation: string): InodePlan {
  if (typeof target !== 'string' || target === '' || target.includes('\0'))
    throw invalid(operation, `target: expected where the link is to lead, got ${shown(target)}`)
  return { ...planned('symlink', { mode: 0o777 }, operation), target }
}

export function checkMode(mode: unknown, operation: string): number {
  return checkWithin(mode, MODE_MAX, 'mode', operation)
}

export function checkId(id: unknown, what: 'uid' | 'gid', operation: string): number {
  return checkWithin(id, ID_MAX, what, operation)
}

export function lastOf(options: LinkOptions, operation: string): 'followed' | 'itself' {
  checkKeys(options, ['link'], operation)
  return choice(options.link ?? 'followed', ['followed', 'itself'], 'link', operation)
}

export function renameHow(options: RenameOptions, operation: string): RenameHow {
  checkKeys(options, ['existing'], operation)
  const { existing = 'is replaced' } = options
  return RENAMES[choice(existing, ['is replaced', 'stays', 'is exchanged'], 'existing', operation)]
}

export function checkTimes(
  times: TimesOfFile,
  operation: string,
): { readonly atime?: Time; readonly mtime?: Time } {
  checkKeys(times, ['atime', 'mtime'], operation)
  const { atime, mtime } = times
  return {
    ...(atime !== undefined && { atime: checkTime(atime, 'atime', operation) }),
    ...(mtime !== undefined && { mtime: checkTime(mtime, 'mtime', operation) }),
  }
}

export function checkAttribute(name: unknown, operation: string): string {
  if (typeof name !== 'string' || name === '')
    throw invalid(operation, `name: expected the name of an attribute, such as user.note, got ${shown(name)}`)
  return name
}

function planned(kind: Kind, options: MakeOptions, operation: string): InodePlan {
  const {
    mode = kind === 'directory' ? 0o755 : 0o644,
    uid = process.getuid?.() ?? 0,
    gid = process.getgid?.() ?? 0,
  } = options
  return {
    kind,
    mode: checkMode(mode, operation),
    uid: checkId(uid, 'uid', operation),
    gid: checkId(gid, 'gid', operation),
  }
}

function checkTime(time: unknown, what: string, operation: string): Time {
  if (time instanceof Date && !Number.isNaN(time.getTime())) return timeOf(time.getTime())
  const { seconds, nanoseconds } = (typeof time === 'object' && time !== null ? time : {}) as Partial<Time>
  if (
    Number.isSafeInteger(seconds) &&
    Number.isInteger(nanoseconds) &&
    nanoseconds! >= 0 &&
    nanoseconds! < 1e9
  )
    return { seconds: seconds!, nanoseconds: nanoseconds! }
  throw invalid(operation, `${what}: expected a Date, or seconds and nanoseconds, got ${shown(time)}`)
}

function timeOf(milliseconds: number): Time {
  const seconds = Math.floor(milliseconds / 1000)
  return { seconds, nanoseconds: Math.floor((milliseconds - seconds * 1000) * 1e6) }
}

function checkWithin(value: unknown, most: number, what: string, operation: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value
  throw invalid(operation, `${what}: expected a whole number from 0 to ${most}, got ${shown(value)}`)
}
